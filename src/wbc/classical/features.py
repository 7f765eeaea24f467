"""What is measured on a white cell: form, size, lobes, colour and texture of its nucleus and cytoplasm.

These are the features of the classifiers that came before deep learning (chapter 2 of the thesis). Lengths
and areas are relative to the image, so that the same photograph gives about the same figures at every size.
"""

import math
from collections.abc import Mapping

import numpy as np
from skimage.color import rgb2lab
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import label, perimeter_crofton, regionprops
from skimage.morphology import h_maxima
from skimage.transform import resize

from wbc.data.segmentation import segment

FEATURES: Mapping[str, str] = {
    "cell_area": "area of the cell; share of the image",
    "cell_eccentricity": "of the ellipse with the cell's second moments; 0 for a circle, below 1",
    "cell_solidity": "area over the area of the convex hull; 0 to 1",
    "nucleus_ratio": "area of the nucleus over that of the cell; 0 to 1",
    "nucleus_perimeter": "Crofton's perimeter of the nucleus; sides of the image",
    "nucleus_circularity": "4 pi area / perimeter^2 of the nucleus; 1 for a disc, less for anything else",
    "nucleus_eccentricity": "as of the cell",
    "nucleus_solidity": "as of the cell",
    "nucleus_thickness": "largest inscribed radius over the radius of the disc of equal area; 0 to 1",
    "lobes": "maxima of the distance to the nucleus' edge, by a fifth of the largest apart; count",
    "nucleus_lightness": "mean L* of the nucleus, CIELAB against the image's glass; 0 to 100",
    "nucleus_red_green": "mean a* of the nucleus, CIELAB; about -100 to 100",
    "nucleus_yellow_blue": "mean b* of the nucleus, CIELAB; about -100 to 100",
    "nucleus_mottling": "standard deviation of L* in the nucleus",
    "plasma_lightness": "mean L* of the cytoplasm",
    "plasma_red_green": "mean a* of the cytoplasm",
    "plasma_yellow_blue": "mean b* of the cytoplasm",
    "plasma_mottling": "standard deviation of L* in the cytoplasm",
    "plasma_granules": "standard deviation of a* in the cytoplasm",
    "nucleus_contrast": "contrast of grey-level co-occurrence in the nucleus (Haralick, IEEE Trans SMC 1973)",
    "nucleus_homogeneity": "homogeneity of the same; 0 to 1",
    "plasma_contrast": "contrast of grey-level co-occurrence in the cytoplasm",
    "plasma_homogeneity": "homogeneity of the same; 0 to 1",
}
"""Name of each feature -> what it is, with its unit."""

WORKING_SIDE = 128
"""Side in pixels to which images are brought, for texture depends on the size of a pixel."""

LEVELS = 32
"""Grey levels of co-occurrence, over L* from 0 to 100."""

_DIRECTIONS = (0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)
_LOBE_DEPTH = 0.2
_BRIGHTEST = 0.9


def measure_all(images: np.ndarray) -> np.ndarray:
    """The features of several images.

    Args:
        images: uint8 array of shape (n, height, width, 3).

    Returns:
        float array of shape (n, len(FEATURES)).
    """
    return np.array([measure(pixels) for pixels in images])


def measure(pixels: np.ndarray) -> np.ndarray:
    """The features of one image.

    Where no cell is found, they are those of the disc in the middle that `segment` falls back to: even then
    colours tell something. Where all of the cell is nucleus, its cytoplasm has the nucleus' colours.

    Args:
        pixels: uint8 array of shape (height, width, 3).

    Returns:
        float array of shape (len(FEATURES),), in the order of `FEATURES`; all finite.
    """
    if pixels.shape[:2] != (WORKING_SIDE, WORKING_SIDE):
        shape = (WORKING_SIDE, WORKING_SIDE)
        pixels = np.rint(resize(pixels, shape, order=1, preserve_range=True)).astype(np.uint8)
    found = segment(pixels)
    plasma = found.cell & ~found.nucleus
    lab = _against_glass(pixels)
    nucleus_colour = _colours(lab, found.nucleus)
    plasma_colour = _colours(lab, plasma) if plasma.any() else nucleus_colour
    grey = np.minimum(lab[..., 0] * (LEVELS / 100), LEVELS - 1).astype(np.uint8)
    values = {
        **_forms(found.cell, found.nucleus),
        **{f"nucleus_{name}": value for name, value in nucleus_colour.items() if name != "granules"},
        **{f"plasma_{name}": value for name, value in plasma_colour.items()},
        **{f"nucleus_{name}": value for name, value in _texture(grey, found.nucleus).items()},
        **{f"plasma_{name}": value for name, value in _texture(grey, plasma).items()},
    }
    return np.array([values[name] for name in FEATURES])


def count_lobes(nucleus: np.ndarray) -> int:
    """The lobes of a nucleus: places that are thicker than every way out of them.

    Args:
        nucleus: Boolean, shape (height, width), not empty.
    """
    return _count_maxima(_edge_distance(nucleus))


def _count_maxima(distance: np.ndarray) -> int:
    return int(label(h_maxima(distance, _LOBE_DEPTH * distance.max())).max())


def _forms(cell: np.ndarray, nucleus: np.ndarray) -> dict[str, float]:
    (cell_region,), (region,) = (regionprops(mask.astype(np.uint8)) for mask in (cell, nucleus))
    perimeter, distance = perimeter_crofton(nucleus), _edge_distance(nucleus)
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
        "lobes": _count_maxima(distance),
    }


def _edge_distance(mask: np.ndarray) -> np.ndarray:
    """Distance of the pixels of a mask's bounding box to the nearest outside the mask, in pixels.

    The edge of the image ends the mask too.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return distance_transform_edt(np.pad(box, 1))


def _against_glass(pixels: np.ndarray) -> np.ndarray:
    """CIELAB as under a lamp that makes the image's brightest tenth white; shape (height, width, 3)."""
    green = pixels[..., 1]
    glass = np.median(pixels[green >= np.quantile(green, _BRIGHTEST)], axis=0)
    return rgb2lab(np.minimum(pixels / np.maximum(glass, 1), 1))


def _colours(lab: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    inside = lab[mask]
    mean, deviation = inside.mean(axis=0), inside.std(axis=0)
    return {
        **dict(zip(("lightness", "red_green", "yellow_blue"), mean, strict=True)),
        "mottling": deviation[0],
        "granules": deviation[1],
    }


def _texture(grey: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Contrast and homogeneity of neighbours that both lie in a mask; of a flat area where there are none."""
    # Level 0 is what lies outside; its row and column are left out of the matrix.
    levels = np.where(mask, grey + 1, 0).astype(np.uint8)
    matrix = graycomatrix(levels, [1], _DIRECTIONS, LEVELS + 1, symmetric=True)[1:, 1:]
    pairs = matrix.sum(axis=(2, 3), keepdims=True)
    if not pairs.any():
        return {"contrast": 0.0, "homogeneity": 1.0}
    return {name: float(graycoprops(pairs / pairs.sum(), name)[0, 0]) for name in ("contrast", "homogeneity")}
