"""What searches for near-duplicates depend on, the key of their caches, and their small formulas by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from wbc.duplicates import candidates, gallery, registration, shifted
from wbc.duplicates.candidates import detail_of, least_correlation, likely_angles
from wbc.duplicates.fields import remembered


def test_a_search_that_changes_has_another_key():
    """Whoever changes one of these changes the version too, or what caches hold stands for another search."""
    assert gallery.METHOD == {
        "version": 4,
        "chance": (12.0, 16),
        "frame": (48, 96, 3, 1 / 48, 2),
        "search": ((1.0, 0.75, 0.83, 0.91, 0.95, 1.05, 1.1, 1.21, 1.33), 8, 2, 0.2, 0.3, 5.0, 1640, 400_000),
        "registration": (0.58, 0.3, 0.64, 0.12),
    }
    assert shifted.METHOD == {
        **{"version": 4, "coarse_pixels": 4800, "fine_factor": 2, "blur": (1.5, 2.0), "min_overlap": 0.09},
        **{"screening": 8.0, "threshold": 0.64, "chance": (8.0, 16)},
    }
    assert (candidates.ANGLES, candidates.ORDERS, candidates.SMALLEST_OVERLAP) == (90, 24, 0.1)
    assert candidates.RADII.tolist() == [3 + 1.5 * step for step in range(25)]


def test_the_details_of_a_texture():
    """A wave has two lines in its spectrum, a single point all of them."""
    wave = np.tile(np.cos(np.arange(8) * np.pi / 4), (4, 1)).astype(np.float32)
    assert detail_of(wave) == pytest.approx(2, rel=1e-4)
    point = np.zeros((4, 8), np.float32)
    point[1, 2] = 3.0
    assert detail_of(point) == pytest.approx(32, rel=1e-4)
    assert detail_of(np.zeros((4, 8), np.float32)) == 0


@pytest.mark.parametrize(
    ("details", "chance", "of_root"),
    [(147.0, 12.0, 1.0), (39.0, 12.0, 2.0), (67.0, 8.0, 1.0), (3.0, 0.1, 0.1**0.5)],
)
def test_what_chance_may_reach(details: float, chance: float, of_root: float):
    """Fisher's transform: the hyperbolic tangent of so many deviations of one over the root of the details less 3."""
    assert least_correlation(details, chance) == pytest.approx(np.tanh(of_root))
    assert least_correlation(147.0) == pytest.approx(np.tanh(1))


def test_angles_are_the_tops_of_parabolas():
    curves = np.zeros((2, 90), np.float32)
    curves[0, 9:12] = 0.5, 0.9, 0.7
    curves[1, 0] = 0.95
    # The vertex lies 0.5 * (0.5 - 0.7) / (0.5 - 1.8 + 0.7) = 1/6 of a sample of two degrees beside the tenth.
    assert likely_angles(curves) == [(True, 0.0), (False, pytest.approx(2 * (10 + 1 / 6), abs=1e-4))]
    assert likely_angles(curves, 1) == [(True, 0.0)]


def test_samples_beside_a_top_are_no_other_one():
    """Two samples to each side belong to it; the third is another top."""
    curves = np.zeros((2, 90), np.float32)
    curves[1] = -1.0
    curves[0, [10, 12, 13]] = 0.9, 0.8, 0.7
    first, second = likely_angles(curves)
    assert first == (False, 20.0) and second == (False, pytest.approx(2 * (13 - 0.4 / 0.6), abs=1e-4))


@pytest.mark.parametrize(
    ("shift", "enough"), [((7, 7), True), ((-7, -7), True), ((6, 8), False), ((8, -6), False)]
)
def test_an_overlap_of_nine_percent_is_compared(shift: tuple[int, int], enough: bool):
    first, second = np.random.default_rng(0).normal(size=(2, 10, 10))
    down, right = shift
    a = first[max(down, 0) : 10 + min(down, 0), max(right, 0) : 10 + min(right, 0)]
    b = second[max(-down, 0) : 10 + min(-down, 0), max(-right, 0) : 10 + min(-right, 0)]
    expected = np.corrcoef(a.ravel(), b.ravel())[0, 1] if enough else 0
    assert shifted.overlap_correlation(first, second, shift) == pytest.approx(expected)


def test_a_texture_has_mean_0_and_variance_1_or_is_nothing():
    image = np.random.default_rng(0).normal(100, 5, (30, 40)).astype(np.float32)
    texture = shifted._texture(image, 2.0)
    assert texture.mean() == pytest.approx(0, abs=1e-5) and texture.std() == pytest.approx(1, rel=1e-4)
    assert texture.max() < 2, "clipped at the mean of what is above and below"
    assert (shifted._texture(np.full((30, 40), 100, np.float32), 2.0) == 0).all()


@pytest.mark.parametrize(
    ("angle", "scale", "same"), [(0.1, 1, True), (359.9, 1, True), (0.3, 1, False), (0.0, 1.1, False)]
)
def test_hardly_any_rotation_is_none(angle: float, scale: float, same: bool):
    texture, valid = np.zeros((9, 9), np.float32), np.ones((9, 9), bool)
    assert (registration._rotated(texture, valid, angle, scale)[0] is texture) is same


def test_what_a_search_found_is_kept_under_what_it_depends_on(tmp_path: Path):
    searches: list[int] = []

    def find() -> list[int]:
        searches.append(1)
        return [1, 2]

    def asked(*identity: object, cache: Path | None = tmp_path / "kept") -> tuple[int, ...]:
        return remembered(cache, lambda: list(identity), find, tuple)

    assert asked("a") == asked("a") == (1, 2) and len(searches) == 1
    (file,) = (tmp_path / "kept").iterdir()
    assert file.suffix == ".json" and len(file.stem) == 32 and json.loads(file.read_text()) == [1, 2]
    for damaged in ("{", "7"):
        file.write_text(damaged)
        assert asked("a") == (1, 2) and json.loads(file.read_text()) == [1, 2]
    assert len(searches) == 3
    assert asked("b") == (1, 2) and len(searches) == 4 and len(list(file.parent.iterdir())) == 2
    assert asked("a", cache=None) == (1, 2) and len(searches) == 5
