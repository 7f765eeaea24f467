"""Which configurations are no worse than any other one: by hand, and how often a worse one passes."""

import numpy as np
import pytest
from evidence.learners import rights

from bench.compare.noninferiority import NonInferiority, fastest_non_inferior, non_inferior


def some(right: np.ndarray) -> dict[str, np.ndarray]:
    return {f"c{number}": one for number, one in enumerate(right)}


def names(images: int) -> list[str]:
    return [f"s{number}" for number in range(images)]


def test_a_bound_by_hand():
    own, other = np.ones((2, 400)), np.ones((2, 400))
    own[0, :8], own[1, :4] = 0, 0  # 2 points and 1 point worse
    found = non_inferior({"own": own, "other": other}, names(400))["own"]
    by_image = np.zeros(400)
    by_image[:4], by_image[4:8] = 1.0, 0.5
    residuals = by_image - 0.015
    image = 1.6487 * np.sqrt(residuals @ residuals + 1) / 402  # t, 399 degrees, one-sided 95 %
    seed = min(6.3138 * np.std([0.02, 0.01], ddof=1) / np.sqrt(2), 1.6449 * 0.05 / np.sqrt(2))
    assert found.bound == pytest.approx(0.015 + np.hypot(image, seed), abs=1e-5)
    assert (found.shown, found.against, found.seeds, found.images) == (False, "other", 2, 400)
    assert found.difference == pytest.approx(0.015)


def test_those_that_may_be_chosen_share_the_error_rate():
    right = some(rights(np.random.default_rng(3), [0.0, 0.0], 3, 300))
    shared = non_inferior(right, names(300), candidates=4)["c0"]
    assert shared.bound == non_inferior(right, names(300), alpha=0.0125, candidates=1)["c0"].bound
    assert shared.bound > non_inferior(right, names(300), candidates=1)["c0"].bound
    three = {**right, "c2": right["c1"]}
    assert non_inferior(three, names(300)) == non_inferior(three, names(300), candidates=2), (
        "the best is not tested"
    )


def test_a_bound_of_the_margin_is_too_large():
    right = some(rights(np.random.default_rng(3), [0.0, 0.0], 3, 300))
    bound = non_inferior(right, names(300))["c0"].bound
    margins = (bound, float(np.nextafter(bound, 1)))
    assert [non_inferior(right, names(300), margin=margin)["c0"].shown for margin in margins] == [False, True]


def test_who_cannot_be_compared_with_everyone_is_not_chosen():
    right = {"a": np.ones((2, 4000)), "b": np.ones((2, 4000))}
    assert non_inferior(right, names(4000))["a"].shown
    found = non_inferior({**right, "c": np.full((2, 4000), np.nan)}, names(4000))["a"]
    assert not found.shown and found.bound < 0.02
    assert (found.images_needed, found.seeds_needed) == (None, None), "neither would help"


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("images", [90, 1000])
def test_a_configuration_that_is_worse_is_rarely_chosen(seeds: int, images: int):
    """The fast one is worse by the margin, where the promise is hardest to keep."""
    rng, chosen = np.random.default_rng(seeds * images), 0
    for _ in range(200):
        right = some(rights(rng, [0.02, 0.0, 0.0], seeds, images))
        chosen += (
            fastest_non_inferior({"c0": 1, "c1": 2, "c2": 3}, non_inferior(right, names(images))) == "c0"
        )
    assert chosen / 200 <= 0.05


def test_what_is_as_accurate_and_fast_is_found():
    rng, chosen = np.random.default_rng(1), 0
    for _ in range(40):
        right = some(rights(rng, [0.0, 0.01], 8, 4000, sd=0.004, discordant=0.04))
        chosen += fastest_non_inferior({"c0": 1, "c1": 2}, non_inferior(right, names(4000))) == "c0"
    assert chosen >= 34


def test_what_it_would_take_is_named_and_suffices():
    rng, asked, enough = np.random.default_rng(2), 0, 0
    for _ in range(20):
        found = non_inferior(some(rights(rng, [0.0, 0.0], 12, 300, sd=0.002)), names(300))["c0"]
        if found.shown or found.images_needed is None or found.images_needed > 20_000:
            continue
        more = found.images_needed
        after = non_inferior(some(rights(rng, [0.0, 0.0], 12, more, sd=0.002)), names(more))["c0"]
        asked, enough = asked + 1, enough + after.shown
        assert more > 300
    assert asked >= 4 and enough >= 0.6 * asked
    one = non_inferior(some(rights(rng, [0.0, 0.0], 1, 8000)), names(8000))["c0"]
    assert not one.shown and one.images_needed is None, "one seed cannot show it, whatever the images"
    assert one.seeds_needed > 4


def test_images_of_one_source_count_once():
    rng = np.random.default_rng(3)
    right = some(rights(rng, [0.0, 0.0], 3, 300))
    alone = non_inferior(right, names(300))["c0"]
    joined = non_inferior(
        {name: np.repeat(one, 5, axis=1) for name, one in right.items()}, np.repeat(names(300), 5).tolist()
    )["c0"]
    assert joined.bound == pytest.approx(alone.bound, abs=1e-3) and joined.images == 1500


def test_images_of_a_single_source_leave_one_degree_of_freedom():
    found = non_inferior({"own": np.ones((1, 6)), "other": np.ones((1, 6))}, ["s"] * 6)["own"]
    assert found.bound == pytest.approx(np.hypot(1.64485 * 0.05, 6.31375 / 3), abs=1e-4)


def test_trainings_that_one_side_lacks_and_splits_with_their_own_images():
    own, other = np.full((3, 6), np.nan), np.full((3, 6), np.nan)
    own[0, :3], own[1, 3:], own[2, :3] = [1, 1, 0], [1, 0, 1], [1, 1, 1]
    other[0, :3], other[1, 3:] = [1, 1, 1], [1, 1, 1]
    found = non_inferior({"own": own, "other": other}, names(6))["own"]
    assert (found.seeds, found.images) == (2, 6)
    assert found.difference == pytest.approx(1 / 3)


def test_a_configuration_that_cannot_be_compared_with_all_is_not_chosen():
    right = {"a": np.ones((1, 5000)), "b": np.ones((1, 5000)), "c": np.full((1, 5000), np.nan)}
    found = non_inferior(right, names(5000))
    assert not any(one.shown for one in found.values())
    assert found["c"] == NonInferiority(False, None, "", None, 0, 0, None, None)
    assert fastest_non_inferior(dict.fromkeys(right, 1.0), found) is None
    alone = non_inferior({"a": np.ones((1, 5))}, names(5))["a"]
    assert alone == NonInferiority(True, None, "", None, 0, 0, None, None), "there is no other one"


def test_images_that_it_takes_by_hand():
    """Twelve trainings that vary in nothing, and one discordant image for either side."""
    own, other = np.ones((12, 60)), np.ones((12, 60))
    own[:, 0], other[:, 1] = 0, 0
    found = non_inferior({"own": own, "other": other}, names(60))["own"]
    half = 1.67109 * np.sqrt(2 + 1) / 62  # t, 59 degrees, one-sided 95 %
    room = 0.02 * 1.64485 / (1.64485 + 0.84162)  # a power of 80 %
    assert found.bound == pytest.approx(half, abs=1e-6)
    assert found.images_needed == int(np.ceil(60 * half**2 / room**2))
    assert found.seeds_needed is None, "no number of seeds makes up for so few images"
    own[:, 2] = 0
    worse = non_inferior({"own": own, "other": other}, names(60), margin=0.05)["own"]
    residuals = 3 - 60 * worse.difference**2
    half = 1.67109 * np.sqrt(residuals + 1) / 62
    room = (0.05 - 1 / 60) * 1.64485 / (1.64485 + 0.84162)
    assert worse.images_needed == int(np.ceil(60 * half**2 / room**2))
    better = non_inferior({"own": own, "other": other}, names(60))["other"]
    assert better.difference == -1 / 60 and better.images_needed > 60


@pytest.mark.filterwarnings("error")
def test_seeds_that_it_takes_by_hand():
    """One training of each, without a discordant image among so many that images matter little."""
    found = non_inferior({"own": np.ones((1, 8000)), "other": np.ones((1, 8000))}, names(8000))["own"]
    images = 1.64507 / 8002  # t, 7999 degrees
    room = 0.02 * 1.64485 / (1.64485 + 0.84162)
    first = next(seeds for seeds in range(2, 101) if np.hypot(1.64485 * 0.05 / np.sqrt(seeds), images) < room)
    assert (found.seeds_needed, found.images_needed) == (first, None) and first == 39


@pytest.mark.parametrize(("between", "needed"), [(2.5, 3), (99.5, 100), (100.5, None)])
def test_at_most_a_hundred_seeds_are_named(between: float, needed: int | None):
    """A margin that falls between what two numbers of seeds would show."""
    half = np.hypot(1.64485 * 0.05 / np.sqrt(between), 1.64507 / 8002)
    margin = half * (1.64485 + 0.84162) / 1.64485
    right = {name: np.ones((1, 8000)) for name in ("own", "other")}
    found = non_inferior(right, names(8000), margin=margin)["own"]
    assert found.seeds_needed == needed
