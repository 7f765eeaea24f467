"""The split of sources into training, validation and test."""

from collections import Counter

import pytest

from wbc.data.pipeline.splitting import split_sources
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
