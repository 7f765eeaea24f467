"""The white cell of an image: against the truth of synthetic cells, and without one."""

import numpy as np
import pytest

from wbc.data import CELL_CLASSES
from wbc.data.pipeline import segmentation
from wbc.data.pipeline.segmentation import paint_background, segment
from wbc.data.synthetic import draw_cell
from wbc.data.synthetic.microscope import Microscope
from wbc.data.synthetic.shapes import union
from wbc.data.synthetic.smear import Field
from wbc.data.synthetic.white_cell import KINDS


def truth(class_name: str, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Nucleus and cell of `draw_cell(class_name, size, default_rng(seed))`: drawn in the same order."""
    rng = np.random.default_rng(seed)
    width = 24.0 * rng.uniform(0.88, 1.14)
    center = complex(*rng.normal(0.0, 0.055 * width, 2))
    Microscope.sample(rng)
    cell = KINDS[class_name](rng)
    axis = Field(size, width).axis
    x, y = axis - center.real, axis - center.imag
    nucleus = cell.nucleus.distance(x, y)
    return nucleus < 0, union(cell.outline.distance(x[None, :], y[:, None]), nucleus - 0.3, 0.5) < 0


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("class_name", CELL_CLASSES)
def test_synthetic_cells_are_found_where_they_are(class_name):
    nuclei, cells = [], []
    for seed in range(16):
        found = segment(draw_cell(class_name, 160, np.random.default_rng(seed)))
        nucleus, cell = truth(class_name, 160, seed)
        assert found.found
        assert not (found.nucleus & ~found.cell).any()
        nuclei.append(overlap(found.nucleus, nucleus))
        cells.append(overlap(found.cell, cell))
    assert np.mean(nuclei) > 0.95 and min(nuclei) > 0.86
    assert np.median(cells) > 0.935 and np.mean(cells) > 0.9


def test_size_and_shape_of_the_image_do_not_matter():
    large = draw_cell("MONOCYTE", 512, np.random.default_rng(4))
    nucleus, cell = truth("MONOCYTE", 512, 4)
    found = segment(large)
    assert found.cell.shape == found.nucleus.shape == (512, 512)
    assert overlap(found.nucleus, nucleus) > 0.9 and overlap(found.cell, cell) > 0.9
    wide = segment(large[100:412])
    assert wide.cell.shape == (312, 512)
    assert overlap(wide.nucleus, nucleus[100:412]) > 0.9


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((64, 64, 3), 200, np.uint8), "nothing is stained like a nucleus"),
        (np.full((5, 9, 3), 200, np.uint8), "smaller than 16 pixels"),
        (np.tile(np.array([190, 150, 145], np.uint8), (64, 64, 1)), "nothing is stained like a nucleus"),
    ],
)
def test_what_is_not_found_is_guessed_with_a_reason(pixels, reason):
    found = segment(pixels)
    assert found.fallback == reason
    assert not found.found
    assert found.nucleus.any() and found.cell.any() and not found.cell.all()
    assert not (found.nucleus & ~found.cell).any()


def test_red_cells_alone_have_no_nucleus():
    y, x = np.mgrid[:96, :96]
    pixels = np.tile(np.array([205, 210, 205], np.uint8), (96, 96, 1))
    for center in ((20, 20), (70, 30), (40, 75)):
        pixels[(y - center[0]) ** 2 + (x - center[1]) ** 2 < 18**2] = (185, 160, 173)
    assert segment(pixels).fallback == "nothing is stained like a nucleus"


def test_the_background_is_painted_and_the_cell_is_not():
    pixels = draw_cell("LYMPHOCYTE", 96, np.random.default_rng(1))
    before = pixels.copy()
    cell = segment(pixels).cell
    removed = paint_background(pixels, cell, (1, 2, 3))
    assert np.array_equal(pixels, before)
    assert np.array_equal(removed[cell], pixels[cell])
    assert (removed[~cell] == (1, 2, 3)).all()
    assert np.array_equal(segment(pixels).cell, cell), "the same twice"


@pytest.mark.parametrize("wrong", [np.zeros((9, 9)), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
def test_other_arrays_are_refused(wrong):
    with pytest.raises(ValueError, match="pixels must be uint8"):
        segment(wrong)


@pytest.mark.parametrize(
    ("shape", "worked_on"),
    [
        ((512, 512), (224, 224)),
        ((448, 224), (224, 112)),
        ((225, 200), (224, 199)),
        ((224, 224), (224, 224)),
        ((100, 60), (100, 60)),
        ((1000, 20), (224, 16)),
        ((16, 16), (16, 16)),
    ],
)
def test_larger_images_are_reduced_to_224_pixels(monkeypatch, shape, worked_on):
    seen = []

    def density(pixels):
        seen.append(pixels.shape)
        assert pixels.min() >= 0 and 199 < pixels.max() <= 200.001, "levels, not shares"
        return np.zeros(pixels.shape)

    monkeypatch.setattr(segmentation, "_density", density)
    assert segment(np.full((*shape, 3), 200, np.uint8)).fallback and seen == [(*worked_on, 3)]


def test_what_is_guessed_is_a_disc_in_the_middle_with_its_darkest_third():
    """Of 21 x 31 pixels: a radius of 0.35 x 21 = 7.35 about row 10 and column 15."""
    pixels = np.repeat(np.arange(31, dtype=np.uint8)[None, :, None] + 100, 21, axis=0).repeat(3, axis=2)
    guessed = segmentation._guess(pixels, "why")
    expected = np.zeros((21, 31), bool)
    for row in range(21):
        for column in range(31):
            expected[row, column] = np.hypot(row - 10, column - 15) <= 7.35
    assert np.array_equal(guessed.cell, expected) and guessed.fallback == "why"
    columns = np.sort(np.nonzero(expected)[1])
    last = np.quantile(columns, 1 / 3)
    assert np.array_equal(guessed.nucleus, expected & (np.arange(31) <= last))
    for height, width, pixels in ((1, 1, 1), (1, 2, 2), (2, 2, 4), (1, 3, 1), (2, 6, 4), (2, 5, 2)):
        small = segmentation._guess(np.zeros((height, width, 3), np.uint8), "")
        assert small.cell.sum() == small.nucleus.sum() == pixels, "a disc is never empty"


def ring(outer: float, inner: float) -> np.ndarray:
    y, x = np.mgrid[:41, :41] - 20
    return (np.hypot(y, x) <= outer) & (np.hypot(y, x) > inner)


def test_holes_are_filled_up_to_a_share_of_the_mask():
    whole, hole = ring(15, -1), ring(5, -1)
    mask = whole & ~hole
    share = hole.sum() / mask.sum()
    assert np.array_equal(segmentation._without_holes(mask, share), whole)
    assert np.array_equal(segmentation._without_holes(mask, share - 0.001), mask)
    bay = mask.copy()
    bay[20, 20:] = False  # open to the edge
    assert np.array_equal(segmentation._without_holes(bay, 1.0), bay)


def test_the_gap_between_two_areas_is_that_of_their_nearest_pixels():
    one, other = np.array([[0, 0], [5, 1]]), np.array([[5, 5], [9, 9]])
    assert segmentation._gap(one, other) == 4.0 == segmentation._gap(other, one)
