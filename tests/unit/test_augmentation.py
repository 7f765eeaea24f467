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
    for wrong in (cell.astype(float), cell[..., 0], cell[..., :2]):
        with pytest.raises(ValueError, match="uint8"):
            augment(wrong, rng(0))
