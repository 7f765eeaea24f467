"""The white cell of a stained smear: its nucleus and its whole, told from red cells and glass by colour.

Colours are compared as optical densities against the glass of the same image, so that lamp and exposure do
not matter (Beer and Lambert; Ruifrok and Johnston, Anal Quant Cytol Histol 2001). What tells things apart:

- Chromatin takes up violet: it absorbs red and green, and little blue, as no red cell and no cytoplasm does.
  Otsu's threshold (IEEE Trans SMC 1979) on the lesser of the two finds the nuclei.
- Red cells absorb blue nearly as much as green and hardly any red; cytoplasm absorbs less blue. How much
  "nearly" is depends on stain and camera: it is measured in every image, near and far from the nucleus.
- What remains is decided by position: the cell is in one piece, without holes, and no more than about as wide
  again around its nucleus as the nucleus is.

Burst cells whose granules lie about, and cytoplasm as pale as the glass, come out too small.
"""

from dataclasses import dataclass

import numpy as np

MIN_NUCLEUS, MAX_NUCLEUS = 0.01, 0.8
"""Plausible areas of a nucleus, as shares of the image."""
MIN_CONTRAST = 0.12
"""Least optical density of a nucleus above its surroundings."""
SMALLEST_SIDE = 16
"""Side in pixels below which nothing is looked for."""

_WORKING_SIDE = 224  # larger images are reduced to it: the outline gains nothing from more
_FALLBACK_RADIUS = 0.35  # of the shorter side: the median white cell of a crop with a tenth of margin
_STAINED = 0.09  # density in red and green together above which a pixel is not glass
_RED_CELL_RATIO = 0.66  # blue over green density of a red cell, where an image shows none to measure it in
_RED_CELL_RED = 0.25  # red density that no single red cell reaches


@dataclass(frozen=True)
class Segmentation:
    """Where the white cell is.

    Attributes:
        nucleus: Boolean, shape (height, width).
        cell: Nucleus and cytoplasm, boolean, shape (height, width); holds the nucleus.
        fallback: Empty for a cell that was found. Otherwise why not: then `cell` is a disc in the middle, for
            which a crop was made round the cell, and `nucleus` the darkest third of the disc.
    """

    nucleus: np.ndarray
    cell: np.ndarray
    fallback: str = ""

    @property
    def found(self) -> bool:
        """Whether the masks follow the image."""
        return not self.fallback


def segment(pixels: np.ndarray) -> Segmentation:
    """Find the nucleus and the whole of the white cell nearest to the middle of an image.

    Args:
        pixels: uint8, shape (height, width, 3), with the white cell about in the middle.

    Returns:
        The masks, at the image's own size. They are never empty; `fallback` says when they are a guess.

    Raises:
        ValueError: Other shapes or types.
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


def remove_background(pixels: np.ndarray, fill: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Paint everything but the white cell in one colour.

    Args:
        pixels: uint8, shape (height, width, 3).
        fill: Red, green and blue.

    Returns:
        uint8, the same shape; the argument is left as it is. Where no cell was found, what is outside of the
        fallback's disc is painted: `segment` tells.
    """
    return paint_background(pixels, segment(pixels).cell, fill)


def paint_background(
    pixels: np.ndarray, cell: np.ndarray, fill: tuple[int, int, int] = (255, 255, 255)
) -> np.ndarray:
    """A copy of an image in which everything outside of a mask has one colour."""
    return np.where(cell[..., None], pixels, np.array(fill, np.uint8))


def _density(pixels: np.ndarray) -> np.ndarray:
    """Optical density against the image's glass, smoothed a little; shape (height, width, 3).

    The glass is a plane over the image, fitted to what is bright: the lamp is seldom even.
    """
    from scipy.ndimage import gaussian_filter

    blur = max(pixels.shape[:2]) / 200
    light = np.log(gaussian_filter(pixels.astype(np.float64), (blur, blur, 0)) + 1)
    height, width = light.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    places = np.stack([np.ones_like(x), x, y], axis=2)
    green = light[..., 1]
    bright = green >= np.quantile(green, 0.9)
    density = np.median(light[bright], axis=0) - light
    for tolerance in (0.2, 0.1, 0.06, 0.06):  # pale cytoplasm is hardly darker than glass in a corner
        glass = np.abs(density).sum(axis=2) < tolerance
        if glass.mean() < 0.1 or np.ptp(x[glass]) < 1 or np.ptp(y[glass]) < 1:
            break
        plane = np.linalg.lstsq(places[glass], light[glass], rcond=None)[0]
        density = places @ plane - light
    return density


def _find_nucleus(density: np.ndarray) -> np.ndarray | str:
    """The nucleus, or why there is none."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops
    from skimage.morphology import isotropic_closing, isotropic_opening

    red, green, blue = np.moveaxis(density, 2, 0)
    violet = np.minimum(1.6 * (red - 0.5 * np.maximum(blue, 0)), green)
    threshold = threshold_otsu(violet)
    dark = violet > threshold
    if not dark.any() or violet[dark].mean() - violet[~dark].mean() < MIN_CONTRAST:
        return "nothing is stained as a nucleus"
    shape = dark.shape
    unit = max(shape) / 224
    dark = isotropic_opening(dark, 2 * unit)
    # Lobes that lie close are one nucleus, whatever the threshold did to the filament between them.
    pieces = label(isotropic_closing(np.pad(dark, 16), 6 * unit)[16:-16, 16:-16])
    regions = regionprops(pieces)
    if not regions:
        return "nothing is stained as a nucleus"
    middle = (np.array(shape) - 1) / 2

    def prominence(region) -> float:
        away = np.linalg.norm((np.array(region.centroid) - middle) / shape)
        return region.area * np.exp(-((away / 0.3) ** 2))

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
        return f"what is stained as a nucleus takes {share:.1%} of the image"
    return nucleus


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    """Distance between two sets of pixels, shape (n, 2)."""
    from scipy.spatial import cKDTree

    return float(cKDTree(other).query(one)[0].min())


def _find_cell(density: np.ndarray, nucleus: np.ndarray) -> np.ndarray:
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
    ratio = blue / np.maximum(green, _STAINED / 2)

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


def _without_holes(mask: np.ndarray, largest: float) -> np.ndarray:
    """Fill holes of up to a share of the mask's own area."""
    from skimage.measure import label

    holes = label(~mask, connectivity=1)
    areas = np.bincount(holes.ravel())
    edge = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    fills = areas <= largest * mask.sum()
    fills[edge] = False
    fills[0] = True
    return fills[holes]


def _guess(pixels: np.ndarray, reason: str) -> Segmentation:
    """A disc in the middle."""
    height, width = pixels.shape[:2]
    y, x = np.ogrid[:height, :width]
    radius = max(0.5, _FALLBACK_RADIUS * min(height, width))
    cell = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= radius**2
    grey = pixels.mean(axis=2)
    return Segmentation(cell & (grey <= np.quantile(grey[cell], 1 / 3)), cell, reason)
