"""What makes a search for near-duplicates another one, what an author's splits forbid, and who moves."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wbc.data import join_sources as joining
from wbc.data.join_sources import _majority, _same_files, _split, join_near_duplicates
from wbc.data.pipeline.stages import Original, Stages
from wbc.duplicates import NearDuplicate
from wbc.duplicates.registration import Match
from wbc.errors import InputError


@pytest.fixture
def originals(tmp_path) -> list[Original]:
    """Six images, of which the first two have the same bytes."""
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        pixels = np.random.default_rng(max(number, 1)).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        found.append(Original(str(number), path, "A", path.name))
    return found


class Search:
    """A gallery that finds nothing within a set, and across splits what a test says, once a pair."""

    across_pairs: tuple[tuple[int, int], ...] = ()
    searched = 0

    def __init__(self, pictures, progress):
        self.left = list(self.across_pairs)

    def within(self):
        type(self).searched += 1
        return []

    def across(self, splits, order):
        found, self.left = self.left, []
        return [NearDuplicate(*pair, Match(1.0)) for pair in found]


@pytest.fixture
def search(monkeypatch) -> type[Search]:
    fresh = type("Fresh", (Search,), {})
    monkeypatch.setattr(joining, "Gallery", fresh)
    return fresh


def in_two(originals, seed, stay):
    sources = sorted({one.source for one in originals})
    fixed = {one.source: one.split for one in originals if one.split}
    return {
        source: stay.get(source) or fixed.get(source) or ("train", "test")[number % 2]
        for number, source in enumerate(sources)
    }


def test_every_part_of_an_original_makes_another_search(originals, search, tmp_path):
    """The two searches of a set each have a file in the cache; a part that only the second depends on adds one."""
    plain = Stages()

    def files(changed: list[Original], stages: Stages = plain, seed: int = 0) -> int:
        before = len(list(tmp_path.glob("cache/*")))
        join_near_duplicates(changed, stages, seed, tmp_path / "cache", split=in_two)
        return len(list(tmp_path.glob("cache/*"))) - before

    first, *rest = originals
    assert files(originals) == 2 and files(originals) == 0
    assert search.searched == 1
    for part in ({"box": (0, 0, 4, 4)}, {"page": 2}, {"name": "0a"}, {"image": originals[5].image}):
        assert files([replace(first, **part), *rest]) == 2, part
    assert files([*originals[:5], replace(originals[5], split="train")]) == 1, "where it would be anyway"
    assert files(originals, seed=1) == 1
    assert files(originals, Stages(background="remove")) == 1
    assert files(originals, Stages(image_size=64)) == 2


@pytest.mark.parametrize(
    ("splits", "pair", "joined"),
    [
        (("", "", "", ""), (2, 3), [{0, 1}, {2, 3}]),
        (("train", "test", "", ""), (2, 3), [{2, 3}]),
        (("", "", "train", "test"), (2, 3), [{0, 1}]),
        (("", "", "test", "test"), (2, 3), [{0, 1}, {2, 3}]),
        (("", "", "test", ""), (2, 3), [{0, 1}]),
    ],
)
def test_what_the_author_put_into_different_splits_is_not_joined(originals, search, splits, pair, joined):
    search.across_pairs = (pair,)
    given = [replace(one, split=split) for one, split in zip(originals, splits, strict=False)]
    found = join_near_duplicates(given, Stages(), 0, split=in_two)
    together: dict[str, set[int]] = {}
    for number, one in enumerate(found.originals):
        together.setdefault(one.source, set()).add(number)
    assert [ones for ones in together.values() if len(ones) > 1] == joined
    assert found.together["groups"] == len(joined)


def test_equal_bytes_are_one_image_only_where_the_box_is_the_same(originals):
    first, second, *_ = originals
    assert _same_files(originals) == [(0, 1)]
    boxes = (None, (0, 0, 4, 4), (4, 4, 8, 8), (0, 0, 4, 4))
    assert _same_files([replace(second, box=box) for box in boxes]) == [(1, 3)]
    assert _same_files([first, second, first]) == [(0, 1), (0, 2)]


def test_who_is_joined_goes_where_most_of_them_are(originals):
    sources = [replace(one, source=source) for one, source in zip(originals, "aaabbb", strict=True)]
    seats = ["train", "test", "test", "validation", "train", "validation"]
    assert _majority(sources, seats) == {"a": "test", "b": "validation"}


def test_two_follow_many_whoever_is_the_first_by_name(originals, search):
    """A source of one image, in train, is joined with one of three, in test."""
    given = [replace(one, source=source) for one, source in zip(originals[2:], "abbb", strict=True)]
    search.across_pairs = ((0, 1),)
    found = join_near_duplicates(given, Stages(), 0, split=in_two)
    assert [one.source for one in found.originals] == ["a"] * 4 and found.split_of == {"a": "test"}
    assert found.together == {"images": 4, "groups": 1, "largest": 4}


@pytest.mark.parametrize(("limit", "all_shifts"), [(5, True), (4, False)])
def test_images_that_are_all_different_stay_apart(originals, search, monkeypatch, limit, all_shifts):
    monkeypatch.setattr(joining, "EXHAUSTIVE_IMAGES", limit)
    found = join_near_duplicates(originals[1:], Stages(), 0, split=in_two)
    assert found.together == {"images": 0, "groups": 0, "largest": 1} and found.all_shifts is all_shifts


def test_where_nobody_can_stay_all_are_assigned_anew(originals):
    asked = []

    def split(ones, seed, stay):
        asked.append((seed, dict(stay)))
        if stay:
            raise InputError("a split would lack its share")
        return {one.source: "train" for one in ones}

    assert set(_split(originals, 7, split, {"0.png": "test"}).values()) == {"train"}
    assert asked == [(7, {"0.png": "test"}), (7, {})]


def test_why_there_are_too_few_is_said_only_of_images_that_were_joined(originals):
    def refuses(ones, seed, stay):
        raise InputError("too few", "Add images.")

    with pytest.raises(InputError) as caught:
        _split(originals, 0, refuses, {})
    assert (caught.value.what, caught.value.way_out) == ("too few", "Add images.")
    alike = [replace(one, source="x" if int(one.name) > 1 else one.source) for one in originals]
    with pytest.raises(InputError) as caught:
        _split(alike, 0, refuses, {})
    assert caught.value.way_out.startswith(
        "Add images.\nImages that show the same thing count as one source, such as 2.png, 3.png, 4.png. To split"
    )
