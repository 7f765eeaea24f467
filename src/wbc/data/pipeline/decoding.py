"""Decode image files to upright RGB pixels."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


def decoding_pool() -> ThreadPoolExecutor:
    """Threads, one per core, in which images may be opened.

    Pillow looks its formats up when it opens the first image. Threads that do so at the same time may take a
    good image for a damaged one. The formats are therefore looked up before there are threads.
    """
    Image.init()
    return ThreadPoolExecutor(os.cpu_count())


def read_upright(path: Path) -> NDArray[np.uint8]:
    """Decode an image as RGB at its own size, rotated as its EXIF data say.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        OSError, ValueError, SyntaxError: The file is missing, damaged, or not an image.
    """
    with Image.open(path) as file:
        image: Image.Image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I;16") or image.mode == "I":
            # Pillow clips 16-bit grays to 255 when it converts them; keep the high byte instead.
            image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB"))
