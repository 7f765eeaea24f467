"""Augmentation of training images: a function of seed, epoch and image, so resumed training repeats it."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.specification import Augmentation

_STREAM = 1
"""Separates these random numbers from those that order the images."""
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of the channels, ITU-R BT.601
_DIAGONAL = 0.21
"""Margin that a rotated square needs on each side, as a fraction of the side: (sqrt(2) - 1) / 2."""


class Augmenter:
    """Changes batches of training images, several images at a time.

    Args:
        settings: The largest changes.
        seed: Seed of the experiment.
    """

    def __init__(self, settings: Augmentation, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self._pool = ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0))), "augmentation")

    def __call__(self, pixels: NDArray[np.uint8], indices: NDArray[np.intp], epoch: int) -> NDArray[np.uint8]:
        """A changed copy of a batch.

        Args:
            pixels: Shape (n, side, side, 3).
            indices: Index of each image in the training split; shape (n,).
            epoch: From 0.
        """
        changed = np.empty_like(pixels)

        def change(place: int) -> None:
            rng = np.random.default_rng([self.seed, epoch, int(indices[place]), _STREAM])
            changed[place] = augment_image(pixels[place], self.settings, rng)

        list(self._pool.map(change, range(len(pixels))))
        return changed


def augment_image(
    pixels: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Change one image at random: one bilinear transform of the geometry, then the colors.

    Areas beyond the border repeat the pixels of the border.

    Args:
        pixels: Shape (side, side, 3).
        settings: The largest changes. Each change draws its random numbers even if it is off.
        rng: Source of every random choice.

    Returns:
        The changed image; same shape.
    """
    angle, shift_x, shift_y, zoom, brightness, contrast, saturation = rng.uniform(-1, 1, 7)
    flips = rng.random(2) < 0.5
    moved = _move(
        pixels,
        np.deg2rad(settings.rotation * angle),
        settings.shift * np.array([shift_x, shift_y]),
        1 + settings.zoom * zoom,
        settings,
    )
    if settings.flip_horizontal and flips[0]:
        moved = moved[:, ::-1]
    if settings.flip_vertical and flips[1]:
        moved = moved[::-1]
    if not (settings.brightness or settings.contrast or settings.saturation):
        return moved
    return _tint(
        moved,
        255 * settings.brightness * brightness,
        1 + settings.contrast * contrast,
        1 + settings.saturation * saturation,
    )


def _move(
    pixels: NDArray[np.uint8],
    angle: float,
    shift: NDArray[np.float64],
    scale: float,
    settings: Augmentation,
) -> NDArray[np.uint8]:
    if not (settings.rotation or settings.shift or settings.zoom):
        return pixels
    side = pixels.shape[0]
    # A shift along both axes is longer than along one, and a rotation may turn it into either.
    beyond = _DIAGONAL + np.sqrt(2) * settings.shift + settings.zoom
    margin = int(np.ceil(side * beyond / (1 - settings.zoom))) + 1
    padded = Image.fromarray(np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    # Pillow needs the inverse transform: from a position in the result to one in the padded original.
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    center = side / 2
    x, y = center + side * shift
    coefficients = (
        *(cosine, sine, margin + center - cosine * x - sine * y),
        *(-sine, cosine, margin + center + sine * x - cosine * y),
    )
    moved = padded.transform(
        (side, side), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BILINEAR
    )
    return np.asarray(moved)


def _tint(
    pixels: NDArray[np.uint8], brightness: float, contrast: float, saturation: float
) -> NDArray[np.uint8]:
    image: NDArray[np.floating[Any]] = pixels.astype(np.float32)
    gray = (image @ _GRAY)[..., None]
    image = gray + np.float32(saturation) * (image - gray)
    mean = gray.mean()
    image = mean + np.float32(contrast) * (image - mean) + np.float32(brightness)
    changed: NDArray[np.uint8] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return changed
