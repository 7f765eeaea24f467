"""Make a data set from BCCD: one crop per white cell, split by field of view, balanced by augmentation."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from PIL import Image

from wbc.data import BASOPHIL, CELL_CLASSES, SPLITS
from wbc.data.bccd.source import WhiteCell, bccd_fingerprint, photographs, read_white_cells
from wbc.data.manifest import LeftOut, Manifest
from wbc.data.pipeline.build import build_splits
from wbc.data.pipeline.cropping import Box, clip_box
from wbc.data.pipeline.folds import Splitting
from wbc.data.pipeline.sample import NOT_SAMPLED, sample
from wbc.data.pipeline.splitting import Quota
from wbc.data.pipeline.stages import Original, Stages
from wbc.data.progress import Progress, no_progress
from wbc.duplicates import UNREADABLE, Corner, find_fields
from wbc.errors import DataKeyError, InputError


@dataclass(frozen=True)
class BccdSettings:
    """What a data set made from BCCD depends on, besides the photographs.

    Raises:
        InputError: A value is out of its range.
    """

    split_seed: int = 0
    """Seed of the split, of the choice among surplus images and of the augmentation."""
    folds: int | None = None
    """Number of folds; None: one split by usual shares."""
    fold: int | None = None
    """The fold that is the test, from 1."""
    max_images_per_class: int | None = None
    """Cells of each class at most, of all splits together; None: all."""
    train_images_per_class: int | None = None
    """Training images of every class; None: as many as the largest class has cells in that split."""
    margin: float = 0.1
    """What is added to the box on each side, as a fraction of its longer side."""
    image_size: int = 224
    """Height and width of the images in pixels."""
    background: str = "keep"
    """`keep`, or `remove`: everything except the white cell is painted white."""
    test_cells_per_class: int | None = None
    """Cells of each class in validation and test at most; None: all."""
    test_copies: int = 1
    """How often each of those cells is used, itself included.

    Above 1 the rest are augmented copies, as in the thesis, which uses each cell eleven times.
    """
    basophils: bool = False
    """Whether basophils are a fifth class. There are so few that each split has one."""

    def __post_init__(self) -> None:
        if self.split_seed < 0:
            raise InputError(f"split_seed is {self.split_seed}", "Give 0 or more.")
        for name in ("max_images_per_class", "train_images_per_class", "test_cells_per_class", "test_copies"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}", "Give 1 or more.")
        self.stages, self.splitting  # noqa: B018  checks the other values
        splits, most = self.folds or len(SPLITS), self.max_images_per_class
        if most is not None and most < splits:
            raise DataKeyError(
                "max_images_per_class",
                f"{most} cells of each class are too few for {splits} {'folds' if self.folds else 'splits'}",
                f"Set it to {splits} or more, or remove it.",
            )

    @property
    def stages(self) -> Stages:
        """What happens to each cell."""
        return Stages(True, self.margin, self.image_size, self.background)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return (BASOPHIL, *CELL_CLASSES) if self.basophils else CELL_CLASSES

    @property
    def splitting(self) -> Splitting:
        """How the cells are split."""
        return Splitting(self.split_seed, self.folds, self.fold)

    @property
    def quotas(self) -> dict[str, Quota]:
        """How many images each split takes."""
        held_out = Quota(
            times=self.test_copies, originals=self.test_cells_per_class, copies=self.test_copies > 1
        )
        train = Quota(self.train_images_per_class, balanced=True, copies=True)
        return {"train": train, "validation": held_out, "test": held_out}


def import_bccd(
    folder: Path,
    destination: Path,
    settings: BccdSettings,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Make a data set from BCCD.

    Photographs of one field of view stay in one split. The field is the `source` in the manifest, named after
    its first photograph. A field may contain several cells, also of several classes. If two photographs of
    the same cell have different labels, its images are left out. Validation and test contain no copies,
    unless the settings ask for them.

    Args:
        folder: The BCCD folder.
        destination: An empty or missing folder; gets `<split>/<CLASS>/<name>.png`.
        settings: The same settings and folder give the same bytes.
        cache: Folder that keeps which photographs show one field.
        progress: Called after each cell.

    Returns:
        The manifest. It is not written.

    Raises:
        InputError: The folder is not BCCD or has too few cells of a class; the destination is not empty.
    """
    cells, left_out = find_bccd_cells(folder, cache, settings.basophils)
    if settings.max_images_per_class is not None:
        cells, others = sample(cells, settings.max_images_per_class, settings.split_seed)
        left_out[NOT_SAMPLED] += [cell.image.name for cell in others]
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"{destination} exists already and is not empty", "Give another folder.")
    try:
        built = build_splits(
            cells,
            settings.classes,
            settings.quotas,
            settings.stages,
            settings.split_seed,
            destination,
            progress,
            settings.splitting,
        )
    except InputError as error:
        raise InputError(f"{folder}: {error.what}", error.way_out) from None
    left_out["more cells than images are asked for"] += [cell.image.name for cell in built.surplus]
    made_by = {"source": "bccd", "fingerprint": bccd_fingerprint(folder), **asdict(settings)}
    if built.guessed:
        made_by["background_guessed"] = built.guessed
    return Manifest(built.images, settings.classes, made_by, left_out.ordered())


def bccd_photographs(folder: Path, basophils: bool) -> list[Original]:
    """The photographs with one cell, before their pixels are looked at: no more of them can be used.

    Raises:
        InputError: The folder is not BCCD.
    """
    cells, _ = read_white_cells(folder, basophils)
    return [Original(cell.name, cell.image, cell.category, cell.name) for cell in cells]


def find_bccd_cells(
    folder: Path, cache: Path | None = None, basophils: bool = False
) -> tuple[list[Original], LeftOut]:
    """The cells of BCCD that can be used, each with its box and field of view, and what was left out.

    Raises:
        InputError: The folder is not BCCD.
    """
    cells, left_out = read_white_cells(folder, basophils)
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
        for image, (first, corner) in find_fields(photographs(folder), cache).items()
    }
    contradicting = _contradictions(usable, fields)
    left_out["near-duplicate with another category"] += [usable[name][0].image.name for name in contradicting]
    return [
        Original(name, cell.image, cell.category, fields[name][0], box)
        for name, (cell, box, _) in usable.items()
        if name not in contradicting
    ], left_out


def _contradictions(
    usable: dict[str, tuple[WhiteCell, Box, Box]], fields: dict[str, tuple[str, Corner]]
) -> set[str]:
    """Names of the cells to which another photograph of the same field gives another category."""
    by_field = defaultdict(list)
    for name in usable:
        by_field[fields[name][0]].append(name)
    contradicting = set()
    for names in by_field.values():
        for one, other in combinations(names, 2):
            boxes = [_in_field(usable[name][2], fields[name][1]) for name in (one, other)]
            if usable[one][0].category != usable[other][0].category and _same_cell(*boxes):
                contradicting |= {one, other}
    return contradicting


def _in_field(box: Box, corner: Corner) -> Box:
    """A box in the coordinates of the field."""
    left, top, right, bottom = box
    down, aside = corner
    return left + aside, top + down, right + aside, bottom + down


def _same_cell(one: Box, other: Box) -> bool:
    """Whether two boxes share more than half of the smaller one; two cells are never so close."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width > 0 and height > 0 and width * height > smaller / 2
