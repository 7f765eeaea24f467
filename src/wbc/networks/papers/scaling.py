"""How the papers scale their pixels: from RGB, shape (..., 3), values 0 to 255, to float32. Free of Keras."""

import numpy as np

IMAGENET_MEAN = (123.68, 116.779, 103.939)
"""Means of ImageNet's red, green and blue, of 255."""

IMAGENET_DEVIATION = (58.393, 57.12, 57.375)
"""Standard deviations of ImageNet's red, green and blue, of 255."""


def symmetric(pixels: np.ndarray) -> np.ndarray:
    """To -1 to 1."""
    return (pixels / 127.5 - 1).astype(np.float32)


def centred(pixels: np.ndarray) -> np.ndarray:
    """ImageNet's mean colour taken away, the range kept: about -124 to 151."""
    return (pixels - np.float32(IMAGENET_MEAN)).astype(np.float32)


def standardised(pixels: np.ndarray) -> np.ndarray:
    """ImageNet's mean colour taken away, in units of its standard deviation: about -2.1 to 2.6."""
    return ((pixels - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_DEVIATION)).astype(np.float32)
