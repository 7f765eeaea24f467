"""Decode image files to upright RGB pixels of 8 bits, and say what is in a file. The one door for doing so.

- Numbers of more than 8 bits become pixels by one scale for the whole data set (`numbers`).
- What is transparent becomes white, whatever color is stored beneath (`frames`).
- No page and no channel is dropped in silence: what cannot be shown in three channels is an error (`tiff`).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.data.pipeline.frames import of_frames, of_png, page_of
from wbc.data.pipeline.numbers import SIDEWAYS, Deep, shown
from wbc.data.pipeline.opening import opened, several
from wbc.data.pipeline.tiff import TIFF, of_tiff, pages_of_tiff
from wbc.data.reading import FLOATS, INTEGERS, PLAIN, Facts, Reading
from wbc.errors import InputError


def decoding_pool() -> ThreadPoolExecutor:
    """Threads, one per core, in which images may be opened.

    Pillow looks its formats up when it opens the first image. Threads that do so at the same time may take a
    good image for a damaged one. The formats are therefore looked up before there are threads.
    """
    Image.init()
    return ThreadPoolExecutor(os.cpu_count())


def read_upright(path: Path, reading: Reading = PLAIN) -> NDArray[np.uint8]:
    """Decode an image as RGB at its own size, rotated as its EXIF data say, on white where it is transparent.

    Args:
        path: The file.
        reading: Of its data set. Without a white, only unsigned numbers of 16 bits are read: 65,535 is white.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        InputError: It is not an image, or has pages, channels or numbers that `reading` does not explain.
        OSError, ValueError, SyntaxError: The file is missing or damaged.
    """
    content = _content(path, reading.pages)
    if isinstance(content, Image.Image):
        return np.asarray(content)
    return shown(path, content, reading)


def look_at(path: Path, reading: Reading = PLAIN) -> Facts:
    """Decode an image and say what is in it.

    Raises:
        InputError: The image cannot be used; the message names the file, the reason and a way out.
    """
    try:
        content = _content(path, reading.pages)
        if isinstance(content, Image.Image):
            extremes = [
                edge
                for band in content.getextrema()
                for edge in (band if isinstance(band, tuple) else (band,))
            ]
            low, high = float(min(extremes)), float(max(extremes))
            return Facts(content.width, content.height, low, high, plain=_is_plain(path))
        values = content.values
        if not np.isfinite(values).all():
            raise InputError(f"{path} has numbers that are not finite", "Replace them, or remove the file.")
        kind = FLOATS if values.dtype.kind == "f" else INTEGERS
        height, width = values.shape[:2]
        if any(turn in SIDEWAYS for turn in content.turns):
            height, width = width, height
        most = 0.0 if kind == FLOATS else float(np.iinfo(values.dtype).max)
        return Facts(width, height, float(values.min()), float(values.max()), kind, most, plain=False)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(
            f"{path} cannot be read as an image: {reason}", "Replace it, or remove it from the folder."
        ) from None


def page_count(path: Path) -> int:
    """The number of pages of an image file.

    Raises:
        InputError: It is not an image.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head in TIFF:
        return pages_of_tiff(path)
    with opened(path) as image:
        return int(getattr(image, "n_frames", 1)) if several(image) else 1


def fitted(pixels: NDArray[np.uint8], side: int, fit: str, resample: Image.Resampling) -> NDArray[np.uint8]:
    """Resize an image to a square (antialiased); `fit` says what happens if it is not one.

    Args:
        pixels: Shape (height, width, 3).
        side: Height and width in pixels of the result.
        fit: One of `FITS`.
        resample: How pixels are interpolated.
    """
    if pixels.shape[:2] == (side, side):
        return pixels
    height, width = pixels.shape[:2]
    if fit == "crop":
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        pixels = pixels[top : top + short, left : left + short]
    elif fit == "pad":
        long = max(height, width)
        top, left = (long - height) // 2, (long - width) // 2
        square = np.full((long, long, 3), 255, np.uint8)
        square[top : top + height, left : left + width] = pixels
        pixels = square
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), resample))


def _is_plain(path: Path) -> bool:
    """Whether a file that could be decoded is opaque and has one page."""
    with opened(path) as image:
        return image.mode in ("1", "L", "P", "RGB") and not image.has_transparency_data and not several(image)


def _content(path: Path, pages: int | str | None) -> Image.Image | Deep:
    """An upright RGB image of 8 bits, or numbers of more."""
    with path.open("rb") as file:
        head = file.read(4)
    if head in TIFF:
        return of_tiff(path, pages)
    with opened(path) as image:
        if several(image):
            return of_frames(path, image, pages)
        if image.format == "PNG":
            return of_png(image)
        return page_of(image)
