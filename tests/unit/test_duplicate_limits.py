"""Parts of the search for near-duplicates that only its cost or its progress shows, and edges of its limits."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from wbc.duplicates import frames, gallery, registration, rough, shifted
from wbc.duplicates.frames import LEAST_SIDE, SIDE, Frame, centers, reduce_picture, side_for, side_of
from wbc.duplicates.gallery import Gallery, searches_all_shifts
from wbc.duplicates.registration import LEAST_PIXELS, Match
from wbc.duplicates.rough import _overlap_correlations


@pytest.mark.parametrize(
    ("largest", "side"),
    [(1, LEAST_SIDE), (32, LEAST_SIDE), (33, LEAST_SIDE), (34, 50), (35, 52), (63, 94), (64, SIDE), (500, SIDE)],
)  # fmt: skip
def test_the_side_of_frames(largest: int, side: int):
    assert side_for(largest) == side and (LEAST_SIDE, SIDE) == (48, 96)


@pytest.mark.parametrize(
    ("sides", "read", "side"), [((40, SIDE, 500), 2, SIDE), ((40, 50, 95), 3, SIDE), ((20, 36), 2, 54)]
)
def test_no_more_pictures_are_read_than_tell_the_side(sides: tuple[int, ...], read: int, side: int):
    seen = []

    def picture(own: int):
        return lambda: seen.append(own) or np.zeros((own, own + 7, 3), np.uint8)

    assert side_of([picture(own) for own in sides]) == side and seen == list(sides[:read])


@pytest.mark.parametrize(
    ("shape", "reduced"), [((288, 400), (288, 400)), ((289, 578), (288, 576)), ((600, 300), (576, 288))]
)
def test_a_picture_is_no_larger_than_frames_need(shape: tuple[int, int], reduced: tuple[int, int]):
    assert reduce_picture(np.zeros((*shape, 3), np.uint8)).shape == (*reduced, 3)


def test_the_middle_of_a_texture():
    def of(height: int, width: int) -> Frame:
        texture = np.arange(height * width, dtype=np.float32).reshape(height, width) + 1
        return Frame(texture, np.ones((height, width), bool))

    large, small = centers([of(6, 8), of(2, 3)], 4)
    assert large.tolist() == (np.arange(48).reshape(6, 8)[1:5, 2:6] + 1).tolist()
    expected = np.zeros((4, 4))
    expected[1:3, 0:3] = [[1, 2, 3], [4, 5, 6]]
    assert small.tolist() == expected.tolist()


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


def test_the_search_for_shifts_tells_of_every_pair_once(monkeypatch):
    monkeypatch.setattr(shifted, "_BLOCK", 4)
    told = []
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (60, 80), np.uint8) for _ in range(9)]
    shifted.find_shifted_pairs(images, lambda done, total: told.append((done, total)))
    assert told[-1] == (36, 36) and {total for _, total in told} == {36}
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_correlation_where_both_show_something():
    """Of the pixels that overlap, as NumPy's corrcoef; 0 where few do, or where one is flat."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3, 40, 40)).astype(np.float32)
    second = (0.5 * np.roll(first, (-3, 5), (1, 2)) + rng.normal(0, 0.3, first.shape)).astype(np.float32)
    valid = np.ones_like(first)
    second[1] = 1.0
    places = np.array([[3, 3, 37], [-5, -5, -37]])
    found = _overlap_correlations(first, valid, second, valid, places)
    expected = np.corrcoef(first[0, 3:, :35].ravel(), second[0, :37, 5:].ravel())[0, 1]
    assert found[0] == pytest.approx(expected, abs=1e-4) and expected > 0.7
    assert found[1] == 0, "flat"
    assert found[2] == 0 and LEAST_PIXELS > 9


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


def test_canvases_hold_every_rotation():
    assert [rough._canvas(*shape) for shape in ((3, 4), (17, 17), (1, 1))] == [5, 25, 2]
    assert frames.COARSE == 2
