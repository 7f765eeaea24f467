"""The stages between an original photograph and the image in a data set: crop, resize, remove background."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from wbc.data import BACKGROUNDS
from wbc.data.pipeline.cropping import Box, square_crop
from wbc.data.pipeline.decoding import fitted, read_upright
from wbc.data.pipeline.segmentation import paint_background, segment
from wbc.data.reading import PLAIN, Reading
from wbc.errors import InputError

FILL = (255, 255, 255)
"""The color of a removed background, as in the thesis."""


@dataclass(frozen=True)
class Original:
    """A photograph, or the white cell in it, from which images of a data set are made."""

    name: str
    """Unique within its class; images are named after it."""
    image: Path
    """The photograph."""
    class_name: str
    """Its class."""
    source: str
    """What it shares with other originals, such as the field of view; see `ImageEntry.source`."""
    box: Box | None = None
    """The white cell in pixels of the upright photograph, inside it; None: the whole photograph."""
    plain: bool = True
    """Whether every program shows the same pixels; else the image is written as a plain one."""
    page: int | None = None
    """Of a file with several pages: the one that this is, from 1."""
    split: str = ""
    """The split that its author put it into; empty: any."""


@dataclass(frozen=True)
class Stages:
    """Which stages run, and how.

    Raises:
        InputError: A value is out of its range.
    """

    crop: bool = True
    """Crop the box, if there is one."""
    margin: float = 0.1
    """What is added to the box on each side, as a fraction of its longer side."""
    image_size: int | None = None
    """Height and width in pixels; None: the size of the crop."""
    background: str = "keep"
    """One of `BACKGROUNDS`."""
    reading: Reading = PLAIN
    """How files become pixels."""

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 2:
            raise InputError(f"margin is {self.margin}", "Give a fraction of the box between 0 and 2.")
        if self.image_size is not None and self.image_size < 1:
            raise InputError(f"image_size is {self.image_size} pixels", "Give 1 or more.")
        if self.background not in BACKGROUNDS:
            raise InputError(f"background is {self.background!r}", f"Give {' or '.join(BACKGROUNDS)}.")

    def change(self, original: Original) -> bool:
        """Whether these stages change the pixels of an original."""
        cropped = self.crop and original.box is not None
        return cropped or not original.plain or self.image_size is not None or self.background == "remove"


@dataclass(frozen=True)
class Staged:
    """An original after the stages."""

    steps: dict[str, NDArray[np.uint8]]
    """Name of each step -> its result, in order; the first is the photograph."""
    guessed: str = ""
    """Why the white cell was not found and the background was removed by guess; empty if it was found."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The result of the last step; shape (height, width, 3)."""
        return list(self.steps.values())[-1]


def run_stages(original: Original, stages: Stages) -> Staged:
    """Crop an original, resize it and remove its background, as far as asked for."""
    reading = stages.reading
    if original.page is not None:
        reading = replace(reading, pages=original.page)
    pixels = read_upright(original.image, reading)
    steps, guessed = {"photograph": pixels}, ""
    if stages.crop and original.box is not None:
        pixels = steps["cropped"] = square_crop(pixels, original.box, stages.margin)
    if stages.image_size is not None:
        pixels = fitted(pixels, stages.image_size, stages.reading.fit, Resampling.BICUBIC)
        steps["cropped" if "cropped" in steps else "resized"] = pixels
    if stages.background == "remove":
        found = segment(pixels)
        steps["background removed"], guessed = paint_background(pixels, found.cell, FILL), found.fallback
    return Staged(steps, guessed)
