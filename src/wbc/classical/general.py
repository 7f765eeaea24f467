"""Features that need no segmentation, for images that are no stained cells: gradients, colors, pixels.

Of each image as a whole. Methods on them are a floor that networks should clear.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog
from skimage.transform import resize

Measure = Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]]
"""From images, uint8 of shape (n, height, width, 3), to features of shape (n, features)."""

_HOG_SIDE, _HOG_CELL, _DIRECTIONS = 64, 8, 9
_BINS = 8
_PIXELS_SIDE = 16


def gradients(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Histograms of oriented gradients (Dalal and Triggs, CVPR 2005) of the images at 64 x 64 pixels."""
    return np.array(
        [
            hog(
                _resized(image, _HOG_SIDE).mean(axis=2),
                _DIRECTIONS,
                (_HOG_CELL, _HOG_CELL),
                (2, 2),
                feature_vector=True,
            )
            for image in images
        ]
    )


def colors(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of pixels with each color; eight levels of red, green and blue each, and their joint 4 x 4 x 4."""
    found = []
    for image in images:
        pixels = image.reshape(-1, 3)
        each = [np.histogram(pixels[:, channel], _BINS, (0, 256))[0] for channel in range(3)]
        joint, _ = np.histogramdd(pixels, bins=(4, 4, 4), range=[(0, 256)] * 3)
        found.append(np.concatenate([*each, joint.ravel()]) / len(pixels))
    return np.array(found)


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The images at 16 x 16 pixels."""
    return np.array([_resized(image, _PIXELS_SIDE).ravel() for image in images])


GENERAL: dict[str, Measure] = {"hog": gradients, "color": colors, "pixels": pixels}
"""Option `features` of a method -> what measures them."""


def _resized(image: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    small: NDArray[np.float64] = resize(image, (side, side), order=1, anti_aliasing=True)
    return small
