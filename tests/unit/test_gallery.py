"""A gallery of images that is searched: what is compared with what, what is remembered, and which pair is the best."""

from functools import partial
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

from wbc.duplicates import gallery
from wbc.duplicates.gallery import SCALES, Gallery, NearDuplicate, find_near_duplicates
from wbc.duplicates.registration import Match


def pictures(count: int, height: int = 20, width: int = 24) -> list:
    rng = np.random.default_rng(0)
    return [partial(np.asarray, rng.integers(0, 256, (height, width, 3), np.uint8)) for _ in range(count)]


@pytest.mark.parametrize(("side", "least"), [(96, 0.2), (72, 0.25), (48, 0.3)])
def test_small_frames_ask_for_more_likeness(monkeypatch, side: int, least: float):
    monkeypatch.setattr(gallery, "side_of", lambda pictures: side)
    assert Gallery([]).least_match == pytest.approx(least)


def test_peaks_are_remembered_where_all_pairs_fit(monkeypatch):
    """4 bytes for each of 3 x 3 pairs."""
    for limit, fits in ((36, True), (35, False)):
        monkeypatch.setattr(gallery, "_REMEMBERED", limit)
        peaks = Gallery(pictures(3))._peaks
        assert (peaks is not None) is fits
        assert peaks is None or (peaks.shape == (3, 3) and np.isnan(peaks).all())


def test_images_are_read_in_batches_and_stay_in_their_order(monkeypatch):
    def read(self, some):
        rows = np.array([[one()] for one in some])
        return some, [f"frame {row}" for (row,) in rows], [16] * len(some), (rows, -rows)

    monkeypatch.setattr(Gallery, "_read", read)
    monkeypatch.setattr(gallery, "side_of", lambda pictures: 48)
    told = []
    made = Gallery([partial(int, n) for n in range(130)], lambda *given: told.append(given))
    assert told == [("read", 64, 130), ("read", 128, 130), ("read", 130, 130)]
    assert made.frames == [f"frame {n}" for n in range(130)] and made.telling == [True] * 130
    assert [one() for one in made.pictures] == made._descriptors[:, 0].tolist() == list(range(130))
    assert made._spectra[:, 0].tolist() == [-n for n in range(130)]


def test_what_nobody_waits_for_is_not_done(monkeypatch):
    monkeypatch.setattr(gallery.os, "cpu_count", lambda: 1)
    seen = []
    work = Gallery([])._batches(lambda some: seen.append(some) or sleep(0.005), list(range(20)), "sums", 1)
    next(work)
    work.close()
    assert len(seen) < 20


def test_small_images_are_kept_and_large_ones_read_again(monkeypatch):
    """20 x 24 pixels of 3 bytes are 1,440."""
    for limit, kept in ((1440, True), (1439, False)):
        monkeypatch.setattr(gallery, "_KEPT", limit)
        given = pictures(2)
        found = Gallery(given).pictures
        assert [one is not other for one, other in zip(found, given, strict=True)] == [kept] * 2
        assert all(np.array_equal(one(), other()) for one, other in zip(found, given, strict=True))


def test_images_below_16_pixels_tell_nothing():
    assert Gallery([*pictures(1, 16, 30), *pictures(1, 30, 15), *pictures(1, 15, 30)]).telling == [
        True,
        False,
        False,
    ]


def test_work_is_done_in_batches_and_told_in_order():
    told, seen = [], []
    made = Gallery([], lambda *given: told.append(given))
    results = list(made._batches(lambda some: seen.append(some) or sum(some), [1, 2, 3, 4, 5], "sums", 2))
    assert results == [3, 7, 5] and sorted(seen) == [[1, 2], [3, 4], [5]]
    assert told == [("sums", 2, 5), ("sums", 4, 5), ("sums", 5, 5)]
    read = Gallery(pictures(3), lambda *given: told.append(given))
    assert told[3:] == [("read", 3, 3)]
    assert len(read.frames) == len(read.telling) == len(read._descriptors) == 3
    alone = Gallery(pictures(3)[2:])
    assert read._descriptors[2] == pytest.approx(alone._descriptors[0], abs=1e-5)


def pair(first: int, second: int, correlation: float = 0.9) -> NearDuplicate:
    return NearDuplicate(first, second, Match(correlation))


def searched(monkeypatch, *found: NearDuplicate) -> tuple[Gallery, list]:
    """A gallery of five images whose search finds these pairs, and what it is asked."""
    asked = []

    def matches(self, known, other, all_shifts, what, scales=SCALES):
        asked.append((known, other, all_shifts, what, scales))
        return [one for one in found if one.first in known and one.second in other]

    monkeypatch.setattr(Gallery, "_matches", matches)
    return Gallery(pictures(5)), asked


@pytest.mark.parametrize(("limit", "all_shifts"), [(6, True), (5, False)])
def test_every_two_splits_are_searched_each_once(monkeypatch, limit: int, all_shifts: bool):
    monkeypatch.setattr(gallery, "EXHAUSTIVE_PAIRS", limit)
    made, asked = searched(monkeypatch, pair(1, 5), pair(0, 3), pair(0, 5))
    found = made.across(["a", "a", "a", "b", "b", "c"], ["a", "b", "c"])
    assert asked == [
        ([0, 1, 2], [3, 4], all_shifts, "b against a", SCALES),
        ([0, 1, 2], [5], True, "c against a", SCALES),
        ([3, 4], [5], True, "c against b", SCALES),
    ]
    assert [(one.first, one.second) for one in found] == [(0, 3), (0, 5), (1, 5)]


@pytest.mark.parametrize(("limit", "all_shifts"), [(5, True), (4, False)])
def test_within_a_set_the_best_of_both_sides_counts(monkeypatch, limit: int, all_shifts: bool):
    monkeypatch.setattr(gallery, "EXHAUSTIVE_IMAGES", limit)
    made, asked = searched(monkeypatch, pair(3, 1, 0.7), pair(1, 3, 0.8), pair(0, 2, 0.9), pair(2, 0, 0.6))
    assert made.within() == [pair(0, 2, 0.9), pair(1, 3, 0.8)]
    every = [0, 1, 2, 3, 4]
    assert asked == [(every, every, all_shifts, "near-duplicates", [1.0, 1.05, 1.1, 1.21, 1.33])]


def test_an_image_that_is_found_in_several_of_a_split_is_the_best_pair(monkeypatch):
    searched(
        monkeypatch, pair(0, 3, 0.7), pair(1, 3, 0.9), pair(1, 4, 0.8), pair(2, 3, 0.6), pair(0, 4, 0.75)
    )
    found = find_near_duplicates(pictures(5), ["a", "a", "b", "c", "c"])
    assert found == [pair(1, 3, 0.9), pair(1, 4, 0.8), pair(2, 3, 0.6)]
    searched(monkeypatch, pair(0, 3), pair(1, 3))
    assert find_near_duplicates(pictures(5), ["a", "a", "b", "c", "c"]) == [pair(0, 3)], "the first of equals"


def test_what_was_registered_is_known_from_both_sides_where_scales_are_equal():
    match = Match(0.9, angle=30.0, scale=1.25, shift=(0.25, 0.5))
    of = SimpleNamespace(_registered={(0, 1, None): match, (0, 1, 1.0): match, (0, 1, 1.1): match})
    known = partial(Gallery._known, of)
    for scale in (None, 1.0, 1.1):
        assert known((0, 1, scale)) is match
    assert known((1, 0, None)) == known((1, 0, 1.0)) == match.reversed()
    assert known((1, 0, 1.1)) is None and known((0, 2, None)) is None


def similar(
    monkeypatch, curves: dict[float, list[float]], neighbors: int = 8, least: float = 0.2, others: int = 0
) -> dict:
    """What image 9 resembles of 0, 1, 2 and itself, by its likeness to each at some scales.

    At each further scale the nearest are so many `others`.
    """
    likely = []

    def nearest(descriptors, own, itself, count):
        assert itself.tolist() == [[False, False, False, True]]
        return np.roll(np.arange(4), others * (1 - len(likely)))[None, :count]

    def curves_of(known, asked):
        made = np.zeros((1, len(likely[-1]), 2, 3), np.float32)
        made[0, :, 1, 2] = likely[-1]
        return made

    monkeypatch.setattr(gallery, "NEIGHBORS", neighbors)
    monkeypatch.setattr(gallery, "nearest", nearest)
    monkeypatch.setattr(gallery, "ring_curves", curves_of)
    monkeypatch.setattr(gallery, "likely_angles", lambda curve, tops: [(curve.max() > 0.5, float(tops))])
    of = SimpleNamespace(
        _at_scale=lambda asked, scale: likely.append(curves[scale]) or (None, None),
        _spectra=np.zeros((10, 1)),
        least_match=least,
    )
    return Gallery._similar(of, [9], np.array([0, 1, 2, 9]), np.zeros((4, 1)), list(curves))


def test_each_pair_is_proposed_at_its_most_likely_scale(monkeypatch):
    found = similar(monkeypatch, {1.0: [0.5, 0.3, 0.0, 0.9], 1.1: [0.4, 0.6, 0.0, 0.9]})
    assert found == {(1, 9, 1.1): ((True, 2.0),), (0, 9, 1.0): ((False, 2.0),)}
    assert list(found) == [(1, 9, 1.1), (0, 9, 1.0)], "the most alike first"


def test_likeness_counts_from_the_least_on(monkeypatch):
    least = float(np.float32(0.2))
    assert list(similar(monkeypatch, {1.0: [0.2, 0.19, 0.21, 0]}, least=least)) == [(2, 9, 1.0), (0, 9, 1.0)]


def test_no_more_than_the_nearest_are_proposed(monkeypatch):
    curves = {1.0: [0.5, 0.6, 0.7], 1.1: [0.8, 0.6, 0.7]}
    assert set(similar(monkeypatch, curves, 3)) == {(0, 9, 1.1), (2, 9, 1.1), (1, 9, 1.1)}
    curves = {1.0: [0.5, 0.6], 1.1: [0.8, 0.6]}
    assert set(similar(monkeypatch, curves, 2)) == {(0, 9, 1.1), (1, 9, 1.1)}
    curves = {1.0: [0.5, 0.4], 1.1: [0.8, 0.3]}
    assert list(similar(monkeypatch, curves, 2, others=1)) == [(1, 9, 1.1), (0, 9, 1.0)], "of 0, 1 and 2"


def test_other_scales_are_described_once_where_there_is_room(monkeypatch):
    described = []
    made = Gallery(pictures(3))
    whole = Gallery._described
    monkeypatch.setattr(
        Gallery, "_described", lambda self, frames: described.append(len(frames)) or whole(self, frames)
    )
    same, _ = made._at_scale([0, 2], 1.0)
    assert np.array_equal(same, made._descriptors[[0, 2]]) and described == []
    room = (made._descriptors.nbytes + made._spectra.nbytes) * len(SCALES)
    monkeypatch.setattr(gallery, "_REMEMBERED", room - 1)
    first, _ = made._at_scale([0, 2], 1.1)
    again, _ = made._at_scale([0, 2], 1.1)
    assert described == [2, 2] and np.array_equal(first, again)
    monkeypatch.setattr(gallery, "_REMEMBERED", room)
    kept, spectra = made._at_scale([0, 2], 1.1)
    more, _ = made._at_scale([2, 1], 1.1)
    assert described == [2, 2, 2, 1], "only what is missing"
    assert np.array_equal(kept, first) and np.array_equal(more[0], kept[1])
    assert spectra.shape[0] == 2 and np.iscomplexobj(spectra)


def test_a_pair_is_registered_from_one_side_where_both_are_the_same(monkeypatch):
    """Those that are alike enough are returned, each as it was proposed."""
    proposed = [(0, 1, 1.0), (1, 0, 1.0), (3, 2, 1.0), (2, 3, 1.1), (3, 2, 1.1), (0, 2, 1.0), (4, 0, 1.0)]
    registered, told = [], []

    def register(some):
        registered.extend(some)
        return {one: Match(0.4 if one[:2] == (0, 2) else 0.5 + one[0] / 10) for one in some}

    def batches(work, asked, what, size=64):
        told.append((what, len(asked), size))
        return [work(list(asked))]

    of = SimpleNamespace(
        telling=[True, True, True, True, False],
        frames=list("abcde"),
        _descriptors=np.arange(10).reshape(5, 2),
        _similar=lambda batch, known, own, scales: dict.fromkeys(proposed[:6], ((False, 5.0),)),
        _shifted=lambda known, asked, what: {(1, 3, None), (0, 3, None)},
        _angles={},
        _registered={(1, 3, None): Match(0.875)},
        _register=register,
        _batches=batches,
    )
    of._known = partial(Gallery._known, of)
    monkeypatch.setattr(
        gallery, "threshold_for", lambda one, other, match: {"ac": 0.45}.get(one + other, 0.5)
    )
    found = Gallery._matches(of, [0, 1, 2, 3, 4], [0, 1, 2, 3], True, "photographs")
    assert registered == [(0, 3, None), (0, 1, 1.0), (0, 2, 1.0), (3, 2, 1.0), (3, 2, 1.1), (2, 3, 1.1)]
    assert told == [("photographs", 4, 64), ("photographs, registration", 6, 256)]
    assert sorted((one.first, one.second, one.match.correlation) for one in found) == [
        *[(0, 1, 0.5), (0, 3, 0.5), (1, 0, 0.5), (1, 3, 0.875), (2, 3, 0.7), (3, 2, 0.8), (3, 2, 0.8)],
    ]
    assert of._angles[0, 1, 1.0] == ((False, 5.0),)
    of._shifted = None
    registered.clear()
    again = Gallery._matches(of, [0, 1, 2, 3], [0, 1, 2, 3], False, "photographs")
    assert registered == [] and len(again) == len(found) - 2


def test_pairs_are_registered_roughly_at_first_and_exactly_where_that_may_pass(monkeypatch):
    turned, exact = [], []
    frames = [SimpleNamespace(name=name) for name in "abc"]

    def roughs(turns):
        turned.extend((one.first.name, one.second.name, one.mirrored, one.angle) for one in turns)
        return [Match(0.1 * number) for number in range(len(turns))]

    def matched(kind):
        def match(first, second, *rough):
            exact.append((kind, first.name, second.name, [round(one.correlation, 1) for one in rough]))
            return Match(0.9, scale=1.5)

        return match

    of = SimpleNamespace(
        frames=frames,
        _frames_at=lambda indices, scale: [
            SimpleNamespace(name=f"{frames[n].name}@{scale}") for n in indices
        ],
        _angles={(0, 1, 1.1): ((False, 10.0), (True, 20.0)), (0, 2, 1.0): ((True, 30.0),)},
    )
    monkeypatch.setattr(gallery, "rough_matches", roughs)
    monkeypatch.setattr(
        gallery, "is_hopeless", lambda match, one, other: (one.name, other.name) == ("a", "c")
    )
    monkeypatch.setattr(gallery, "match_shifted", matched("shifted"))
    monkeypatch.setattr(gallery, "match_rotated", matched("rotated"))
    found = Gallery._register(of, [(0, 1, 1.1), (1, 2, None), (0, 2, 1.0)])
    assert turned == [
        *[("a", "b@1.1", False, 10.0), ("a", "b@1.1", True, 20.0), ("b", "c@None", False, None)],
        ("a", "c@1.0", True, 30.0),
    ]
    assert exact == [("rotated", "a", "b@1.1", [0.1]), ("shifted", "b", "c@None", [])]
    assert {pair: (round(one.correlation, 1), one.scale) for pair, one in found.items()} == {
        (0, 1, 1.1): (0.9, pytest.approx(1.65)),
        (1, 2, None): (0.9, 1.5),
        (0, 2, 1.0): (0.3, 1.0),
    }
