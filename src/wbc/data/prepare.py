"""Any folder of classes, or BCCD, into a data set: split, cropped, without background, augmented."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from wbc.data import CELL_CLASSES, PARTS
from wbc.data.bccd import find_bccd_cells
from wbc.data.bccd_source import IMAGES, LABELS, LeftOut, bccd_fingerprint
from wbc.data.cropping import clip_box, read_white_box
from wbc.data.fields import find_fields
from wbc.data.folders import check_image, class_folders, list_images
from wbc.data.lookalikes import keep_together
from wbc.data.manifest import MANIFEST_NAME, Manifest
from wbc.data.parts import make_parts
from wbc.data.quotas import Quota
from wbc.data.stages import Progress, SourceCell, Stages, no_progress
from wbc.errors import InputError

PROTOCOLS = ("corrected", "thesis-2018")
"""`thesis-2018` fills validation and test with augmented copies; `corrected` has none there."""

THESIS_COUNTS = {"train": 4394, "validation": 440, "test": 440}
"""Images of the thesis' second data set, its section 5.2."""
THESIS_TEST_CELLS = 10
"""Its cells of each class in validation and in test: each is there eleven times."""

ANNOTATIONS = "Annotations"


@dataclass(frozen=True)
class PrepareSettings:
    """What `prepare` does besides splitting.

    Attributes:
        split_seed: Seed of the split, of the choice among cells and of the augmentation.
        repeats: Look for images that show the same, in whole or in part, which stay together; every pair is
            compared.
        stages: Cropping, size, background.
        train, validation, test: Images of each part altogether; None: each cell once. Training gets augmented
            copies where it has fewer cells.
        per_class: The three numbers are of each class.
        protocol: One of `PROTOCOLS`.
    """

    split_seed: int = 0
    repeats: bool = True
    stages: Stages = field(default_factory=Stages)
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    per_class: bool = False
    protocol: str = "corrected"

    def __post_init__(self):
        if self.protocol not in PROTOCOLS:
            raise InputError(f"the protocol is {self.protocol!r}", f"Give {' or '.join(PROTOCOLS)}.")
        for part in PARTS:
            if getattr(self, part) is not None and getattr(self, part) < 1:
                raise InputError(f"{getattr(self, part)} images are asked for in {part}", "Give 1 or more.")

    def quotas(self, classes: tuple[str, ...]) -> dict[str, Quota]:
        """What each part holds."""
        thesis = self.protocol == "thesis-2018"
        quotas = {}
        for part in PARTS:
            count = getattr(self, part)
            if count is None and thesis:
                count = THESIS_COUNTS[part] if not self.per_class else -(-THESIS_COUNTS[part] // len(classes))
            tested = part != "train"
            others = {
                "copies": thesis or not tested,
                "cells": THESIS_TEST_CELLS if thesis and tested else None,
            }
            if count is None:
                quotas[part] = Quota(**others)
            elif self.per_class:
                quotas[part] = Quota(count, **others)
            else:
                quotas[part] = Quota.of_total(count, classes, **others)
        return quotas


@dataclass(frozen=True)
class Source:
    """A folder that was read.

    Attributes:
        cells: Its source cells.
        classes: Class names in label order.
        left_out: Reason -> files.
        identity: What goes into the manifest's settings.
    """

    cells: list[SourceCell]
    classes: tuple[str, ...]
    left_out: LeftOut
    identity: dict


def prepare(
    source: Path,
    destination: Path,
    settings: PrepareSettings,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Make a new, split folder with a manifest; it appears whole or not at all.

    The split is stratified by class. Images that show the same go into one part, for otherwise the test would
    ask for what training has shown: photographs that repeat each other (`wbc.data.repeats`), and whatever
    `wbc.data.check` would find in two parts (`wbc.data.lookalikes`).

    Args:
        source: Folder with a folder of images a class, or BCCD. Boxes of white cells are looked for in
            VOC files of the images' names, beside them or in `Annotations/`.
        destination: A folder that does not exist yet.
        settings: The same settings and source give the same bytes.
        cache: Folder in which the repeated photographs that were found are kept.
        progress: Told how far it is.

    Raises:
        InputError: The source has no classes, an image that cannot be read, or too few images of a class, or
            the destination is there already.
    """
    if destination.exists():
        raise InputError(f"{destination} is there already", "Give the name of a new folder.")
    found = read_source(source, settings.repeats, cache)
    made_by = {**found.identity, **asdict(settings)}
    cells = found.cells
    with whole_folder(destination) as partial:
        try:
            if settings.repeats:
                kept = keep_together(cells, settings.stages, settings.split_seed, cache, progress)
                cells, made_by["kept_together"] = kept.cells, kept.together
                made_by["all_shifts"] = kept.all_shifts
            images, guessed, surplus = make_parts(
                cells,
                found.classes,
                settings.quotas(found.classes),
                settings.stages,
                settings.split_seed,
                partial,
                progress,
            )
        except InputError as error:
            raise InputError(f"{source}: {error.what}", error.way_out) from None
        found.left_out["more cells than images are asked for"] += [cell.image.name for cell in surplus]
        if guessed:
            made_by["background_guessed"] = guessed
        manifest = Manifest(tuple(images), found.classes, made_by, found.left_out.ordered())
        manifest.write(partial)
    return manifest


@contextmanager
def whole_folder(destination: Path) -> Iterator[Path]:
    """A folder beside `destination` that takes its place at the end, or goes."""
    partial = destination.with_name(destination.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_source(source: Path, repeats: bool = True, cache: Path | None = None) -> Source:
    """The source cells of a folder of classes, or of BCCD.

    Raises:
        InputError: There are fewer than two classes, an image cannot be read, or the folder is split already.
    """
    if (source / IMAGES).is_dir() and (source / LABELS).is_file():
        cells, left_out = find_bccd_cells(source, cache)
        return Source(
            cells, CELL_CLASSES, left_out, {"source": "bccd", "fingerprint": bccd_fingerprint(source)}
        )
    files = _images_by_class(source)
    paths = [path for name in files for path in files[name]]
    for path in paths:
        check_image(path)
    first_of = {path: path for path in paths}
    if repeats:
        first_of = {path: first for path, (first, _) in find_fields(paths, cache).items()}
    left_out, cells = LeftOut(), []
    for name, images in files.items():
        stems = [path.stem for path in images]
        for path in images:
            box = _box(path, source)
            if isinstance(box, str):
                left_out[box].append(path.relative_to(source).as_posix())
                continue
            unique = path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "-")
            group = first_of[path].relative_to(source).as_posix()
            cells.append(SourceCell(unique, path, name, group, box))
    return Source(cells, tuple(files), left_out, {"source": "folder"})


def _box(path: Path, source: Path):
    """The white cell's box, None without an annotation, or why the image cannot be used."""
    places = [
        path.with_suffix(".xml"),
        source / ANNOTATIONS / f"{path.stem}.xml",
    ]
    annotation = next((place for place in places if place.is_file()), None)
    if annotation is None:
        return None
    box = read_white_box(annotation)
    if isinstance(box, str):
        return box
    with Image.open(path) as image:
        return clip_box(box, *image.size) or "white-cell box outside the photograph"


def _images_by_class(source: Path) -> dict[str, list[Path]]:
    """The images of every class folder.

    Raises:
        InputError: There are fewer than two classes, or the folder is split already.
    """
    if not source.is_dir():
        raise InputError(f"there is no folder {source}", "It should hold a folder of images a class.")
    names = [name for name in class_folders(source) if name != ANNOTATIONS]
    if set(names) >= set(PARTS) or (source / MANIFEST_NAME).exists():
        raise InputError(f"{source} is split already", f'Use it as it is: path = "{source}" in [data].')
    files = {name: _photographs(source / name) for name in names}
    files = {name: paths for name, paths in files.items() if paths}
    if len(files) < 2:
        raise InputError(
            f"{source} has {len(files)} folder{'' if len(files) == 1 else 's'} with images; "
            "telling images apart takes at least two classes",
            "It should hold a folder of images a class.",
        )
    return files


def _photographs(folder: Path) -> list[Path]:
    return [path for path in list_images(folder) if path.suffix.lower() != ".xml"]
