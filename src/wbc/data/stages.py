"""What happens to the photograph of a cell on its way into a data set."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from wbc.data import BACKGROUNDS
from wbc.data.augmentation import augment
from wbc.data.cropping import Box, square_crop
from wbc.data.decoding import decoding_pool
from wbc.data.loading import read_upright
from wbc.data.manifest import ImageEntry, file_sha256
from wbc.data.quotas import copy_name, generator
from wbc.data.segmentation import paint_background, segment
from wbc.errors import InputError

FILL = (255, 255, 255)
"""The colour that a removed background gets, as in the thesis."""

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


def no_progress(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class SourceCell:
    """A cell that images are made of.

    Attributes:
        name: Unique within its class; images are named after it.
        image: The photograph.
        class_name: Its class.
        source: What it shares with other photographs of the same field.
        box: Left, top, right, bottom in pixels, inside the photograph; None: the whole.
    """

    name: str
    image: Path
    class_name: str
    source: str
    box: Box | None = None


@dataclass(frozen=True)
class Stages:
    """The stages between photograph and augmented copy.

    Attributes:
        crop: Cut the box out, where there is one.
        margin: What is added to the box on each side, as a fraction of its longer side.
        image_size: Height and width in pixels; None: as large as the crop.
        background: One of `BACKGROUNDS`.
    """

    crop: bool = True
    margin: float = 0.1
    image_size: int | None = None
    background: str = "keep"

    def __post_init__(self):
        if not 0 <= self.margin <= 2:
            raise InputError(f"margin is {self.margin}", "Give a fraction of the box between 0 and 2.")
        if self.image_size is not None and self.image_size < 1:
            raise InputError(f"image_size is {self.image_size} pixels", "Give 1 or more.")
        if self.background not in BACKGROUNDS:
            raise InputError(f"background is {self.background!r}", f"Give {' or '.join(BACKGROUNDS)}.")

    def touches(self, cell: SourceCell) -> bool:
        """Whether a cell leaves these stages otherwise than it came."""
        cut = self.crop and cell.box is not None
        return cut or self.image_size is not None or self.background == "remove"


@dataclass(frozen=True)
class Staged:
    """A cell after the stages.

    Attributes:
        steps: What was done -> what came of it, in order; the first is the photograph.
        guessed: Why the background was removed by guess, or empty.
    """

    steps: dict[str, np.ndarray]
    guessed: str = ""

    @property
    def pixels(self) -> np.ndarray:
        """The last step; uint8, shape (height, width, 3)."""
        return list(self.steps.values())[-1]


def run_stages(cell: SourceCell, stages: Stages) -> Staged:
    """Crop a cell and remove its background, as far as asked for."""
    pixels = read_upright(cell.image)
    steps, guessed = {"photograph": pixels}, ""
    if stages.crop and cell.box is not None:
        pixels = steps["cropped"] = square_crop(pixels, cell.box, stages.margin)
    if stages.image_size is not None:
        size = (stages.image_size, stages.image_size)
        resized = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        pixels = steps["cropped" if "cropped" in steps else "resized"] = np.asarray(resized)
    if stages.background == "remove":
        found = segment(pixels)
        steps["background removed"], guessed = paint_background(pixels, found.cell, FILL), found.fallback
    return Staged(steps, guessed)


def write_images(
    folder: Path,
    chosen: Iterable[tuple[SourceCell, str, int]],
    stages: Stages,
    seed: int,
    progress: Progress = no_progress,
) -> tuple[list[ImageEntry], dict[str, list[str]]]:
    """Write the images of a data set.

    Args:
        folder: Gets `<part>/<class>/<name>.png`; a photograph that no stage touches keeps its bytes.
        chosen: (cell, part, number of the copy) of each image.
        stages: What happens to each.
        seed: Of the augmentation.
        progress: Told how far it is.

    Returns:
        The entries of the manifest in no order, and reason -> files whose background was removed by guess.
    """
    by_cell: dict[SourceCell, list[tuple[str, int]]] = {}
    for cell, part, copy in chosen:
        by_cell.setdefault(cell, []).append((part, copy))

    def write(item: tuple[SourceCell, list[tuple[str, int]]]) -> tuple[list[ImageEntry], str]:
        cell, images = item
        staged = (
            None
            if all(not copy for _, copy in images) and not stages.touches(cell)
            else run_stages(cell, stages)
        )
        entries = []
        for part, copy in images:
            suffix = ".png" if copy or (staged is not None and stages.touches(cell)) else cell.image.suffix
            file = f"{part}/{cell.class_name}/{copy_name(cell.name, copy)}{suffix}"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            if suffix != ".png" or staged is None:
                (folder / file).write_bytes(cell.image.read_bytes())
            else:
                pixels = augment(staged.pixels, generator(seed, cell.name, copy)) if copy else staged.pixels
                Image.fromarray(pixels).save(folder / file, "PNG", compress_level=1)
            entries.append(ImageEntry(file, part, cell.class_name, cell.source, file_sha256(folder / file)))
        return entries, staged.guessed if staged else ""

    images: list[ImageEntry] = []
    guessed: dict[str, list[str]] = {}
    with decoding_pool() as pool:
        for number, (entries, guess) in enumerate(pool.map(write, by_cell.items()), 1):
            images += entries
            if guess:
                guessed.setdefault(guess, []).extend(entry.file for entry in entries)
            progress("images", number, len(by_cell))
    return images, {reason: sorted(guessed[reason]) for reason in sorted(guessed)}


def stages_sheet(cells: Sequence[SourceCell], stages: Stages, seed: int, copies: int = 4, tile: int = 128):
    """A picture of what each stage did, a row a cell.

    Args:
        cells: The cells to show.
        stages: The stages.
        seed: Of the augmentation.
        copies: Augmented copies to show of each.
        tile: Side in pixels of an image on the sheet.

    Returns:
        An RGB image (Pillow).
    """
    from wbc.data.contact_sheet import contact_sheet

    rows = {}
    for cell in cells:
        staged = run_stages(cell, stages)
        shown = [augment(staged.pixels, generator(seed, cell.name, copy)) for copy in range(1, copies + 1)]
        label = (
            f"{cell.class_name} {cell.name}: {', '.join(staged.steps)}"
            + f", {copies} augmented copies" * bool(copies)
        )
        if staged.guessed:
            label += f" (background by guess: {staged.guessed})"
        rows[label] = [*staged.steps.values(), *shown]
    return contact_sheet(rows, tile)
