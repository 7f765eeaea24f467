"""What is measured on an image of a cell."""

from collections.abc import Mapping

import numpy as np
from skimage.color import rgb2lab
from skimage.feature import graycomatrix, graycoprops

FEATURES: Mapping[str, str] = {
    "lightness": "mean L* of the image, CIELAB, 0 to 100",
    "red_green": "mean a* of the image, CIELAB",
    "yellow_blue": "mean b* of the image, CIELAB",
    "lightness_deviation": "standard deviation of L*",
    "red_green_deviation": "standard deviation of a*",
    "yellow_blue_deviation": "standard deviation of b*",
    "stained_lightness": "mean L* of the tenth of the pixels with the strongest stain (lowest b*)",
    "stained_red_green": "mean a* of those pixels",
    "stained_yellow_blue": "mean b* of those pixels",
    "contrast": "contrast of the grey-level co-occurrence matrix, 32 levels, one pixel apart",
    "homogeneity": "homogeneity of that matrix, 0 to 1",
    "correlation": "correlation of that matrix, -1 to 1",
}
"""Name of each feature -> what it is, with its unit."""

LEVELS = 32
DIRECTIONS = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)


def measure(pixels: np.ndarray) -> np.ndarray:
    """The features of one image.

    Args:
        pixels: uint8 array of shape (height, width, 3).

    Returns:
        float array of shape (len(FEATURES),), in the order of `FEATURES`.
    """
    lab = rgb2lab(pixels).reshape(-1, 3)
    stained = lab[lab[:, 2] <= np.percentile(lab[:, 2], 10)]
    grey = (lab[:, 0].reshape(pixels.shape[:2]) * (LEVELS - 1) / 100).astype(np.uint8)
    matrix = graycomatrix(grey, [1], DIRECTIONS, LEVELS, symmetric=True, normed=True)
    texture = [graycoprops(matrix, name).mean() for name in ("contrast", "homogeneity", "correlation")]
    return np.concatenate([lab.mean(axis=0), lab.std(axis=0), stained.mean(axis=0), texture])


def measure_all(images: np.ndarray) -> np.ndarray:
    """The features of several images.

    Args:
        images: uint8 array of shape (n, height, width, 3).

    Returns:
        float array of shape (n, len(FEATURES)).
    """
    return np.array([measure(pixels) for pixels in images])
