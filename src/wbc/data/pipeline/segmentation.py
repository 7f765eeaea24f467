"""Find the white cell of a stained smear and its nucleus by color.

Colors are compared as optical densities relative to the glass in the same image, so that lamp and exposure do
not matter (Beer and Lambert; Ruifrok and Johnston, Anal Quant Cytol Histol 2001). The cues are:

- Chromatin takes up violet dye. Unlike red cells and cytoplasm it absorbs red and green but little blue.
  Otsu's threshold (IEEE Trans SMC 1979) on the smaller of the two densities finds the nuclei.
- Red cells absorb blue nearly as much as green and hardly any red. Cytoplasm absorbs less blue. The exact
  ratio depends on stain and camera, so it is measured in every image, near the nucleus and far from it.
- Position decides the rest. The cell is in one piece and has no holes. Its cytoplasm extends at most about
  one radius of the nucleus beyond the nucleus.

Known limits: the result is too small for burst cells with scattered granules, and for cytoplasm as pale as
the glass.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""Boolean, shape (height, width)."""

MIN_NUCLEUS, MAX_NUCLEUS = 0.01, 0.8
"""Plausible areas of a nucleus, as shares of the image."""
MIN_CONTRAST = 0.12
"""Smallest difference in optical density between a nucleus and its surroundings."""
SMALLEST_SIDE = 16
"""Side in pixels below which no cell is searched for."""

_WORKING_SIDE = 224  # larger images are reduced to it: the outline gains nothing from more
_FALLBACK_RADIUS = 0.35  # of the shorter side: the median white cell of a crop with a tenth of margin
_STAINED = 0.09  # density in red and green together above which a pixel is not glass
_RED_CELL_RATIO = 0.66  # blue over green density of a red cell, where an image shows none to measure it in
_RED_CELL_RED = 0.25  # red density that no single red cell reaches


@dataclass(frozen=True)
class Segmentation:
    """Where the white cell is."""

    nucleus: Mask
    """The nucleus; with a `fallback` the darkest third of the disc."""
    cell: Mask
    """Nucleus and cytoplasm; with a `fallback` a disc in the middle, where a crop shows its cell."""
    fallback: str = ""
    """Why no cell was found; empty if one was found."""

    @property
    def found(self) -> bool:
        """Whether the masks follow the image."""
        return not self.fallback


def segment(pixels: NDArray[np.uint8]) -> Segmentation:
    """Find the white cell nearest to the middle of an image, and its nucleus.

    Args:
        pixels: uint8, shape (height, width, 3), with the white cell near the middle.

    Returns:
        The masks at the size of the image. They are never empty; `fallback` says when they are a guess.

    Raises:
        ValueError: Another shape or type.
    """
    from skimage.transform import resize

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ValueError(f"pixels must be uint8 (height, width, 3), not {pixels.dtype} {pixels.shape}")
    height, width = shape = pixels.shape[:2]
    if min(shape) < SMALLEST_SIDE:
        return _guess(pixels, f"smaller than {SMALLEST_SIDE} pixels")
    scale = min(1.0, _WORKING_SIDE / max(shape))
    working = (max(SMALLEST_SIDE, round(height * scale)), max(SMALLEST_SIDE, round(width * scale)))
    small = pixels if working == shape else resize(pixels, working, order=1, anti_aliasing=True) * 255.0
    density = _density(small)
    nucleus = _find_nucleus(density)
    if isinstance(nucleus, str):
        return _guess(pixels, nucleus)
    cell = _find_cell(density, nucleus)
    if working != shape:
        nucleus, cell = (resize(mask.astype(float), shape, order=1) > 0.5 for mask in (nucleus, cell))
    return Segmentation(nucleus, cell | nucleus)


def paint_background(pixels: NDArray[np.uint8], cell: Mask, fill: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A copy of an image in which everything outside a mask has one color."""
    return np.where(cell[..., None], pixels, np.array(fill, np.uint8))


def _density(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Optical density relative to the image's glass, slightly smoothed; shape (height, width, 3).

    The glass is a plane over the image, fitted to its bright areas, because the light is rarely even.
    """
    from scipy.ndimage import gaussian_filter

    blur = max(pixels.shape[:2]) / 200
    light = np.log(gaussian_filter(pixels.astype(np.float64), (blur, blur, 0)) + 1)
    height, width = light.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    places = np.stack([np.ones_like(x), x, y], axis=2)
    green = light[..., 1]
    bright = green >= np.quantile(green, 0.9)
    density: NDArray[np.float64] = np.median(light[bright], axis=0) - light
    for tolerance in (0.2, 0.1, 0.06, 0.06):  # pale cytoplasm is hardly darker than glass in a corner
        glass = np.abs(density).sum(axis=2) < tolerance
        if glass.mean() < 0.1 or np.ptp(x[glass]) < 1 or np.ptp(y[glass]) < 1:
            break
        plane = np.linalg.lstsq(places[glass], light[glass], rcond=None)[0]
        density = places @ plane - light
    return density


def _find_nucleus(density: NDArray[np.float64]) -> Mask | str:
    """The nucleus, or the reason why there is none."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops
    from skimage.morphology import isotropic_closing, isotropic_opening

    red, green, blue = np.moveaxis(density, 2, 0)
    violet = np.minimum(1.6 * (red - 0.5 * np.maximum(blue, 0)), green)
    threshold = threshold_otsu(violet)
    dark = violet > threshold
    if not dark.any() or violet[dark].mean() - violet[~dark].mean() < MIN_CONTRAST:
        return "nothing is stained like a nucleus"
    shape = dark.shape
    unit = max(shape) / 224
    # Where nothing is left, opening finds distances to nothing and gives what was never dark.
    dark &= isotropic_opening(dark, 2 * unit)
    # Lobes that are close together are one nucleus, even if the threshold cut the filament between them.
    pieces = label(isotropic_closing(np.pad(dark, 16), 6 * unit)[16:-16, 16:-16])
    regions = regionprops(pieces)
    if not regions:
        return "nothing is stained like a nucleus"
    middle = (np.array(shape) - 1) / 2

    def prominence(region: Any) -> float:
        away = np.linalg.norm((np.array(region.centroid) - middle) / shape)
        return float(region.area * np.exp(-((away / 0.3) ** 2)))

    best = max(regions, key=prominence)
    radius = np.sqrt(best.area / np.pi)
    chosen = [
        region.label
        for region in regions
        if region is best
        or (region.area > 0.06 * best.area and _gap(region.coords, best.coords) < 0.6 * radius)
    ]
    nucleus = _without_holes(dark & np.isin(pieces, chosen), 0.1)
    share = nucleus.mean()
    if not MIN_NUCLEUS <= share <= MAX_NUCLEUS:
        return f"the area stained like a nucleus is {share:.1%} of the image"
    return nucleus


def _gap(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Distance between two sets of pixels, shape (n, 2)."""
    from scipy.spatial import cKDTree

    return float(cKDTree(other).query(one)[0].min())


def _find_cell(density: NDArray[np.float64], nucleus: Mask) -> Mask:
    """The nucleus with its cytoplasm."""
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label
    from skimage.morphology import convex_hull_image, isotropic_closing, isotropic_opening

    unit = max(nucleus.shape) / 224
    hull = convex_hull_image(nucleus)
    away = distance_transform_edt(~hull)
    radius = np.sqrt(hull.sum() / np.pi)
    red, green, blue = np.moveaxis(density, 2, 0)
    stained = red + green > _STAINED
    ratio = blue / np.maximum(green, _STAINED)  # where it is less, it is not looked at

    thin = stained & (red < _RED_CELL_RED) & (green > _STAINED)
    far = thin & (away > 0.8 * radius) & (ratio > 0.45)
    near = thin & (away < 0.2 * radius)
    typical = np.quantile(ratio[far], 0.6) if far.mean() > 0.01 else _RED_CELL_RATIO
    plasma = np.median(ratio[near]) if near.any() else 0.0
    red_cells = thin & (ratio > np.clip((plasma + typical) / 2, 0.75 * typical, 0.92 * typical))
    cell = stained & ~red_cells & (away < max(radius, 6 * unit))
    brush = 0.2 * radius
    cell = isotropic_opening(np.pad(cell | nucleus, 32, mode="edge"), brush)[32:-32, 32:-32] | nucleus
    pieces = label(cell)
    cell = np.isin(pieces, np.unique(pieces[nucleus]))
    cell = isotropic_closing(np.pad(cell, 32), brush)[32:-32, 32:-32]
    return _without_holes(cell, 1.0)


def _without_holes(mask: Mask, largest: float) -> Mask:
    """Fill the holes that are no larger than `largest` times the area of the mask."""
    from skimage.measure import label

    holes = label(~mask, connectivity=1)
    areas = np.bincount(holes.ravel())
    edge = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    fills = areas <= largest * mask.sum()
    fills[edge] = False
    fills[0] = True
    holes_to_fill: Mask = fills[holes]
    return holes_to_fill


def _guess(pixels: NDArray[np.uint8], reason: str) -> Segmentation:
    """The fallback: a disc in the middle of the image."""
    height, width = pixels.shape[:2]
    y, x = np.ogrid[:height, :width]
    radius = max(0.75, _FALLBACK_RADIUS * min(height, width))  # so that it holds a pixel of any image
    cell = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= radius**2
    gray = pixels.mean(axis=2)
    return Segmentation(cell & (gray <= np.quantile(gray[cell], 1 / 3)), cell, reason)
