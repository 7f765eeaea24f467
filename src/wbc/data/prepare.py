"""Make a data set from any folder of classes, or from BCCD: split, cropped, without background, augmented."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.bccd import ANNOTATIONS, bccd_fingerprint, find_bccd_cells, is_bccd_folder
from wbc.data.folders import Contents, Looked, entries_of, look_at_images
from wbc.data.join_sources import join_near_duplicates
from wbc.data.layout import AS_IT_IS, FolderOptions, Found, read_layout, suggested_groups
from wbc.data.manifest import MANIFEST_NAME, LeftOut, Manifest
from wbc.data.pipeline.build import build_splits
from wbc.data.pipeline.cropping import Box, clip_box, read_white_box
from wbc.data.pipeline.decoding import look_at, page_count, read_upright
from wbc.data.pipeline.numbers import with_white
from wbc.data.pipeline.splitting import NONE_STAY, Quota
from wbc.data.pipeline.stages import Original, Stages
from wbc.data.progress import Progress, no_progress
from wbc.data.reading import PLAIN, Facts, Reading
from wbc.duplicates import EXHAUSTIVE_IMAGES, SIDE, find_fields, read_gray
from wbc.errors import InputError
from wbc.files import file_sha256, whole_folder

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
    folder: FolderOptions = AS_IT_IS
    """What the folder does not say of itself."""
    each_page: bool = False
    """Make an image of each page of a file; those of one file share a source."""

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
    reading: Reading = PLAIN
    """With the white of its images."""
    notes: tuple[str, ...] = ()
    """What a reader should know, in sentences."""


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
    (`wbc.duplicates.find_fields`) and whatever `wbc.data.check` would find in two splits. If the folder has
    train and test, validation is taken out of train, and the test stays what it is.

    Args:
        folder: A folder with one folder of images per class, or BCCD; see `wbc.data.layout`. Boxes of white
            cells are read from VOC files with the names of the images, beside them or in `Annotations/`.
        destination: A folder that does not exist yet.
        settings: The same settings and folder give the same bytes.
        cache: Folder that keeps which near-duplicates were found; None: no cache.
        progress: Called as the work goes on.

    Raises:
        InputError: The folder has no classes, an unreadable image, or too few images of a class, or the
            destination exists already.
    """
    if destination.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{destination} is in {folder}, which would then contain its own copy",
            "Give a folder beside it.",
        )
    if destination.exists():
        raise InputError(f"{destination} exists already", "Give the name of a new folder.")
    found = read_folder(folder, settings, cache, progress)
    made_by = {**found.identity, **asdict(settings)}
    made_by["folder"] = {key: value for key, value in made_by["folder"].items() if value is not None}
    made_by["stages"]["reading"] = found.reading.spelled_out()
    stages = replace(settings.stages, reading=found.reading)
    originals = found.originals
    with whole_folder(destination) as partial_folder:
        try:
            stay = NONE_STAY
            if settings.near_duplicates:
                joined = join_near_duplicates(originals, stages, settings.split_seed, cache, progress)
                originals, stay, made_by["kept_together"] = joined.originals, joined.split_of, joined.together
                made_by["all_shifts"] = joined.all_shifts
            built = build_splits(
                originals,
                found.classes,
                settings.quotas(found.classes),
                stages,
                settings.split_seed,
                partial_folder,
                progress,
                stay=stay,
            )
        except InputError as error:
            raise InputError(f"{folder}: {error.what}", error.way_out) from None
        found.left_out["more cells than images are asked for"] += [one.image.name for one in built.surplus]
        if built.guessed:
            made_by["background_guessed"] = built.guessed
        if found.notes:
            made_by["notes"] = list(found.notes)
        manifest = Manifest(built.images, found.classes, made_by, found.left_out.ordered())
        manifest.write(partial_folder)
    return manifest


def read_folder(
    folder: Path,
    settings: PrepareSettings,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> SourceFolder:
    """The originals of a folder of classes, or of BCCD.

    Args:
        folder: The folder.
        settings: With `near_duplicates`, photographs of one field of view get one source. In sets of more than
            `EXHAUSTIVE_IMAGES`, where comparing every pair would take hours, they are not searched for, nor in sets
            of images below `SIDE` pixels: those are crops, and parts of them are alike by their kind.
        cache: See `find_fields`.
        progress: Called as images are read.

    Raises:
        InputError: There are fewer than two classes, an image cannot be read, labels contradict each other,
            or the folder is split already.
    """
    if is_bccd_folder(folder):
        cells, left_out = find_bccd_cells(folder, cache)
        identity = {"source": "bccd", "fingerprint": bccd_fingerprint(folder)}
        return SourceFolder(cells, CELL_CLASSES, left_out, identity, settings.stages.reading)
    layout = read_layout(folder, settings.folder)
    split = layout.splits == SPLITS and not settings.each_page
    if split or (folder.is_dir() and (folder / MANIFEST_NAME).exists()):
        raise InputError(f"{folder} is split already", f'Use it as it is: path = "{folder}" in [data].')
    layout.check()
    reading = settings.stages.reading
    if settings.each_page:
        pages = {}
        for number, found in enumerate(layout.images, 1):
            pages[found.file] = page_count(found.path)
            progress("pages", number, len(layout.images))
        looked = [
            (found, Looked(file_sha256(found.path), look_at(found.path, _of_page(reading, page))), page)
            for found in layout.images
            for page in (range(1, pages[found.file] + 1) if pages[found.file] > 1 else (None,))
        ]
        Contents([(found, one) for found, one, _ in looked], []).check_labels()
        sources = {found.file: found.group or found.file for found in layout.images}
        reading = with_white(reading, [(found.path, one.facts) for found, one, _ in looked])
    else:
        contents = look_at_images(layout, reading, progress=progress)
        contents.check()
        contents.check_labels()
        reading = contents.scaled(reading)
        looked = [(found, one, None) for found, one in contents.images]
        sources = {entry.file: entry.source for entry in entries_of(folder, contents)}
    fields: dict[Path, Path] = {}
    apart = not settings.each_page and settings.folder.group is None
    photographs = max((min(one.facts.width, one.facts.height) for _, one, _ in looked), default=0) >= SIDE
    if settings.near_duplicates and apart and photographs and len(looked) <= EXHAUSTIVE_IMAGES:
        plain = {found.path: one.facts.plain for found, one, _ in looked}
        gray = partial(_gray, plain, reading)
        found_fields = find_fields(
            [found.path for found, _, _ in looked],
            cache,
            gray,
            reading.spelled_out(),
            lambda done, total: progress("fields of view", done, total),
        )
        fields = {path: first for path, (first, _) in found_fields.items()}
    originals = []
    names = _names(looked)
    for (found, one, page), name in zip(looked, names, strict=True):
        box = _box(found.path, folder, one.facts)
        if isinstance(box, str):
            layout.left_out[box].append(found.file)
            continue
        source = sources[found.file]
        if source == found.file and found.path in fields:
            source = fields[found.path].relative_to(folder).as_posix()
        fixed = found.split if found.split != "train" or layout.splits == SPLITS else ""
        originals.append(
            Original(name, found.path, found.class_name, source, box, one.facts.plain, page, fixed)
        )
    if layout.splits:  # one source on both sides is a leak of the author's, which `data check` names
        originals = [
            replace(one, source=f"{one.split}/{one.source}" if one.split else one.source) for one in originals
        ]
    return SourceFolder(
        originals,
        layout.classes,
        layout.left_out,
        {"source": "folder"},
        reading,
        tuple(note for note in (*layout.notes, suggested_groups(layout.images)) if note),
    )


def _of_page(reading: Reading, page: int | None) -> Reading:
    return replace(reading, pages=page) if page is not None else reading


def _gray(plain: dict[Path, bool], reading: Reading, path: Path) -> NDArray[np.uint8]:
    """An image in gray, as `find_fields` compares it."""
    if plain[path]:
        return read_gray(path)
    gray = Image.fromarray(read_upright(path, reading)).convert("L")
    gray.thumbnail((320, 320), Image.Resampling.BILINEAR)
    return np.asarray(gray)


def _names(looked: list[tuple[Found, Looked, int | None]]) -> Iterator[str]:
    """A name for every image, unique within its class also where case does not matter."""

    def below_class(found: Found) -> str:
        parts = found.file.split("/")
        start = next((n + 1 for n, part in enumerate(parts[:-1]) if _same(part, found.class_name)), 0)
        return "-".join(parts[start or len(parts) - 1 :])

    stems = Counter((one.class_name, _stem(below_class(one)).casefold()) for one, _, _ in looked)
    pages = Counter(one.file for one, _, _ in looked)
    taken: set[tuple[str, str]] = set()
    for found, _, page in looked:
        name = _stem(below_class(found))
        if stems[found.class_name, name.casefold()] > pages[found.file]:
            name = below_class(found).replace(".", "-")
        if page is not None:
            name = f"{name}-p{page:03d}"
        if re.search(r"-a\d\d+$", name):  # the names of augmented copies
            name += "_"
        unique, number = name, 1
        while (found.class_name, unique.casefold()) in taken or (
            number > 1 and stems[found.class_name, unique.casefold()]
        ):
            number += 1
            unique = f"{name}-{number}"
        taken.add((found.class_name, unique.casefold()))
        yield unique


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one) == other


def _box(path: Path, folder: Path, facts: Facts) -> Box | str | None:
    """The box of the white cell, None without an annotation, or the reason to leave the image out."""
    places = [path.with_suffix(".xml"), folder / ANNOTATIONS / f"{path.stem}.xml"]
    annotation = next((place for place in places if place.is_file()), None)
    if annotation is None:
        return None
    box = read_white_box(annotation)
    if isinstance(box, str):
        return box
    return clip_box(box, facts.width, facts.height) or "white-cell box outside the photograph"
