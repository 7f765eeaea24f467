"""From the files of a manifest to arrays in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL.Image import Resampling

from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.decoding import decoding_pool, fitted, read_upright
from wbc.data.reading import PLAIN, Reading
from wbc.errors import InputError


@dataclass(frozen=True)
class Split:
    """The images of one split, or features made from them, in the order of the manifest."""

    inputs: NDArray[Any]
    """Shape (n, ...): uint8 pixels, or float32 features."""
    labels: NDArray[np.int64]
    """Index of each image's class; shape (n,)."""
    images: list[ImageEntry]
    """The manifest's entry of each image."""
    classes: tuple[str, ...]
    """Class names in label order."""

    @property
    def targets(self) -> NDArray[np.float32]:
        """One-hot labels; shape (n, classes)."""
        return np.eye(len(self.classes), dtype=np.float32)[self.labels]

    def __len__(self) -> int:
        return len(self.inputs)


Empty = Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]
"""Makes an array of some shape and type to fill."""


def load_split(
    manifest: Manifest, name: str, folder: Path, image_size: int, pixels: NDArray[np.uint8] | None = None
) -> Split:
    """Decode the images of one split.

    Args:
        manifest: The data set.
        name: `train`, `validation` or `test`.
        folder: The folder below which the files of the manifest are.
        image_size: Height and width in pixels.
        pixels: Its pixels, where they are decoded already.

    Raises:
        InputError: See `load_pixels`.
    """
    images = manifest.split(name)
    if pixels is None:
        pixels = load_pixels(folder, images, image_size, Reading.of(manifest.settings))
    return Split(pixels, labels_of(images, manifest.classes), images, manifest.classes)


def load_pixels(
    folder: Path,
    images: Sequence[ImageEntry],
    image_size: int,
    reading: Reading = PLAIN,
    empty: Empty = np.empty,
) -> NDArray[np.uint8]:
    """Decode images, each once, in the order in which they are given.

    Returns:
        uint8 array of shape (len(images), image_size, image_size, 3): 147 KiB per image at 224 pixels.

    Raises:
        InputError: A file is missing, or is no longer an image.
    """
    pixels = empty((len(images), image_size, image_size, 3), np.uint8)

    def read(index: int) -> None:
        file = images[index].file
        try:
            pixels[index] = read_image(folder / file, image_size, reading)
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all of them
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InputError(
                f"the image {folder / file} cannot be read any more: {reason}",
                "It was readable before the trial started. Repeat the command to check the folder again.",
            ) from None

    with decoding_pool() as pool:
        list(pool.map(read, range(len(images))))
    return pixels


def read_image(path: Path, image_size: int, reading: Reading = PLAIN) -> NDArray[np.uint8]:
    """Decode an image as upright RGB and resize it (bilinear, antialiased).

    Returns:
        uint8 array of shape (image_size, image_size, 3).
    """
    return fitted(read_upright(path, reading), image_size, reading.fit, Resampling.BILINEAR)


def labels_of(images: Sequence[ImageEntry], classes: Sequence[str]) -> NDArray[np.int64]:
    """The index of each image's class; shape (len(images),)."""
    number = {name: index for index, name in enumerate(classes)}
    return np.array([number[image.class_name] for image in images], np.int64)
