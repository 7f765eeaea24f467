"""BCCD, real stained blood smears: one crop per white cell, split by field, balanced by augmented copies."""

import hashlib
import json
import math
import os
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from wbc.data import CELL_CLASSES, PARTS
from wbc.data.augmentation import augment
from wbc.data.bccd_source import (
    LeftOut,
    WhiteCell,
    bccd_fingerprint,
    check_bccd_folder,
    photographs,
    read_white_cells,
)
from wbc.data.manifest import ImageEntry, Manifest, file_sha256
from wbc.data.repeats import METHOD, Repeat, find_repeats, group_fields, read_field
from wbc.data.splitting import split_groups
from wbc.errors import InputError

__all__ = ["BccdSettings", "bccd_fingerprint", "check_bccd_folder", "find_fields", "import_bccd"]

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is no image, or a damaged one."""

Corner = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class BccdSettings:
    """What a data set made from BCCD depends on besides the photographs.

    Attributes:
        split_seed: Seed of the split, of the choice among surplus images and of the augmentation.
        train_images_per_class: Images of every class in the training part; None: as many as the largest class
            has cells there.
        margin: What is added to the box on each side, as a fraction of its longer side.
        image_size: Height and width of the images in pixels.
    """

    split_seed: int = 0
    train_images_per_class: int | None = None
    margin: float = 0.1
    image_size: int = 224

    def __post_init__(self):
        if self.split_seed < 0:
            raise InputError(f"split_seed is {self.split_seed}", "Give 0 or more.")
        if self.train_images_per_class is not None and self.train_images_per_class < 1:
            raise InputError(f"train_images_per_class is {self.train_images_per_class}", "Give 1 or more.")
        if not 0 <= self.margin <= 2:
            raise InputError(f"margin is {self.margin}", "Give a fraction of the box between 0 and 2.")
        if self.image_size < 1:
            raise InputError(f"image_size is {self.image_size} pixels", "Give 1 or more.")


@dataclass(frozen=True)
class _Crop:
    """A white cell cut out: its pixels, and its box as fractions of the photograph's width and height."""

    pixels: np.ndarray
    box: Box


def import_bccd(
    source: Path, destination: Path, settings: BccdSettings, cache: Path | None = None
) -> Manifest:
    """Make a data set from BCCD.

    Photographs of one field stay in one part; the field is the manifest's `source`, named after its
    first photograph. A field may hold several cells, of several classes. Where two photographs show the
    same cell and name it differently, its images are left out. Validation and test hold no copies.

    Args:
        source: The BCCD folder.
        destination: An empty or missing folder; gets `<part>/<CLASS>/<name>.png`.
        settings: The same settings and source give the same bytes.
        cache: Folder in which the repeated photographs that were found are kept.

    Raises:
        InputError: The source is not BCCD or has too few cells of a class; the destination is not empty.
    """
    cells, left_out = read_white_cells(source)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"{destination} is there already and not empty", "Give another folder.")
    crops = _cut_out(cells, settings, left_out)
    fields = find_fields(photographs(source), cache)
    contradicting = _contradictions(cells, crops, fields)
    left_out["repeat with another category"] += [c.image.name for c in cells if c.name in contradicting]
    usable = [cell for cell in cells if cell.name in crops and cell.name not in contradicting]

    parts = _split(source, usable, fields, settings.split_seed)
    chosen = _choose(usable, parts, settings, left_out)
    images = []
    for name, (cell, copy) in sorted(chosen.items()):
        pixels = crops[cell.name].pixels
        if copy:
            pixels = augment(pixels, _generator(settings.split_seed, cell.name, copy))
        file = f"{parts[cell.name]}/{cell.category}/{name}.png"
        (destination / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(destination / file, "PNG", compress_level=1)
        sha256 = file_sha256(destination / file)
        images.append(ImageEntry(file, parts[cell.name], cell.category, fields[cell.name][0], sha256))
    images.sort(key=lambda image: (PARTS.index(image.part), image.file))
    made_by = {"source": "bccd", "fingerprint": bccd_fingerprint(source), **asdict(settings)}
    return Manifest(tuple(images), CELL_CLASSES, made_by, left_out.ordered())


def find_fields(images: list[Path], cache: Path | None = None) -> dict[str, tuple[str, Corner]]:
    """Find out which photographs show one field.

    Args:
        images: The photographs. One that cannot be read is a field of its own.
        cache: Folder in which the result is kept, under a hash of the images and of the method.

    Returns:
        Name of the photograph without suffix -> the name of its field (that of the field's first photograph),
        and where its upper left corner lies in that first photograph (down, right; fractions).
    """
    images = sorted(images)
    repeats = _remembered_repeats(images, cache)
    fields = {}
    for field in group_fields(len(images), repeats):
        name = images[next(iter(field))].stem
        fields.update({images[index].stem: (name, corner) for index, corner in field.items()})
    return fields


def _remembered_repeats(images: list[Path], cache: Path | None) -> list[Repeat]:
    """The repeats from the cache, else found anew and kept there."""
    if cache is None:
        return _register(images)
    identity = [METHOD, [(image.name, file_sha256(image)) for image in images]]
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    file = cache / f"{key[:32]}.json"
    try:
        found = json.loads(file.read_text())
        return [Repeat(first, second, (down, right), r) for first, second, (down, right), r in found]
    except (OSError, ValueError, TypeError):  # not there yet, or damaged: both end with a whole one
        repeats = _register(images)
    cache.mkdir(parents=True, exist_ok=True)
    content = [[repeat.first, repeat.second, repeat.shift, repeat.correlation] for repeat in repeats]
    handle, partial = tempfile.mkstemp(dir=cache, suffix=".partial")
    try:
        with os.fdopen(handle, "w") as stream:
            json.dump(content, stream)
        Path(partial).replace(file)
    finally:
        Path(partial).unlink(missing_ok=True)
    return repeats


def _register(images: list[Path]) -> list[Repeat]:
    grey = []
    for image in images:
        try:
            grey.append(read_field(image))
        except UNREADABLE:
            grey.append(np.zeros((3, 4), np.uint8))  # without texture, repeats nothing
    return find_repeats(grey)


def _cut_out(cells: list[WhiteCell], settings: BccdSettings, left_out: LeftOut) -> dict[str, _Crop]:
    """The crop of every cell that can be cut out, by name."""
    crops = {}
    for cell in cells:
        try:
            with Image.open(cell.image) as image:
                pixels = np.asarray(image.convert("RGB"))
        except UNREADABLE:
            left_out["photograph unreadable"].append(cell.image.name)
            continue
        height, width = pixels.shape[:2]
        left, top, right, bottom = cell.box
        box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        if box[0] >= box[2] or box[1] >= box[3]:
            left_out["white-cell box outside the photograph"].append(cell.image.name)
            continue
        size = (settings.image_size, settings.image_size)
        square = Image.fromarray(square_crop(pixels, box, settings.margin))
        relative = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
        crops[cell.name] = _Crop(np.asarray(square.resize(size, Image.Resampling.BICUBIC)), relative)
    return crops


def square_crop(pixels: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """Cut a box with a margin out of an image, as a square.

    The square is moved into the image where it juts out, so that every pixel is a real one and a cell at the
    edge stands out of the middle; a square larger than the image is filled up by mirroring at the edge.

    Args:
        pixels: Shape (height, width, channels).
        box: Left, top, right, bottom in pixels, inside the image.
        margin: Added on each side, as a fraction of the longer side of the box.
    """
    left, top, right, bottom = box
    side = max(1, math.ceil(max(right - left, bottom - top) * (1 + 2 * margin)))
    spans, padding = [], []
    for centre, size in (((top + bottom) / 2, pixels.shape[0]), ((left + right) / 2, pixels.shape[1])):
        start = math.floor(centre - side / 2)
        if side <= size:
            start = min(max(start, 0), size - side)
        spans.append(slice(max(start, 0), start + side))
        padding.append((max(-start, 0), max(start + side - size, 0)))
    return np.pad(pixels[spans[0], spans[1]], [*padding, (0, 0)], mode="symmetric")


def _contradictions(
    cells: list[WhiteCell], crops: dict[str, _Crop], fields: dict[str, tuple[str, Corner]]
) -> set[str]:
    """Names of the cells that another photograph of the same field gives another category."""
    neighbours = defaultdict(list)
    for cell in cells:
        if cell.name in crops:
            neighbours[fields[cell.name][0]].append(cell)
    contradicting = set()
    for field in neighbours.values():
        for one, other in combinations(field, 2):
            boxes = [_moved(crops[cell.name].box, fields[cell.name][1]) for cell in (one, other)]
            if one.category != other.category and _same_cell(*boxes):
                contradicting |= {one.name, other.name}
    return contradicting


def _moved(box: Box, corner: Corner) -> Box:
    """A box in the frame of the field."""
    left, top, right, bottom = box
    down, aside = corner
    return left + aside, top + down, right + aside, bottom + down


def _same_cell(one: Box, other: Box) -> bool:
    """Whether two boxes of a field share more than half of the smaller one; two cells do not lie so close."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width > 0 and height > 0 and width * height > smaller / 2


def _split(
    source: Path, cells: list[WhiteCell], fields: dict[str, tuple[str, Corner]], seed: int
) -> dict[str, str]:
    """The part of every cell, by its name."""
    classes = defaultdict(set)
    for cell in cells:
        classes[fields[cell.name][0]].add(cell.category)
    for category in CELL_CLASSES:
        if not any(category in found for found in classes.values()):
            raise InputError(f"{source}: there is no usable cell of class {category}", "Complete the folder.")
    try:
        parts = split_groups(classes, seed=seed)
    except InputError as error:
        raise InputError(f"{source}: {error.what}", error.way_out) from None
    return {cell.name: parts[fields[cell.name][0]] for cell in cells}


def _choose(
    cells: list[WhiteCell], parts: dict[str, str], settings: BccdSettings, left_out: LeftOut
) -> dict[str, tuple[WhiteCell, int]]:
    """Name of the image -> its cell and the number of the augmented copy, 0 for the cell itself."""
    chosen = {cell.name: (cell, 0) for cell in cells if parts[cell.name] != "train"}
    train = {category: [] for category in CELL_CLASSES}
    for cell in cells:
        if parts[cell.name] == "train":
            train[cell.category].append(cell)
    wanted = settings.train_images_per_class or max(map(len, train.values()))
    for category, found in train.items():
        order = _generator(settings.split_seed, category, 0).permutation(len(found))
        shuffled = [found[index] for index in order]
        left_out["more than train_images_per_class"] += [cell.image.name for cell in shuffled[wanted:]]
        for number in range(wanted):
            copy, index = divmod(number, len(shuffled))
            cell = shuffled[index]
            chosen[f"{cell.name}-a{copy:02d}" if copy else cell.name] = (cell, copy)
    return chosen


def _generator(seed: int, name: str, copy: int) -> np.random.Generator:
    """A generator of its own for every image, so that no order matters."""
    return np.random.default_rng([seed, copy, *hashlib.sha256(name.encode()).digest()])
