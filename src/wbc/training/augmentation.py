"""Augmentation while training: a function of seed, epoch and image, which resumed training sees again."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from wbc.regularization import Augmentation

_STREAM = 1
"""Keeps these random numbers apart from those that order the images."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of the channels, ITU-R BT.601
_DIAGONAL = 0.21
"""What a turned square needs beyond its side, as a share: (sqrt(2) - 1) / 2."""


class Augmenter:
    """Changes batches of training images, several images at once.

    Args:
        settings: How much.
        seed: Of the experiment.
    """

    def __init__(self, settings: Augmentation, seed: int):
        self.settings, self.seed = settings, seed
        self._pool = ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0))), "augmentation")

    def __call__(self, pixels: np.ndarray, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Change a batch.

        Args:
            pixels: uint8, shape (n, side, side, 3); left as it is.
            indices: Which images of the training part these are; shape (n,).
            epoch: Counted from 0.
        """
        changed = np.empty_like(pixels)

        def change(place: int) -> None:
            rng = np.random.default_rng([self.seed, epoch, int(indices[place]), _STREAM])
            changed[place] = augment_image(pixels[place], self.settings, rng)

        list(self._pool.map(change, range(len(pixels))))
        return changed


def augment_image(pixels: np.ndarray, settings: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Change one image at random: moved in one step of bilinear interpolation, then tinted.

    What comes into view from beyond the border repeats the border's pixels.

    Args:
        pixels: uint8, shape (side, side, 3).
        settings: How much; each draws its random numbers whether it is used or not.
        rng: Source of every choice.

    Returns:
        uint8, the same shape.
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
    pixels: np.ndarray, angle: float, shift: np.ndarray, scale: float, settings: Augmentation
) -> np.ndarray:
    if not (settings.rotation or settings.shift or settings.zoom):
        return pixels
    side = pixels.shape[0]
    margin = int(np.ceil(side * (_DIAGONAL + settings.shift + settings.zoom) / (1 - settings.zoom))) + 1
    padded = Image.fromarray(np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    # Pillow wants the way back: from a place in the result to one in the padded original.
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    centre = side / 2
    x, y = centre + side * shift
    coefficients = (
        *(cosine, sine, margin + centre - cosine * x - sine * y),
        *(-sine, cosine, margin + centre + sine * x - cosine * y),
    )
    moved = padded.transform(
        (side, side), Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BILINEAR
    )
    return np.asarray(moved)


def _tint(pixels: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    image = pixels.astype(np.float32)
    grey = (image @ _GREY)[..., None]
    image = grey + np.float32(saturation) * (image - grey)
    mean = grey.mean()
    image = mean + np.float32(contrast) * (image - mean) + np.float32(brightness)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
