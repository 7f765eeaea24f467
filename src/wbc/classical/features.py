"""Features of a white cell: form, size, lobes, color and texture of its nucleus and cytoplasm.

Classifiers before deep learning used such features (chapter 2 of the thesis). Lengths and areas are relative
to the image, so that a photograph has about the same features at every size.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import label, perimeter_crofton, regionprops
from skimage.morphology import h_maxima
from skimage.transform import resize

from wbc.data.pipeline.segmentation import Mask, Segmentation, segment

FEATURES: Mapping[str, str] = {
    "cell_area": "area of the cell; share of the image",
    "cell_eccentricity": "of the ellipse with the second moments of the cell; 0 for a circle, below 1",
    "cell_solidity": "area over the area of the convex hull; 0 to 1",
    "nucleus_ratio": "area of the nucleus over that of the cell; 0 to 1",
    "nucleus_perimeter": "Crofton's perimeter of the nucleus; sides of the image",
    "nucleus_circularity": "4 pi area / perimeter^2 of the nucleus; 1 for a disc, less for anything else",
    "nucleus_eccentricity": "as of the cell",
    "nucleus_solidity": "as of the cell",
    "nucleus_thickness": "largest inscribed radius over the radius of the disc of equal area; 0 to 1",
    "lobes": "maxima of the distance to the edge that rise by a fifth of the largest or more; count",
    "nucleus_lightness": "mean L* of the nucleus, CIELAB relative to the image's glass; 0 to 100",
    "nucleus_red_green": "mean a* of the nucleus, CIELAB; about -100 to 100",
    "nucleus_yellow_blue": "mean b* of the nucleus, CIELAB; about -100 to 100",
    "nucleus_mottling": "standard deviation of L* in the nucleus",
    "plasma_lightness": "mean L* of the cytoplasm",
    "plasma_red_green": "mean a* of the cytoplasm",
    "plasma_yellow_blue": "mean b* of the cytoplasm",
    "plasma_mottling": "standard deviation of L* in the cytoplasm",
    "plasma_granules": "standard deviation of a* in the cytoplasm",
    "nucleus_contrast": "contrast of gray-level co-occurrence in the nucleus (Haralick, IEEE Trans SMC 1973)",
    "nucleus_homogeneity": "homogeneity of the same; 0 to 1",
    "plasma_contrast": "contrast of gray-level co-occurrence in the cytoplasm",
    "plasma_homogeneity": "homogeneity of the same; 0 to 1",
}
"""Name of each feature -> its definition and unit."""

WORKING_SIDE = 128
"""Side in pixels to which images are resized, because texture depends on the size of a pixel."""

LEVELS = 32
"""Gray levels of the co-occurrence, over L* from 0 to 100."""

_DIRECTIONS = (0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)
_LOBE_DEPTH = 0.2
_DARKEST = 50
"""Brightest color channel of the darkest chromatin, on average; black padding has less."""
_VIOLET = 8
"""Least difference of blue and green in chromatin; gray things have none."""
_ON_BORDER = 0.25
"""Largest share of the image's border that a nucleus in its middle covers."""
_BRIGHTEST = 0.9


def measure_all(images: NDArray[np.uint8], plausible: list[bool] | None = None) -> NDArray[np.float64]:
    """The features of several images.

    Args:
        images: uint8 array of shape (n, height, width, 3).
        plausible: Takes for each image whether what was found in it may be a nucleus, see `is_plausible`.

    Returns:
        Shape (n, len(FEATURES)).
    """
    return np.array([measure(pixels, plausible) for pixels in images])


def measure(pixels: NDArray[np.uint8], plausible: list[bool] | None = None) -> NDArray[np.float64]:
    """The features of one image.

    If no cell is found, the features are those of the fallback disc of `segment`, whose colors are still
    informative. If the whole cell is nucleus, its cytoplasm gets the colors of the nucleus.

    Args:
        pixels: uint8 array of shape (height, width, 3).
        plausible: See `measure_all`.

    Returns:
        Shape (len(FEATURES),), in the order of `FEATURES`; all finite.
    """
    if pixels.shape[:2] != (WORKING_SIDE, WORKING_SIDE):
        shape = (WORKING_SIDE, WORKING_SIDE)
        pixels = np.rint(resize(pixels, shape, order=1, preserve_range=True)).astype(np.uint8)
    found = segment(pixels)
    if plausible is not None:
        plausible.append(is_plausible(pixels, found))
    plasma = found.cell & ~found.nucleus
    lab = _relative_to_glass(pixels)
    nucleus_color = _colors(lab, found.nucleus)
    plasma_color = _colors(lab, plasma) if plasma.any() else nucleus_color
    gray = np.minimum(lab[..., 0] * (LEVELS / 100), LEVELS - 1).astype(np.uint8)
    values = {
        **_forms(found.cell, found.nucleus),
        **{f"nucleus_{name}": value for name, value in nucleus_color.items() if name != "granules"},
        **{f"plasma_{name}": value for name, value in plasma_color.items()},
        **{f"nucleus_{name}": value for name, value in _texture(gray, found.nucleus).items()},
        **{f"plasma_{name}": value for name, value in _texture(gray, plasma).items()},
    }
    return np.array([values[name] for name in FEATURES])


def is_plausible(pixels: NDArray[np.uint8], found: Segmentation) -> bool:
    """Whether a segmentation may be right: stained chromatin, and not along the border as padding is.

    Args:
        pixels: uint8 array of shape (height, width, 3).
        found: In it.
    """
    border = np.ones(found.nucleus.shape, bool)
    border[1:-1, 1:-1] = False
    red, green, blue = pixels[found.nucleus].mean(axis=0)
    stained = max(red, green, blue) >= _DARKEST and blue - green >= _VIOLET
    return bool(found.found and stained and found.nucleus[border].mean() <= _ON_BORDER)


def count_lobes(distance: NDArray[np.float64]) -> int:
    """The number of lobes of a nucleus: places that are thicker than their connections.

    Args:
        distance: Of its pixels, see `edge_distance`; shape (height, width).
    """
    return int(label(h_maxima(distance, _LOBE_DEPTH * distance.max())).max())


def _forms(cell: Mask, nucleus: Mask) -> dict[str, float]:
    (cell_region,), (region,) = (regionprops(mask.astype(np.uint8)) for mask in (cell, nucleus))
    perimeter, distance = perimeter_crofton(nucleus), edge_distance(nucleus)
    return {
        "cell_area": cell.mean(),
        "cell_eccentricity": cell_region.eccentricity,
        "cell_solidity": cell_region.solidity,
        "nucleus_ratio": region.area / cell_region.area,
        "nucleus_perimeter": perimeter / math.sqrt(nucleus.size),
        "nucleus_circularity": 4 * math.pi * region.area / perimeter**2,
        "nucleus_eccentricity": region.eccentricity,
        "nucleus_solidity": region.solidity,
        "nucleus_thickness": distance.max() / math.sqrt(region.area / math.pi),
        "lobes": count_lobes(distance),
    }


def edge_distance(mask: Mask) -> NDArray[np.float64]:
    """For the pixels of a mask's bounding box: the distance to the nearest pixel outside the mask, in pixels.

    What is outside the image is outside the mask, too.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    distance: NDArray[np.float64] = distance_transform_edt(np.pad(box, 1))
    return distance


def _relative_to_glass(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIELAB under a light that makes the brightest tenth of the image white; shape (height, width, 3)."""
    green = pixels[..., 1]
    glass = np.median(pixels[green >= np.quantile(green, _BRIGHTEST)], axis=0)
    lab: NDArray[np.float64] = rgb2lab(np.minimum(pixels / np.maximum(glass, 1), 1))
    return lab


def _colors(lab: NDArray[np.float64], mask: Mask) -> dict[str, float]:
    inside = lab[mask]
    mean, deviation = inside.mean(axis=0), inside.std(axis=0)
    return {
        **dict(zip(("lightness", "red_green", "yellow_blue"), mean, strict=True)),
        "mottling": deviation[0],
        "granules": deviation[1],
    }


def _texture(gray: NDArray[np.uint8], mask: Mask) -> dict[str, float]:
    """Contrast and homogeneity of neighbors that are both in a mask; of a flat area if there are none."""
    # Level 0 is outside the mask; its row and column are left out of the matrix.
    levels = np.where(mask, gray + 1, 0).astype(np.uint8)
    matrix = graycomatrix(levels, [1], _DIRECTIONS, LEVELS + 1, symmetric=True)[1:, 1:]
    pairs = matrix.sum(axis=(2, 3), keepdims=True)
    if not pairs.any():
        return {"contrast": 0.0, "homogeneity": 1.0}
    return {name: graycoprops(pairs / pairs.sum(), name).item() for name in ("contrast", "homogeneity")}
