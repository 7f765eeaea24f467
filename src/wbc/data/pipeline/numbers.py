"""Numbers of more than 8 bits: what an image file stores, and how that becomes pixels.

There is one scale for the whole data set, never one of an image's own: its brightness may be what tells the
classes apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.data.reading import FLOATS, INTEGERS, Facts, Reading
from wbc.errors import InputError

_WHITES = tuple(2.0**bits - 1 for bits in (8, 10, 12, 14, 16))
"""White of the cameras whose counts are stored in files of 16 bits and more."""

ORIENTATIONS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}
"""The tag Orientation of TIFF -> what makes the image upright."""

SIDEWAYS = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Deep:
    """Numbers of more than 8 bits as they are stored."""

    values: NDArray[Any]
    """Shape (height, width, 1 or 3)."""
    alpha: NDArray[Any] | None = None
    """Opacity as it is stored; shape (height, width)."""
    multiplied: bool = False
    """Whether the values are stored multiplied with the opacity."""
    inverted: bool = False
    """Whether 0 is white."""
    turns: Sequence[Image.Transpose] = ()


def with_white(reading: Reading, images: Sequence[tuple[Path, Facts]]) -> Reading:
    """The reading of a data set, with a white derived from all its images where none is declared.

    Integers are counts of a camera of 8, 10, 12, 14 or 16 bits: the smallest of these depths that holds all
    numbers of all images, but no more than the files can hold (127 or 32,767 where they are signed). Floats
    that stay within 0 and 1 have the white 1. Nothing else can be known.

    Raises:
        InputError: White cannot be known, or is declared although all images have 8 bits.
    """
    deep = [(path, facts) for path, facts in images if facts.kind]
    if not deep:
        if images and (reading.white is not None or reading.black):
            raise InputError(
                "white and black are given, but every image has 8 bits per channel or less, and its white is 255",
                "Remove white and black.",
            )
        return reading
    kinds = {facts.kind: path for path, facts in deep}
    low, high = min(facts.low for _, facts in deep), max(facts.high for _, facts in deep)
    brightest = next(path for path, facts in deep if facts.high == high)
    declare = (
        "Declare the number that is white: white = 4095 in [data], or --white 4095; with black = where 0 is not "
        "black."
    )
    if len(kinds) > 1:
        raise InputError(
            f"some images contain integers and some contain floats: {kinds[INTEGERS]} and {kinds[FLOATS]}",
            "Convert them to one kind.",
        )
    if reading.white is not None:
        return reading
    if low < reading.black:
        raise InputError(f"the images contain numbers from {low:g} to {high:g}", declare)
    if FLOATS in kinds:
        if high > 1:
            raise InputError(
                f"the images contain floats up to {high:g} ({brightest}), so what is white in them cannot be known",
                declare,
            )
        return replace(reading, white=1.0)
    most = min(max(facts.most for _, facts in deep), _WHITES[-1])
    white = next((white for white in (*_WHITES, most) if high <= white <= most), None)
    if white is None:
        raise InputError(
            f"the images contain integers up to {high:.0f} ({brightest}), so what is white in them cannot be known",
            declare,
        )
    return replace(reading, white=white)


def shown(path: Path, deep: Deep, reading: Reading) -> NDArray[np.uint8]:
    """Pixels of numbers of more than 8 bits."""
    values, black, white = deep.values, reading.black, reading.white
    if white is None:
        if values.dtype != np.uint16:
            raise InputError(
                f"{path} contains numbers of the type {values.dtype.name}, whose white is not known",
                "Declare it: white = 4095 in [data], or --white 4095.",
            )
        white = 65535.0
    numbers = values.astype(np.float64)
    opacity = None if deep.alpha is None else _opacity(deep.alpha, white)[..., None]
    if opacity is not None and deep.multiplied:
        numbers /= np.maximum(opacity, 1e-6)
    if values.dtype.kind == "f":
        gray = np.rint((numbers - black) / (white - black) * 255)
    else:  # as many numbers for each gray: of 16 bits, the upper 8
        gray = np.floor((numbers - black) * 256 / (white - black + 1))
    gray = np.clip(gray, 0, 255)
    if deep.inverted:
        gray = 255 - gray
    if opacity is not None:
        gray = np.rint(gray * opacity + 255 * (1 - opacity))
    pixels = np.repeat(gray, 3, axis=2) if gray.shape[2] == 1 else gray
    image = Image.fromarray(pixels.astype(np.uint8))
    for turn in deep.turns:
        image = image.transpose(turn)
    return np.asarray(image)


def _opacity(alpha: NDArray[Any], white: float) -> NDArray[np.float64]:
    """Opacity from 0 to 1 of what is stored.

    Programs write either the white of the colors for opaque, such as 4095, or the largest number of the type, which
    floats have at 1. An image that exceeds the one has the other.
    """
    usual = 1.0 if alpha.dtype.kind == "f" else white
    other = white if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    opacity: NDArray[np.float64] = np.clip(alpha / (usual if alpha.max() <= usual else other), 0, 1)
    return opacity
