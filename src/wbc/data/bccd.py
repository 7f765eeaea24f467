"""BCCD, real stained blood smears: one crop per white cell, split by field, balanced by augmented copies."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from PIL import Image

from wbc.data import CELL_CLASSES
from wbc.data.bccd_source import (
    LeftOut,
    WhiteCell,
    bccd_fingerprint,
    check_bccd_folder,
    photographs,
    read_white_cells,
)
from wbc.data.cropping import Box, clip_box
from wbc.data.fields import UNREADABLE, Corner, find_fields
from wbc.data.manifest import Manifest
from wbc.data.parts import make_parts
from wbc.data.quotas import Quota
from wbc.data.stages import Progress, SourceCell, Stages, no_progress
from wbc.errors import InputError

__all__ = ["BccdSettings", "bccd_fingerprint", "check_bccd_folder", "find_bccd_cells", "import_bccd"]


@dataclass(frozen=True)
class BccdSettings:
    """What a data set made from BCCD depends on besides the photographs.

    Attributes:
        split_seed: Seed of the split, of the choice among surplus images and of the augmentation.
        train_images_per_class: Images of every class in the training part; None: as many as the largest class
            has cells there.
        margin: What is added to the box on each side, as a fraction of its longer side.
        image_size: Height and width of the images in pixels.
        background: `keep`, or `remove`: everything but the white cell is painted white.
        test_cells_per_class: Cells of each class in validation and test at most; None: all.
        test_copies: How often each of them is there, itself included; above 1 the rest are augmented copies,
            as in the thesis (eleven times).
    """

    split_seed: int = 0
    train_images_per_class: int | None = None
    margin: float = 0.1
    image_size: int = 224
    background: str = "keep"
    test_cells_per_class: int | None = None
    test_copies: int = 1

    def __post_init__(self):
        if self.split_seed < 0:
            raise InputError(f"split_seed is {self.split_seed}", "Give 0 or more.")
        for name in ("train_images_per_class", "test_cells_per_class", "test_copies"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}", "Give 1 or more.")
        self.stages  # noqa: B018  checks the others

    @property
    def stages(self) -> Stages:
        """What happens to each cell."""
        return Stages(True, self.margin, self.image_size, self.background)

    @property
    def quotas(self) -> dict[str, Quota]:
        """What each part holds."""
        tested = Quota(times=self.test_copies, cells=self.test_cells_per_class, copies=self.test_copies > 1)
        train = Quota(self.train_images_per_class, balanced=True, copies=True)
        return {"train": train, "validation": tested, "test": tested}


def import_bccd(
    source: Path,
    destination: Path,
    settings: BccdSettings,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Make a data set from BCCD.

    Photographs of one field stay in one part; the field is the manifest's `source`, named after its
    first photograph. A field may hold several cells, of several classes. Where two photographs show the
    same cell and name it differently, its images are left out. Validation and test hold no copies, unless the
    settings ask for them.

    Args:
        source: The BCCD folder.
        destination: An empty or missing folder; gets `<part>/<CLASS>/<name>.png`.
        settings: The same settings and source give the same bytes.
        cache: Folder in which the repeated photographs that were found are kept.
        progress: Told how far it is.

    Raises:
        InputError: The source is not BCCD or has too few cells of a class; the destination is not empty.
    """
    cells, left_out = find_bccd_cells(source, cache)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"{destination} is there already and not empty", "Give another folder.")
    try:
        images, guessed, surplus = make_parts(
            cells, CELL_CLASSES, settings.quotas, settings.stages, settings.split_seed, destination, progress
        )
    except InputError as error:
        raise InputError(f"{source}: {error.what}", error.way_out) from None
    left_out["more cells than images are asked for"] += [cell.image.name for cell in surplus]
    made_by = {"source": "bccd", "fingerprint": bccd_fingerprint(source), **asdict(settings)}
    if guessed:
        made_by["background_guessed"] = guessed
    return Manifest(tuple(images), CELL_CLASSES, made_by, left_out.ordered())


def find_bccd_cells(source: Path, cache: Path | None = None) -> tuple[list[SourceCell], LeftOut]:
    """The cells of BCCD that can be used, each with its box and field, and what was left out.

    Raises:
        InputError: The source is not BCCD.
    """
    cells, left_out = read_white_cells(source)
    usable: dict[str, tuple[WhiteCell, Box, Box]] = {}
    for cell in cells:
        try:
            with Image.open(cell.image) as image:
                image.load()
                width, height = image.size
        except UNREADABLE:
            left_out["photograph unreadable"].append(cell.image.name)
            continue
        box = clip_box(cell.box, width, height)
        if box is None:
            left_out["white-cell box outside the photograph"].append(cell.image.name)
            continue
        usable[cell.name] = (cell, box, (box[0] / width, box[1] / height, box[2] / width, box[3] / height))
    fields = {
        image.stem: (first.stem, corner)
        for image, (first, corner) in find_fields(photographs(source), cache).items()
    }
    contradicting = _contradictions(usable, fields)
    left_out["repeat with another category"] += [usable[name][0].image.name for name in contradicting]
    return [
        SourceCell(name, cell.image, cell.category, fields[name][0], box)
        for name, (cell, box, _) in usable.items()
        if name not in contradicting
    ], left_out


def _contradictions(
    usable: dict[str, tuple[WhiteCell, Box, Box]], fields: dict[str, tuple[str, Corner]]
) -> set[str]:
    """Names of the cells that another photograph of the same field gives another category."""
    neighbours = defaultdict(list)
    for name in usable:
        neighbours[fields[name][0]].append(name)
    contradicting = set()
    for field in neighbours.values():
        for one, other in combinations(field, 2):
            boxes = [_moved(usable[name][2], fields[name][1]) for name in (one, other)]
            if usable[one][0].category != usable[other][0].category and _same_cell(*boxes):
                contradicting |= {one, other}
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
