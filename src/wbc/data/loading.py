"""From image files to arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from wbc.data.decoding import decoding_pool
from wbc.data.manifest import ImageEntry
from wbc.errors import InputError


def read_image(path: Path, image_size: int) -> np.ndarray:
    """Decode an image as upright RGB and resize it (bilinear, antialiased).

    Returns:
        uint8 array of shape (image_size, image_size, 3).
    """
    pixels = read_upright(path)
    if pixels.shape[:2] == (image_size, image_size):
        return pixels
    resized = Image.fromarray(pixels).resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def read_upright(path: Path) -> np.ndarray:
    """Decode an image as upright RGB, at its own size.

    Returns:
        uint8 array of shape (height, width, 3).
    """
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16") or image.mode == "I":
            # Pillow clips 16-bit greys to 255 when it converts them; keep the high byte instead.
            image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB"))


def load_pixels(folder: Path, images: Sequence[ImageEntry], image_size: int) -> np.ndarray:
    """Decode images, each once, in the order in which they are given.

    Returns:
        uint8 array of shape (len(images), image_size, image_size, 3); 147 KiB an image at 224 pixels.

    Raises:
        InputError: An image went missing, or is none any more.
    """
    pixels = np.empty((len(images), image_size, image_size, 3), np.uint8)

    def read(index: int) -> None:
        file = images[index].file
        try:
            pixels[index] = read_image(folder / file, image_size)
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all of them
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InputError(
                f"the image {folder / file} cannot be read any more: {reason}",
                "It could be read before the cell began; the same command looks at the folder anew.",
            ) from None

    with decoding_pool() as pool:
        list(pool.map(read, range(len(images))))
    return pixels


def labels_of(images: Sequence[ImageEntry], classes: Sequence[str]) -> np.ndarray:
    """The index of each image's class; int64 array of shape (len(images),)."""
    number = {name: index for index, name in enumerate(classes)}
    return np.array([number[image.class_name] for image in images], np.int64)
