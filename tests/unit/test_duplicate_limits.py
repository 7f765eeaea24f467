"""Parts of the search for near-duplicates that only its cost or its progress shows, and edges of its limits."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from wbc.duplicates import candidates, gallery, registration, shifted
from wbc.duplicates.gallery import Gallery, searches_all_shifts
from wbc.duplicates.registration import LEAST_PIXELS, Match
from wbc.duplicates.rough import _overlap_correlations


@pytest.mark.parametrize(("gain", "rounds"), [(0.03, 3), (0.01, 1)])
def test_angle_and_scale_are_corrected_three_times_at_most(monkeypatch, gain: float, rounds: int):
    calls = []

    def matched(first, second, how, least):
        calls.append(how)
        return replace(how, correlation=0.5 + gain * (len(calls) + 3) / 4)

    monkeypatch.setattr(registration, "_match", matched)
    monkeypatch.setattr(registration, "threshold_for", lambda first, second: 0.58)
    registration._refine(None, None, Match(0.5))
    assert len(calls) == 2 * 4 * rounds, "four at each of two steps"


@pytest.mark.parametrize(("known", "asked"), [([], [0, 1]), ([0, 1], []), ([2], [0]), ([0], [2])])
def test_what_is_too_small_or_not_there_is_not_searched(known: list[int], asked: list[int]):
    def nothing(*given):
        raise AssertionError("nothing is to be compared")

    of = SimpleNamespace(telling=[True, True, False], _batches=nothing, _shifted=nothing)
    assert Gallery._matches(of, known, asked, True, "photographs") == []


@pytest.mark.parametrize(
    ("splits", "all_shifts"),
    [
        (["a"] * 5, True),
        (["a"] * 400 + ["b"] * 1000 + ["c"], True),
        (["a"] * 401 + ["b"] * 1000 + ["c"], False),
    ],
)
def test_up_to_how_many_pairs_all_shifts_are_searched(splits: list[str], all_shifts: bool):
    assert searches_all_shifts(splits) is all_shifts
    assert (gallery.EXHAUSTIVE_PAIRS, gallery.EXHAUSTIVE_IMAGES) == (400_000, 1_640)


def test_the_search_for_shifts_tells_of_every_eighth_image():
    """Of 66 pairs of 12 images: those of the first, those of nine, and all."""
    told = []
    rng = np.random.default_rng(0)
    shifted.find_shifted_pairs(
        [rng.integers(0, 256, (20, 24), np.uint8) for _ in range(12)], lambda *said: told.append(said)
    )
    assert told == [(11, 66), (63, 66), (66, 66), (66, 66)]


def test_the_search_for_shifts_tells_of_every_pair_once(monkeypatch):
    monkeypatch.setattr(shifted, "_BLOCK", 4)
    told = []
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (60, 80), np.uint8) for _ in range(9)]
    shifted.find_shifted_pairs(images, lambda done, total: told.append((done, total)))
    assert told[-1] == (36, 36) and {total for _, total in told} == {36}
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(("shown", "zero"), [(LEAST_PIXELS - 1, True), (LEAST_PIXELS, False)])
def test_fewer_pixels_than_the_least_say_nothing(shown: int, zero: bool):
    image = np.random.default_rng(0).normal(size=(1, 40, 40)).astype(np.float32)
    valid = (np.arange(1600) < shown).reshape(1, 40, 40).astype(np.float32)
    found = _overlap_correlations(image * valid, valid, image * valid, valid, np.zeros((2, 1), int))
    assert bool(found[0] == 0) is zero and (zero or found[0] == pytest.approx(1, abs=1e-4))
    exact = registration._overlap_correlation(image[0], valid[0] > 0, image[0], valid[0] > 0, 0, 0)
    assert bool(exact == 0) is zero and (zero or exact == pytest.approx(1))


def test_faint_textures_are_compared_too():
    """A product of deviations of 1e-5 still tells; nothing does."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1e-4, (1, 40, 40)).astype(np.float32)
    valid = np.ones_like(image)
    place = np.zeros((2, 1), int)
    assert _overlap_correlations(image, valid, image, valid, place)[0] == pytest.approx(1, abs=1e-3)
    assert _overlap_correlations(image * 1e-3, valid, image * 1e-3, valid, place)[0] == 0
    whole = valid[0] > 0
    assert registration._overlap_correlation(image[0], whole, image[0], whole, 0, 0) == pytest.approx(1)


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


@pytest.mark.parametrize(
    ("angle", "scale", "same"), [(0.1, 1, True), (359.9, 1, True), (0.3, 1, False), (0.0, 1.1, False)]
)
def test_hardly_any_rotation_is_none(angle: float, scale: float, same: bool):
    texture, valid = np.zeros((9, 9), np.float32), np.ones((9, 9), bool)
    assert (registration._rotated(texture, valid, angle, scale)[0] is texture) is same


def test_what_a_rotation_leaves_empty_shows_nothing():
    texture, valid = np.ones((9, 9), np.float32), np.ones((9, 9), bool)
    turned, shown = registration._rotated(texture, valid, 45.0, 1)
    assert shown.shape == (13, 13) and shown[6, 6] and not shown[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert 50 < shown.sum() < 81 and not turned[~shown].any() and turned[6, 6] == pytest.approx(1)
    valid[4, 4] = False
    _, shown = registration._rotated(texture, valid, 0.0, 2)
    assert shown.shape == (18, 18) and not shown[8:10, 8:10].any() and shown[4:6, 4:6].all()


def test_the_search_for_peaks_tells_of_every_thirty_second_image():
    rng = np.random.default_rng(0)
    textures = [rng.standard_normal((4, 4)).astype(np.float32) for _ in range(34)]
    told = []
    candidates.shift_peaks(textures[:2], textures, np.ones((34, 2), bool), lambda *said: told.append(said))
    assert told == [(2, 68), (66, 68), (68, 68)]


def test_faint_rings_are_of_norm_1_and_none_stay_none():
    rings = np.random.default_rng(0).standard_normal((2, 3, 90)).astype(np.float32)
    rings -= rings.mean(axis=2, keepdims=True)
    faint = np.stack([rings[0] * 1e-3, rings[1], np.zeros_like(rings[0])])
    descriptors, spectra = candidates.described(faint)
    curves = candidates.ring_curves(spectra[:2][None].repeat(2, 0), spectra[:2])
    assert curves[[0, 1], [0, 1], 0, 0] == pytest.approx([1, 1], abs=1e-4)
    assert np.linalg.norm(descriptors[:2], axis=1) == pytest.approx([1, 1], abs=1e-4)
    assert not spectra[2].any() and not descriptors[2].any()


@pytest.mark.parametrize(
    ("overlap", "correlation", "threshold", "asked", "accepted"),
    [
        (0.5, 0.641, 0.6, [0.12], True),
        (0.5, 0.639, 0.6, [0.12], False),
        (0.9, 0.641, 0.6, [0.12], True),  # nothing is taken off where more is compared
        (0.25, 0.741, 0.6, [0.12], True),  # 0.4 for each share below a half
        (0.25, 0.739, 0.6, [0.12, 0.3], False),  # so small that the best of large overlaps may be another
        (0.319, 0.5, 0.6, [0.12, 0.3], False),
        (0.321, 0.5, 0.6, [0.12], False),
        (0.5, 0.79, 0.8, [0.12], False),
        (0.5, 0.81, 0.8, [0.12], True),
    ],
)
def test_a_shifted_match_passes_or_is_refined(monkeypatch, overlap, correlation, threshold, asked, accepted):
    smallest, judged = [], []

    def matched(first, second, how, least):
        assert how == Match(0.0)
        smallest.append(least)
        return Match(correlation, shift=(0.5, float(len(smallest))))

    def least_of(first, second, match):
        judged.append(match)
        return threshold

    monkeypatch.setattr(registration, "_match", matched)
    monkeypatch.setattr(registration, "_overlap", lambda first, match: overlap)
    monkeypatch.setattr(registration, "threshold_for", least_of)
    monkeypatch.setattr(registration, "_refine", lambda first, second, best: ("refined", best))
    found = registration.match_shifted("first", "second")
    last = Match(correlation, shift=(0.5, float(len(asked))))
    assert found == (last if accepted else ("refined", last)) and smallest == asked
    assert judged == [Match(correlation, shift=(0.5, 1.0))]
