"""The split of sources into training, validation and test."""

from collections import Counter

import pytest

from wbc.data.pipeline.splitting import Quota, _neediest, _targets, require_sources, split_sources
from wbc.errors import InputError


def sources_of(**counts: int) -> dict[str, list[str]]:
    return {f"{label}-{number:03d}": [label] for label, count in counts.items() for number in range(count)}


def shares(groups, splits) -> dict[str, Counter]:
    counts: dict[str, Counter] = {}
    for name, labels in groups.items():
        for label in set(labels):
            counts.setdefault(label, Counter())[splits[name]] += 1
    return counts


def test_shares_of_every_class():
    groups = sources_of(a=100, b=20, c=40)
    counts = shares(groups, split_sources(groups, seed=3))
    assert counts["a"] == {"train": 60, "validation": 15, "test": 25}
    assert counts["b"] == {"train": 12, "validation": 3, "test": 5}
    assert counts["c"] == {"train": 24, "validation": 6, "test": 10}


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 11])
def test_small_classes_are_in_every_split(count):
    groups = sources_of(rare=count, other=30)
    counts = shares(groups, split_sources(groups))
    assert set(counts["rare"]) == {"train", "validation", "test"}
    assert sum(counts["rare"].values()) == count


@pytest.mark.parametrize("seed", range(8))
def test_sources_of_several_classes(seed):
    groups = sources_of(a=60, b=8, c=5)
    groups.update({f"ab-{k}": ["a", "b", "a"] for k in range(3)}, **{f"bc-{k}": ["c", "b"] for k in range(3)})
    counts = shares(groups, split_sources(groups, seed=seed))
    assert all(len(share) == 3 for share in counts.values())
    assert abs(counts["a"]["train"] - 0.6 * 63) <= 2
    assert abs(counts["b"]["train"] - 0.6 * 14) <= 1
    assert abs(counts["c"]["train"] - 0.6 * 8) <= 1


def test_the_seed_decides_and_the_order_does_not():
    groups = sources_of(a=30, b=9)
    backwards = dict(reversed(groups.items()))
    assert split_sources(groups, seed=5) == split_sources(backwards, seed=5)
    assert list(split_sources(backwards)) == sorted(groups)
    assert len({tuple(split_sources(groups, seed=seed).values()) for seed in range(5)}) == 5


def test_too_few_sources_of_a_class_are_named():
    with pytest.raises(InputError, match="class rare has too few sources: 2,") as caught:
        split_sources(sources_of(common=10, rare=2))
    assert "at least 3" in caught.value.way_out
    with pytest.raises(InputError, match="too few sources: 1,"):
        split_sources(sources_of(common=10, rare=1))


def test_other_fractions():
    groups = sources_of(a=10, b=10)
    counts = shares(groups, split_sources(groups, {"train": 0.7, "test": 0.3}))
    assert counts["a"] == counts["b"] == {"train": 7, "test": 3}
    with pytest.raises(ValueError, match="sum to 1"):
        split_sources(groups, {"train": 0.7, "test": 0.2})
    with pytest.raises(ValueError, match="positive"):
        split_sources(groups, {"train": 1.0, "test": 0.0})


def test_no_sources():
    assert split_sources({}) == {}


def test_sources_that_stay_count_for_the_shares():
    groups = sources_of(a=20, b=10)
    before = split_sources(groups, seed=1)
    stay = {name: split for name, split in before.items() if name not in ("a-003", "b-001")}
    assert split_sources(groups, seed=2, stay=stay) == before
    del groups["a-004"]  # of what was one source, another one is left
    after = split_sources(groups, seed=1, stay=stay)
    assert all(after[name] == before[name] for name in groups if name in stay)
    with pytest.raises(InputError):
        split_sources(sources_of(a=3), stay=dict.fromkeys(sources_of(a=3), "train"))


USUAL = {"train": 0.6, "validation": 0.15, "test": 0.25}
UNEVEN = {"a": 0.5, "b": 0.44, "c": 0.03, "d": 0.03}


@pytest.mark.parametrize(
    ("count", "fractions", "targets"),
    [
        (3, USUAL, [1, 1, 1]),
        (4, USUAL, [2, 1, 1]),
        (5, USUAL, [3, 1, 1]),
        (6, USUAL, [4, 1, 1]),  # 3.6 lacks more than 1.5
        (7, USUAL, [4, 1, 2]),  # 1.75 lacks more than 4.2
        (10, USUAL, [6, 2, 2]),  # of 1.5 and 2.5 the first
        (5, UNEVEN, [2, 1, 1, 1]),  # one too many: 2.2 has more than its share, 2.5 has less
        (4, UNEVEN, [1, 1, 1, 1]),
    ],
)
def test_targets_are_whole_numbers_nearest_to_the_shares(count, fractions, targets):
    assert _targets(count, fractions) == dict(zip(fractions, targets, strict=True))


def test_a_source_goes_where_most_is_missing_of_its_rarest_class_then_of_the_others():
    missing = {"rare": {"x": 1, "y": 1, "z": 0}, "other": {"x": 0, "y": 2, "z": 9}}
    shares = {"x": 0.4, "y": 0.4, "z": 0.2}
    assert _neediest(missing, "rare", ["rare", "other"], shares) == "y"
    assert _neediest(missing, "rare", ["rare"], shares) == "x"
    assert _neediest(missing, "other", ["rare", "other"], shares) == "z"


def test_what_too_few_sources_are():
    require_sources(sources_of(a=3, b=4), USUAL)
    with pytest.raises(InputError) as caught:
        require_sources({**sources_of(a=3, b=2), "x": ["b", "b"], "y": ["a"]}, ["1", "2", "3", "4"])
    assert caught.value.what == "class b has too few sources: 3, but 1, 2, 3, 4 need one each"
    assert caught.value.way_out == (
        "Add images of b from at least 4 different sources (patients, slides or photographs), or leave the class out."
    )


@pytest.mark.parametrize(("parts", "named"), [(5, "1, 2, 3, 4, 5"), (6, "6 parts")])
def test_up_to_five_parts_are_named(parts, named):
    with pytest.raises(InputError, match=f"too few sources: 1, but {named} need one each"):
        require_sources(sources_of(a=1), [str(number + 1) for number in range(parts)])


def test_images_in_total_are_spread_over_the_classes_and_the_first_ones_get_the_rest():
    assert Quota.of_total(5, "abc") == Quota({"a": 2, "b": 2, "c": 1})
    assert Quota.of_total(6, "abc", 7, True) == Quota(dict.fromkeys("abc", 2), originals=7, copies=True)
    usual = Quota()
    assert (usual.times, usual.originals, usual.balanced, usual.copies) == (1, None, False, False)


def test_those_that_stay_fill_the_target_of_their_split():
    """Of 8 sources 5 are for training, which are there; the other 3 are for the other splits."""
    groups = sources_of(a=8)
    stay = dict.fromkeys(list(groups)[:5], "train")
    found = split_sources(groups, stay=stay)
    assert Counter(found.values()) == {"train": 5, "validation": 1, "test": 2}
    assert {name: found[name] for name in stay} == stay
