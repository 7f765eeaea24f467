"""Make a data set from any folder of classes, or from BCCD: split, cropped, without background, augmented."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.bccd import ANNOTATIONS, bccd_fingerprint, find_bccd_cells, is_bccd_folder
from wbc.data.folders import check_image, class_folders, list_images
from wbc.data.manifest import MANIFEST_NAME, LeftOut, Manifest
from wbc.data.near_duplicates import join_near_duplicates
from wbc.data.pipeline.build import build_splits
from wbc.data.pipeline.cropping import Box, clip_box, read_white_box
from wbc.data.pipeline.splitting import Quota
from wbc.data.pipeline.stages import Original, Progress, Stages, no_progress
from wbc.duplicates import find_fields
from wbc.errors import InputError
from wbc.files import whole_folder

PROTOCOLS = ("corrected", "thesis-2018")
"""`thesis-2018` fills validation and test with augmented copies; `corrected` puts none there."""

THESIS_COUNTS = {"train": 4394, "validation": 440, "test": 440}
"""Images of the second data set of the thesis (section 5.2)."""
THESIS_TEST_CELLS = 10
"""Its cells of each class in validation and in test; each is used eleven times."""


@dataclass(frozen=True)
class PrepareSettings:
    """What `prepare` does.

    Raises:
        InputError: The protocol is unknown or a count is below 1.
    """

    split_seed: int = 0
    """Seed of the split, of the choice among originals and of the augmentation."""
    near_duplicates: bool = True
    """Keep images that show the same thing, in whole or in part, in one split; compares every pair."""
    stages: Stages = field(default_factory=Stages)
    """Cropping, size, background."""
    train: int | None = None
    """Training images in total; None: each original once. Missing ones are made up by augmented copies."""
    validation: int | None = None
    """Validation images in total; None: each original once."""
    test: int | None = None
    """Test images in total; None: each original once."""
    per_class: bool = False
    """The three numbers are per class, not totals."""
    protocol: str = "corrected"
    """One of `PROTOCOLS`."""

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InputError(f"the protocol is {self.protocol!r}", f"Give {' or '.join(PROTOCOLS)}.")
        for split in SPLITS:
            count = self._count(split)
            if count is not None and count < 1:
                raise InputError(f"{count} images are asked for in {split}", "Give 1 or more.")

    def _count(self, split: str) -> int | None:
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def quotas(self, classes: tuple[str, ...]) -> dict[str, Quota]:
        """How many images each split takes."""
        thesis = self.protocol == "thesis-2018"
        quotas = {}
        for split in SPLITS:
            held_out = split != "train"
            originals = THESIS_TEST_CELLS if thesis and held_out else None
            copies = thesis or not held_out
            count = self._count(split)
            if count is None and thesis:
                count = THESIS_COUNTS[split]
                if self.per_class:
                    count = -(-count // len(classes))
            if count is None or self.per_class:
                quotas[split] = Quota(count, originals=originals, copies=copies)
            else:
                quotas[split] = Quota.of_total(count, classes, originals, copies)
        return quotas


@dataclass(frozen=True)
class SourceFolder:
    """A folder that was read."""

    originals: list[Original]
    classes: tuple[str, ...]
    """Class names in label order."""
    left_out: LeftOut
    """Reason -> files."""
    identity: dict[str, str]
    """What the settings in the manifest say about the folder."""


def prepare(
    folder: Path,
    destination: Path,
    settings: PrepareSettings,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Make a new, split folder with a manifest; it appears whole or not at all.

    The split is stratified by class. Images that show the same thing go into one split. Otherwise the test
    would contain what the training has shown. Such images are photographs of one field of view
    (`wbc.duplicates.find_fields`) and whatever `wbc.data.check` would find in two splits.

    Args:
        folder: A folder with one folder of images per class, or BCCD. Boxes of white cells are read from VOC
            files with the names of the images, beside them or in `Annotations/`.
        destination: A folder that does not exist yet.
        settings: The same settings and folder give the same bytes.
        cache: Folder that keeps which near-duplicates were found; None: no cache.
        progress: Called as the work goes on.

    Raises:
        InputError: The folder has no classes, an unreadable image, or too few images of a class, or the
            destination exists already.
    """
    if destination.exists():
        raise InputError(f"{destination} exists already", "Give the name of a new folder.")
    found = read_folder(folder, settings.near_duplicates, cache)
    made_by = {**found.identity, **asdict(settings)}
    originals = found.originals
    with whole_folder(destination) as partial:
        try:
            if settings.near_duplicates:
                joined = join_near_duplicates(
                    originals, settings.stages, settings.split_seed, cache, progress
                )
                originals, made_by["kept_together"] = joined.originals, joined.together
                made_by["all_shifts"] = joined.all_shifts
            built = build_splits(
                originals,
                found.classes,
                settings.quotas(found.classes),
                settings.stages,
                settings.split_seed,
                partial,
                progress,
            )
        except InputError as error:
            raise InputError(f"{folder}: {error.what}", error.way_out) from None
        found.left_out["more cells than images are asked for"] += [one.image.name for one in built.surplus]
        if built.guessed:
            made_by["background_guessed"] = built.guessed
        manifest = Manifest(built.images, found.classes, made_by, found.left_out.ordered())
        manifest.write(partial)
    return manifest


def read_folder(folder: Path, near_duplicates: bool = True, cache: Path | None = None) -> SourceFolder:
    """The originals of a folder of classes, or of BCCD.

    Args:
        folder: The folder.
        near_duplicates: Give photographs of one field of view one source.
        cache: See `find_fields`.

    Raises:
        InputError: There are fewer than two classes, an image cannot be read, or the folder is split already.
    """
    if is_bccd_folder(folder):
        cells, left_out = find_bccd_cells(folder, cache)
        identity = {"source": "bccd", "fingerprint": bccd_fingerprint(folder)}
        return SourceFolder(cells, CELL_CLASSES, left_out, identity)
    files = _images_by_class(folder)
    paths = [path for name in files for path in files[name]]
    for path in paths:
        check_image(path)
    first_of = {path: path for path in paths}
    if near_duplicates:
        first_of = {path: first for path, (first, _) in find_fields(paths, cache).items()}
    left_out, originals = LeftOut(), []
    for name, images in files.items():
        stems = Counter(path.stem for path in images)
        for path in images:
            box = _box(path, folder)
            if isinstance(box, str):
                left_out[box].append(path.relative_to(folder).as_posix())
                continue
            unique = path.stem if stems[path.stem] == 1 else path.name.replace(".", "-")
            source = first_of[path].relative_to(folder).as_posix()
            originals.append(Original(unique, path, name, source, box))
    return SourceFolder(originals, tuple(files), left_out, {"source": "folder"})


def _box(path: Path, folder: Path) -> Box | str | None:
    """The box of the white cell, None without an annotation, or the reason to leave the image out."""
    places = [path.with_suffix(".xml"), folder / ANNOTATIONS / f"{path.stem}.xml"]
    annotation = next((place for place in places if place.is_file()), None)
    if annotation is None:
        return None
    box = read_white_box(annotation)
    if isinstance(box, str):
        return box
    with Image.open(path) as image:
        return clip_box(box, *image.size) or "white-cell box outside the photograph"


def _images_by_class(folder: Path) -> dict[str, list[Path]]:
    """The images of every class folder.

    Raises:
        InputError: There are fewer than two classes, or the folder is split already.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", "It should contain one folder of images per class.")
    names = [name for name in class_folders(folder) if name != ANNOTATIONS]
    if set(names) >= set(SPLITS) or (folder / MANIFEST_NAME).exists():
        raise InputError(f"{folder} is split already", f'Use it as it is: path = "{folder}" in [data].')
    files = {name: _photographs(folder / name) for name in names}
    files = {name: paths for name, paths in files.items() if paths}
    if len(files) < 2:
        raise InputError(
            f"{folder} has {len(files)} folder{'' if len(files) == 1 else 's'} with images, "
            "but a classifier needs at least two classes",
            "It should contain one folder of images per class.",
        )
    return files


def _photographs(folder: Path) -> list[Path]:
    return [path for path in list_images(folder) if path.suffix.lower() != ".xml"]
