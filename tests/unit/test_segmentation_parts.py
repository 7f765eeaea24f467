"""The parts of the search for a white cell, on densities that are made by hand: each limit at both of its sides."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.morphology

from wbc.data.pipeline import segmentation
from wbc.data.pipeline.segmentation import _density, _find_cell, _find_nucleus, segment


def areas(shape: tuple[int, int], *filled: tuple[slice, slice, tuple[float, float, float]]) -> np.ndarray:
    """Densities in red, green and blue: 0 but in some areas."""
    density = np.zeros((*shape, 3))
    for rows, columns, colors in filled:
        density[rows, columns] = colors
    return density


def square(top: int, left: int, side: int, colors=(0.0, 0.5, 0.0)):
    """Of a nucleus, unless other colors are given: red counts 1.6 times, so that green is the smaller one."""
    colors = colors if colors != (0.0, 0.5, 0.0) else (0.5, 0.5, 0.0)
    return slice(top, top + side), slice(left, left + side), colors


@pytest.fixture
def unblurred(monkeypatch) -> list:
    seen = []
    monkeypatch.setattr(scipy.ndimage, "gaussian_filter", lambda pixels, sigma: seen.append(sigma) or pixels)
    return seen


def test_density_is_the_logarithm_of_light_against_glass(unblurred):
    """As Beer and Lambert have it, of levels that begin at 1; the blur is a 200th of the longer side."""
    pixels = np.full((20, 40, 3), 199, np.uint8)
    pixels[4:8, 5:9] = (99, 49, 24)
    expected = np.zeros((20, 40, 3))
    expected[4:8, 5:9] = np.log([2, 4, 8])
    np.testing.assert_allclose(_density(pixels), expected, atol=1e-9)
    assert unblurred == [(0.2, 0.2, 0)]


def test_glass_is_a_plane_in_the_logarithm_of_light(unblurred):
    """With a stained area that the plane does not follow."""
    rows, columns = np.mgrid[:20, :30]
    light = 5 - 0.001 * rows + 0.002 * columns
    pixels = np.exp(np.repeat(light[..., None], 3, axis=2)) - 1
    pixels[5:9, 5:9] = np.exp(light[5:9, 5:9, None] - 0.7) - 1
    expected = np.zeros((20, 30, 3))
    expected[5:9, 5:9] = 0.7
    np.testing.assert_allclose(_density(pixels), expected, atol=1e-9)


def fitted_to(monkeypatch, light: np.ndarray) -> list[int]:
    """The numbers of pixels to which a plane is fitted, one after another, where it remains level."""
    counts = []

    def level(places, of_glass, rcond):
        counts.append(len(places))
        return np.array([[5.0] * 3, [0.0] * 3, [0.0] * 3]), None

    monkeypatch.setattr(np.linalg, "lstsq", level)
    _density(np.exp(np.repeat(light[..., None], 3, axis=2)) - 1)
    return counts


def test_what_counts_as_glass_becomes_less(monkeypatch, unblurred):
    """Below a sum of the three densities of 0.2, of 0.1 and, twice, of 0.06."""
    light = np.full((20, 20), 5.0)
    for number, total in enumerate((0.061, 0.059, 0.099, 0.101, 0.199, 0.201)):
        light[0, : 2**number].flat[:] = 5.0
        light[2 + number, : number + 1] = 5.0 - total / 3
    # 400 pixels, of which so many are denser than each limit: 6 than 0.2, 4 + 5 more than 0.1, 1 + 3 more than 0.06.
    assert fitted_to(monkeypatch, light) == [394, 385, 381, 381]


@pytest.mark.parametrize(
    ("rows", "columns", "planes"),
    [
        (21, 11, 4),  # from -1 to 0 of -1 to 1
        (21, 10, 0),
        (11, 21, 4),
        (10, 21, 0),
    ],
)
def test_glass_reaches_half_across_the_image_or_is_taken_as_level(
    monkeypatch, unblurred, rows, columns, planes
):
    light = np.full((21, 21), 4.0)
    light[:rows, :columns] = 5.0
    assert len(fitted_to(monkeypatch, light)) == planes


@pytest.mark.parametrize(("least", "planes"), [(40, 4), (39, 0)])
def test_glass_is_a_tenth_of_the_image_or_is_taken_as_level(monkeypatch, unblurred, least, planes):
    light = np.full((20, 20), 4.0)
    light[::2, ::5].flat[:] = 5.0
    assert (light == 5.0).sum() == 40
    light[0, 0] = 5.0 if least == 40 else 4.9
    assert len(fitted_to(monkeypatch, light)) == planes


@pytest.mark.parametrize(
    ("colors", "stained"),
    [
        ((1.0, 0.13, 0.0), True),  # green is the smaller one
        ((1.0, 0.11, 0.0), False),
        ((0.077, 1.0, 0.0), True),  # 1.6 x 0.077 = 0.123
        ((0.073, 1.0, 0.0), False),
        ((0.2, 1.0, 0.24), True),  # 1.6 x (0.2 - 0.12) = 0.128
        ((0.2, 1.0, 0.26), False),
        ((0.073, 1.0, -0.5), False),  # brighter than glass in blue adds nothing
    ],
)
def test_chromatin_takes_up_red_and_green_and_little_blue(colors, stained):
    found = _find_nucleus(areas((20, 20), square(5, 5, 10, colors)))
    assert isinstance(found, str) is not stained
    if not stained:
        assert found == "nothing is stained like a nucleus"
    else:
        assert found.sum() == 100 and found[5:15, 5:15].all()


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (3, "the area stained like a nucleus is 0.8% of the image"),
        (4, 4),
        (320, 320),
        (321, "the area stained like a nucleus is 80.2% of the image"),
    ],
)
def test_a_nucleus_has_a_hundredth_to_eight_tenths_of_the_image(count, found):
    density = np.zeros((400, 3))
    density[:count] = 0.5, 0.5, 0.0
    nucleus = _find_nucleus(density.reshape(20, 20, 3))
    assert (nucleus if isinstance(nucleus, str) else nucleus.sum()) == found


def test_a_speck_is_no_nucleus(monkeypatch):
    """Pieces are opened by 2 and closed by 6 pixels of 224, along the longer side."""
    radii = []

    def taken(name):
        whole = getattr(skimage.morphology, name)

        def recorded(mask, radius):
            radii.append((name, radius))
            return whole(mask, radius)

        return recorded

    for name in ("isotropic_opening", "isotropic_closing"):
        monkeypatch.setattr(skimage.morphology, name, taken(name))
    line = slice(10, 11), slice(0, 50), (0.5, 0.5, 0.0)
    assert _find_nucleus(areas((112, 56), line)) == "nothing is stained like a nucleus"
    assert radii == [("isotropic_opening", 1.0), ("isotropic_closing", 3.0)]


@pytest.mark.parametrize(
    ("side", "offset", "chosen"),
    [
        ((9, 10), (0, 12), 36),  # at 0.3 of the width: 90 / e = 33
        ((10, 10), (0, 12), 100),
        ((10, 9), (15, 0), 36),
        ((10, 10), (15, 0), 100),
        ((6, 9), (10, 0), 36),  # at 0.2 of the height: 54 / exp(4 / 9) = 35
        ((6, 10), (10, 0), 60),
    ],
)
def test_of_several_the_large_one_near_the_middle_is_the_nucleus(side, offset, chosen):
    """Areas count by the square of their distance from the middle of 50 x 40 pixels: at 0.3 of a side one e-th."""
    height, width = side
    top, left = int(25 + offset[0] - height / 2), int(20 + offset[1] - width / 2)
    other = slice(top, top + height), slice(left, left + width), (0.5, 0.5, 0.0)
    found = _find_nucleus(areas((50, 40), square(22, 17, 6), other))
    assert found.sum() == chosen


@pytest.mark.parametrize(
    ("lobe", "gap", "together"),
    [
        (7, 3, True),  # of 100 pixels: more than 6, and closer than 0.6 of the radius, 5.64
        (6, 3, False),
        (7, 4, False),
    ],
)
def test_lobes_near_the_largest_belong_to_it(lobe, gap, together):
    """In 20 x 20 pixels nothing is opened or closed."""
    small = slice(5, 5 + lobe), slice(13 + gap - 1, 13 + gap), (0.5, 0.5, 0.0)
    found = _find_nucleus(areas((20, 20), square(4, 3, 10), small))
    assert found.sum() == 100 + lobe * together


@pytest.mark.parametrize(("hole", "filled"), [((3, 3), True), ((2, 5), False)])
def test_a_hole_of_a_tenth_of_a_nucleus_is_filled(hole, filled):
    """9 of 91 pixels, and 10 of 90."""
    inside = slice(7, 7 + hole[0]), slice(7, 7 + hole[1]), (0.0, 0.0, 0.0)
    found = _find_nucleus(areas((20, 20), square(5, 5, 10), inside))
    assert found.sum() == (100 if filled else 90)


@pytest.fixture
def rough(monkeypatch) -> list[float]:
    """Cells whose outlines are not smoothed, and the radii by which they would be."""
    radii = []
    for name in ("isotropic_opening", "isotropic_closing"):
        monkeypatch.setattr(skimage.morphology, name, lambda mask, radius: radii.append(radius) or mask)
    return radii


def nucleus_of(side: int, pixels: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A square in 64 x 64 pixels, and how far each pixel is away from it."""
    nucleus = np.zeros((pixels, pixels), bool)
    first = pixels // 2 - side // 2
    nucleus[first : first + side, first : first + side] = True
    places = np.arange(pixels)
    outside = np.maximum(0, np.maximum(first - places, places - (first + side - 1)))
    return nucleus, np.hypot(outside[:, None], outside)


PLASMA = (0.3, 0.01, 0.0)
"""More red than a red cell has."""
RADIUS = np.sqrt(100 / np.pi)
"""Of a nucleus of 10 x 10 pixels: 5.64."""


@pytest.mark.parametrize(
    ("side", "pixels", "reach"),
    [(10, 64, RADIUS), (2, 64, 6 * 64 / 224), (4, 64, np.sqrt(16 / np.pi)), (2, 112, 3.0)],
)
def test_cytoplasm_reaches_a_radius_beyond_the_nucleus(rough, side, pixels, reach):
    """Or 6 pixels of 224 beyond a tiny one. Outlines are smoothed by a fifth of the radius."""
    nucleus, away = nucleus_of(side, pixels)
    found = _find_cell(np.full((pixels, pixels, 3), PLASMA), nucleus)
    assert np.array_equal(found, away < reach)
    assert rough == pytest.approx([0.2 * np.sqrt(side**2 / np.pi)] * 2)


def test_what_is_stained_belongs_to_the_cell_and_glass_does_not(rough):
    nucleus, away = nucleus_of(10)
    density = np.full((64, 64, 3), PLASMA)
    density[:, :20] = 0.046, 0.046, 0.0  # 0.092 together, above 0.09; the nucleus reaches from 27 to 36
    density[:, 40:] = 0.044, 0.044, 0.0
    density[:, 20:32] = 0.046, 0.046, 0.0
    assert np.array_equal(_find_cell(density, nucleus), (away < RADIUS) & (np.arange(64) < 40))


def test_what_does_not_touch_the_cell_is_no_part_of_it_and_its_holes_are(rough):
    nucleus, away = nucleus_of(10)
    near = away < RADIUS
    ring = near & (away > 2.5)
    density = np.where((near & ~ring)[..., None] & (away < 1.2)[..., None], PLASMA, 0.0)
    density[ring] = PLASMA
    assert np.array_equal(_find_cell(density, nucleus), away < 1.2)
    density[32, :] = PLASMA  # a bridge, so that what lies between is a hole
    assert np.array_equal(_find_cell(density, nucleus), near)


def cell_beside_red_cells(plasma: float, tested: float, far: float, **more) -> float:
    """How much of a patch in the ring of cytoplasm belongs to the cell, by its ratio of blue to green.

    Args:
        plasma: The ratio beside the nucleus.
        tested: The ratio of the patch.
        far: The ratio beyond 0.8 of the radius.
        more: `red` of the patch; `near`, of what is beside the nucleus; `wide`, the share of pixels far away that are
            stained; `second`, the ratio of a `part` of what is far.
    """
    nucleus, away = nucleus_of(10)
    ratio = np.where(away < 0.2 * RADIUS, plasma, far)
    middle = (away >= 0.2 * RADIUS) & (away <= 0.8 * RADIUS)
    ratio[middle] = 0.3
    if "second" in more:
        distant = np.flatnonzero(away > 0.8 * RADIUS)
        ratio.flat[distant[: int(more["part"] * len(distant))]] = more["second"]
    patch = np.zeros_like(nucleus)
    patch[30:34, 38:42] = True  # from two pixels beside the nucleus to where the cell ends at most
    ratio[patch] = tested
    green = np.full((64, 64), 0.2)
    red = np.full((64, 64), 0.1)
    red[away < 0.2 * RADIUS] = more.get("near", 0.1)
    red[patch] = more.get("red", 0.1)
    red[30:34, 37] = 0.3  # so that the patch touches the nucleus
    density = np.stack([red, green, ratio * green], axis=2)
    if "wide" in more:
        distant = np.flatnonzero((away > 0.8 * RADIUS) & ~patch)
        density.reshape(-1, 3)[distant[round(more["wide"] * 64 * 64) - 4 :]] = 0.0  # and 4 of the patch
    return _find_cell(density, nucleus)[patch].mean()


@pytest.mark.parametrize(
    ("plasma", "far", "limit", "more"),
    [
        (0.5, 0.8, 0.65, {}),  # halfway between both
        (0.2, 0.8, 0.6, {}),  # but no less than 0.75 of what red cells have
        (0.75, 0.8, 0.736, {}),  # and no more than 0.92 of it
        (0.5, 0.44, 0.58, {}),  # 0.44 is no red cell: 0.66 is usual
        (0.5, 0.46, 0.92 * 0.46, {}),
        (0.9, 0.8, 0.6, {"near": 0.3}),  # nothing beside the nucleus is thin
        (0.5, 0.8, 0.65, {"wide": 0.011}),
        (0.5, 0.8, 0.58, {"wide": 0.009}),
        (0.5, 0.8, 0.65, {"second": 0.7, "part": 0.59}),
        (0.5, 0.8, 0.6, {"second": 0.7, "part": 0.61}),
    ],
)
def test_red_cells_take_up_more_blue_than_cytoplasm(rough, plasma, far, limit, more):
    assert cell_beside_red_cells(plasma, limit - 0.006, far, **more) == 1
    assert cell_beside_red_cells(plasma, limit + 0.006, far, **more) == 0


def test_no_single_red_cell_takes_up_much_red(rough):
    assert cell_beside_red_cells(0.5, 0.9, 0.8, red=0.249) == 0
    assert cell_beside_red_cells(0.5, 0.9, 0.8, red=0.25) == 1


def test_a_reduced_image_is_averaged_before_it_is_sampled(monkeypatch):
    seen = []
    monkeypatch.setattr(
        segmentation, "_density", lambda pixels: seen.append(pixels) or np.zeros(pixels.shape)
    )
    pixels = np.zeros((448, 448, 3), np.uint8)
    pixels[:, ::2] = 200
    segment(pixels)
    assert np.abs(seen[0][20:-20, 20:-20] - 100).max() < 20
