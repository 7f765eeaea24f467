"""Augmented copies."""

import numpy as np
import pytest

from wbc.data.pipeline import augmentation
from wbc.data.pipeline.augmentation import augment


@pytest.fixture
def cell() -> np.ndarray:
    """A violet disc with a lighter spot right of its middle, on a pale ground."""
    y, x = np.mgrid[:64, :64]
    pixels = np.full((64, 64, 3), (230, 220, 225), np.uint8)
    pixels[(y - 32) ** 2 + (x - 32) ** 2 < 16**2] = (90, 50, 140)
    pixels[(y - 32) ** 2 + (x - 40) ** 2 < 4**2] = (200, 120, 180)
    return pixels


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_shape_type_and_the_argument_stay(cell):
    before = cell.copy()
    copy = augment(cell, rng(0))
    assert copy.shape == cell.shape
    assert copy.dtype == np.uint8
    assert np.array_equal(cell, before)
    assert augment(cell[:40], rng(0)).shape == (40, 64, 3)


def test_the_generator_decides(cell):
    assert np.array_equal(augment(cell, rng(1)), augment(cell, rng(1)))
    assert len({augment(cell, rng(seed)).tobytes() for seed in range(50)}) == 50


def test_the_cell_stays_in_the_picture_and_its_color_is_similar(cell):
    for seed in range(60):
        copy = augment(cell, rng(seed)).astype(int)
        y, x = np.nonzero(copy[..., 1] < 90)
        assert 400 < len(y) < 1000  # the disc without its spot has about 750 pixels, where `wrap` adds none
        assert abs(y.mean() - 32) < 9
        assert abs(x.mean() - 32) < 9
        assert np.abs(copy.mean(axis=(0, 1)) - cell.mean(axis=(0, 1))).max() < 40


@pytest.mark.parametrize("mode", augmentation.FILL_MODES)
def test_no_fill_mode_leaves_a_black_corner(cell, mode, monkeypatch):
    monkeypatch.setattr(augmentation, "FILL_MODES", (mode,))
    for seed in range(20):
        copy = augment(cell, rng(seed))
        assert copy[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 150


def test_only_flips_are_left_without_the_rest(cell, monkeypatch):
    for limit in ("MAX_ROTATION", "MAX_SHIFT", "MAX_BRIGHTNESS", "MAX_CONTRAST", "MAX_SATURATION"):
        monkeypatch.setattr(augmentation, limit, 0.0)
    cell[10:20, 28:32] = (90, 50, 140)  # no symmetry left
    flipped = [cell[::y, ::x].astype(int) for y in (1, -1) for x in (1, -1)]
    seen = set()
    for seed in range(40):
        copy = augment(cell, rng(seed)).astype(int)
        (which,) = [index for index, other in enumerate(flipped) if np.abs(copy - other).max() <= 1]
        seen.add(which)
    assert seen == {0, 1, 2, 3}


def test_wrong_arrays_are_refused(cell):
    for wrong in (cell.astype(float), cell.astype(bool), cell[..., 0], cell[..., :2]):
        with pytest.raises(ValueError, match="uint8"):
            augment(wrong, rng(0))


class Drawn:
    """Given numbers in place of random ones, in the order in which they are drawn."""

    def __init__(self, angle=0.0, shift=(0.0, 0.0), flips=(0.5, 0.5), mode=0, colors=(0.0, 0.0, 0.0)):
        self.numbers = [(20.0, angle), (0.1, np.array(shift)), *zip((0.08, 0.12, 0.15), colors, strict=True)]
        self.flips, self.mode = np.array(flips), mode

    def uniform(self, low, high, size=None):
        limit, number = self.numbers.pop(0)
        assert (low, high, size) == (-limit, limit, 2 if limit == 0.1 else None)
        return number

    def random(self, size):
        assert size == 2
        return self.flips

    def integers(self, count):
        assert count == 4
        return self.mode


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 200, (8, 4, 3), np.uint8)


def test_a_copy_turns_about_the_middle(noise):
    square = np.concatenate([noise, noise[:, ::-1]], axis=1)
    np.testing.assert_array_equal(augment(square, Drawn(angle=90.0)), np.rot90(square, -1))
    np.testing.assert_array_equal(augment(square, Drawn(angle=-90.0)), np.rot90(square))


@pytest.mark.parametrize(
    ("mode", "border"),
    [(0, "edge"), (1, "constant"), (2, "symmetric"), (3, "wrap")],
    ids=augmentation.FILL_MODES,
)
def test_a_copy_is_shifted_down_and_right_and_filled(noise, mode, border):
    """By a quarter of 8 rows down, and by half of 4 columns to the left."""
    color = {"constant_values": 0} if border == "constant" else {}
    around = np.pad(noise, ((2, 0), (0, 2), (0, 0)), mode=border, **color).astype(float)
    if border == "constant":
        edge = np.concatenate([noise[0], noise[-1], noise[:, 0], noise[:, -1]]).mean(axis=0)
        around[:2] = edge
        around[:, -2:] = edge
    copy = augment(noise, Drawn(shift=(0.25, -0.5), mode=mode))
    np.testing.assert_allclose(copy, np.rint(around[:8, 2:]), atol=1)


@pytest.mark.parametrize(
    ("flips", "rows", "columns"), [((0.49, 0.5), -1, 1), ((0.5, 0.49), 1, -1), ((0.0, 0.0), -1, -1)]
)
def test_a_copy_flips_where_less_than_half_is_drawn(noise, flips, rows, columns):
    np.testing.assert_array_equal(augment(noise, Drawn(flips=flips)), noise[::rows, ::columns])


@pytest.mark.parametrize(
    ("colors", "pixels", "expected"),
    [
        ((0.04, 0, 0), [(100, 20, 250), (0, 40, 7)], [(110, 30, 255), (10, 50, 17)]),
        ((0, 0.1, 0), [(100,) * 3, (200,) * 3], [(95,) * 3, (205,) * 3]),
        ((0, 0, 0.1), [(200, 100, 100), (50,) * 3], [(207, 97, 97), (50,) * 3]),
    ],
)
def test_the_colors_of_a_copy_by_hand(colors, pixels, expected):
    """About the mean gray, 150, and about the own gray of the first pixel, 129.9."""
    copy = augment(np.array([pixels, pixels], np.uint8), Drawn(colors=colors))
    assert copy.tolist() == [[list(pixel) for pixel in expected]] * 2
