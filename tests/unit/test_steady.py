"""The steady window of training: when it begins, and what throughput it shows."""

import random
import statistics
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from bench.journal.events import Blocks, Epoch, PhaseStarted
from bench.journal.history import Stretch
from bench.journal.results import Attempt
from bench.records.steady import (
    _grouped,
    drift,
    interval_of_mean,
    median_interval,
    pace_of,
    rolling_width,
    settled,
    steady,
)
from wbc.observer import Block


def blocks_of(paces: list[float], wait: float = 0.0) -> list[Block]:
    """Blocks of two steps of four images, at these seconds an image."""
    blocks, start = [], 0.0
    for index, pace in enumerate(paces):
        blocks.append(Block(start, 2 * index, 2, 8, 8 * pace, 8 * pace * wait))
        start += 8 * pace
    return blocks


def test_the_window_begins_after_the_slow_beginning():
    rng = random.Random(0)
    warm_up = [1.0 + 3.0 * 0.7**index for index in range(20)]
    paces = [pace * rng.uniform(0.97, 1.03) for pace in warm_up + [1.0] * 80]
    begin = settled(paces)
    assert 8 <= begin <= 25
    found = steady(blocks_of(paces, wait=0.25))
    assert found.images_per_s == pytest.approx(1.0, rel=0.01)
    assert found.low <= found.images_per_s <= found.high
    assert found.settled_step == 2 * begin
    assert found.settled_s == pytest.approx(8 * sum(paces[:begin]))
    assert found.steps == 2 * (100 - begin)
    assert found.step_s == pytest.approx(4.0, rel=0.02)
    assert found.data_wait_share == pytest.approx(0.25)


def test_a_slow_stretch_later_on_counts_in_the_rate_and_its_interval_but_not_in_the_median():
    paces = [1.0] * 60 + [2.0] * 20 + [1.0] * 60
    found = steady(blocks_of(paces))
    assert found.settled_step < 20
    assert found.median_images_per_s == 1.0
    assert found.images_per_s == pytest.approx(
        (140 - found.settled_step / 2) / (160 - found.settled_step / 2)
    )
    assert 0.4 < found.low < found.images_per_s < found.high < 1.7
    assert found.outcome == "steady", "it came and went"


def slow_end(steps: int = 240) -> list[float]:
    """The last fifth at half speed."""
    return [1.0] * (steps * 4 // 5) + [2.0] * (steps // 5)


def test_a_slow_end_is_no_steady_state_and_counts_in_full():
    found = steady(blocks_of(slow_end()))
    assert found.outcome == "no steady state"
    assert found.reason == "after 80% of the window steps take 98% longer", "by tenths"
    window = slow_end()[found.settled_step // 2 :]
    assert found.images_per_s == pytest.approx(len(window) / sum(window)) == pytest.approx(0.827, abs=0.002)
    assert found.median_images_per_s == 1.0
    assert found.low < 0.827 < found.high
    busy = [pace * (1 + 0.05 * random.Random(index).gauss(0, 1)) for index, pace in enumerate(slow_end())]
    assert steady(blocks_of(busy)).outcome == "no steady state"
    assert "shorter" in steady(blocks_of([2.0] * 190 + [1.0] * 50)).reason


def test_every_fourth_step_that_is_slow_is_steady_and_counts():
    found = steady(blocks_of([3.0 if step % 4 == 3 else 1.0 for step in range(240)]))
    assert found.outcome == "steady" and found.reason == ""
    assert found.images_per_s == pytest.approx(2 / 3, rel=0.01)
    assert found.low < 2 / 3 < found.high


def test_slowing_throughout_is_no_steady_state():
    paces = [1 + step / 240 for step in range(240)]
    found = steady(blocks_of(paces))
    assert found.outcome == "no steady state"
    assert found.images_per_s == pytest.approx(240 / sum(paces)), "the whole of it, not its end"
    assert (found.settled_step, found.steps) == (0, 480)


def remembering(count: int, memory: float, spread: float, seed: int) -> list[float]:
    """Paces around 1, of which each remembers so much of the last one."""
    rng = random.Random(seed)
    noise, paces = rng.gauss(0, 1), []
    for _ in range(count):
        paces.append(1 + spread * noise)
        noise = memory * noise + rng.gauss(0, 1) * (1 - memory**2) ** 0.5
    return paces


@pytest.mark.parametrize(("memory", "least"), [(0.0, 0.95), (0.5, 0.95), (0.9, 0.93), (0.97, 0.87)])
def test_the_interval_of_the_rate_holds_although_steps_remember(memory: float, least: float):
    held, steady_states, runs = 0, 0, 400
    for seed in range(runs):
        found = steady(blocks_of(remembering(250, memory, 0.05, seed)))
        held += found.low <= 1.0 <= found.high
        steady_states += found.outcome == "steady"
    assert held / runs >= least
    assert steady_states / runs >= (0.9 if memory <= 0.9 else 0.6)


def test_an_interval_says_of_how_many_independent_blocks_it_is():
    independent = steady(blocks_of(remembering(240, 0.0, 0.05, 1)))
    assert 150 < independent.effective_blocks <= independent.blocks
    assert steady(blocks_of(remembering(240, 0.9, 0.05, 1))).effective_blocks < 40
    flat, blocks = interval_of_mean([2.0] * 30)
    assert (flat, blocks) == (0.0, 30)


@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 20 + [2.0] * 20,
        [1.0, 3.0] * 20,
        [1.0, 2.0, 4.0, 3.0, 2.0, 5.0, 1.5] * 5,
        [3.0, 1.0, 2.0, 5.0, 4.0, 2.0, 3.0, 6.0, 5.0, 3.0, 1.0, 2.0, 4.0, 5.0, 3.0, 2.0],
        [float(number) for number in range(12)],  # corrected, it remembers more than all
    ],
)
def test_an_interval_of_a_mean_is_the_wider_of_two(values: list[float]):
    """Six means of neighbors, and values that remember the last one; see the docstring."""
    count, x = len(values), np.array(values)
    edges = [number * count // 6 for number in range(7)]
    means = [x[a:b].mean() for a, b in pairwise(edges)]
    batched = t.ppf(0.975, 5) * np.std(means, ddof=1) / np.sqrt(6)
    away = x - x.mean()
    memory = (away[1:] @ away[:-1]) / (away @ away)
    memory = memory + (1 + 3 * memory) / count
    memory = min(max(memory + 0.5 * np.sqrt(max(0.0, 1 - memory**2) / count), 0.0), 0.95)
    lags = np.arange(1, count)
    inflation = 1 + 2 * ((1 - lags / count) * memory**lags).sum()  # of the variance of the mean
    variance = away @ away / (count - 1) / max(1 - inflation / count, 0.2)
    effective = count / inflation
    remembering = t.ppf(0.975, max(effective - 1, 3.0)) * np.sqrt(variance / effective)
    half, told = interval_of_mean(values)
    assert half == pytest.approx(max(batched, remembering)) and told == pytest.approx(effective)


def test_what_never_settles_or_is_too_short_has_no_window():
    assert settled([100 * 0.8**index for index in range(60)]) is None
    assert settled([1.0] * 8) is None
    assert settled([1.0] * 9) == 3
    assert steady([]) is None
    assert steady(blocks_of([1.0] * 8)) is None
    never = steady(blocks_of([100 * 0.8**index for index in range(60)]))
    assert never.outcome == "no steady state" and "did not settle" in never.reason


@pytest.mark.parametrize(
    ("values", "width"), [(9, 3), (15, 3), (16, 5), (119, 5), (120, 6), (139, 6), (240, 12)]
)
def test_the_rolling_median_is_over_a_twentieth_of_many_values(values: int, width: int):
    assert rolling_width(values) == width


@pytest.mark.parametrize(("first", "begin"), [(21.0, 3), (21.01, None), (19.0, 3), (18.99, None), (20.0, 3)])
def test_a_pace_has_settled_within_a_twentieth_of_what_follows(first: float, begin: int | None):
    assert settled([first] * 3 + [20.0] * 6) == begin


@pytest.mark.parametrize(
    ("slow", "blocks", "first", "reason"),
    [
        (7, 20, 10, ""),
        (8, 20, 0, "its pace settled only after 55% of the steps"),
        (9, 20, 0, "its pace settled only after 60% of the steps"),
        (8, 19, 11, ""),
    ],
)
def test_a_pace_that_settles_in_the_second_half_is_none(slow: int, blocks: int, first: int, reason: str):
    """Of the last five blocks three are slow until two after the last slow one; below 20 blocks nobody judges."""
    found = steady(blocks_of([2.0] * slow + [1.0] * (blocks - slow), wait=0.25))
    assert (found.reason, found.outcome) == (reason, "no steady state" if reason else "steady")
    assert (found.blocks, found.settled_step, found.steps) == (
        blocks - first,
        2 * first,
        2 * (blocks - first),
    )
    seconds = 8 * (blocks - first) + 8 * max(0, slow - first)
    assert found.data_wait_s == pytest.approx(seconds / 4)
    assert found.images_per_s == pytest.approx(8 * (blocks - first) / seconds)


def test_the_interval_of_a_rate_is_that_of_the_mean_pace_as_a_factor():
    paces = [1.0, 1.2, 0.9, 1.1, 1.3, 0.8] * 5
    found = steady(blocks_of(paces))
    half, effective = interval_of_mean(paces[-found.blocks :])
    rate = found.images_per_s
    assert (found.low, found.high) == pytest.approx((rate * np.exp(-half * rate), rate * np.exp(half * rate)))
    assert found.effective_blocks == effective


@pytest.mark.parametrize(
    ("paces", "said"),
    [
        ([1.0] * 10 + [1.1] * 10, "after 50% of the window steps take 10% longer"),
        ([1.0] * 10 + [1.1] * 9, ""),
        ([1.0] * 2 + [1.1] * 18, "after 10% of the window steps take 10% longer"),
        ([1.0] * 18 + [1.1] * 2, "after 90% of the window steps take 10% longer"),
        ([2.0] * 6 + [1.5] * 14, "after 30% of the window steps take 25% shorter"),
        ([20.0] * 10 + [20.98] * 10, ""),
        ([20.0] * 10 + [19.02] * 10, ""),
        ([20.0] * 10 + [21.2] * 10, "after 50% of the window steps take 6% longer"),
        ([20.0] * 10 + [18.8] * 10, "after 50% of the window steps take 6% shorter"),
        ([1.0] * 20, ""),
    ],
)
def test_a_drift_is_a_change_for_good_of_more_than_a_twentieth(paces: list[float], said: str):
    assert drift(paces) == said


@pytest.mark.parametrize(("wave", "shown"), [(0.24, True), (0.26, False)])
def test_a_drift_must_be_four_standard_errors_of_the_noise_between_tenths(wave: float, shown: bool):
    """Tenths of 1 and then of 2, and a wave over them: the noise is that of their differences, by NumPy."""
    tenths = np.array([1.0] * 5 + [2.0] * 5) + wave * np.array([1, -1] * 5)
    noise = np.sqrt((np.diff(tenths) ** 2).mean() / 2)
    ratios = [
        abs(tenths[split:].mean() - tenths[:split].mean()) / (noise * np.sqrt(1 / split + 1 / (10 - split)))
        for split in range(1, 10)
    ]
    assert bool(max(ratios) > 4) is shown
    assert bool(drift(list(np.repeat(tenths, 3)))) is shown


@pytest.mark.parametrize(
    ("blocks", "sizes"), [(59, [1] * 59), (60, [2] * 30), (61, [2] * 29 + [3]), (92, [3] * 29 + [5])]
)
def test_blocks_left_at_the_end_join_the_last_group(blocks: int, sizes: list[int]):
    assert [group.steps // 2 for group in _grouped(blocks_of([1.0] * blocks))] == sizes


def test_the_interval_covers_the_median_as_often_as_it_says():
    rng = random.Random(2)
    for count in (6, 15, 30):
        held = 0
        for _ in range(1000):
            low, high = median_interval(sorted(rng.expovariate(1.0) for _ in range(count)))
            held += low <= 0.693147 <= high
        assert held >= 935, count
    assert median_interval(list(range(6))) == (0, 5)


def test_many_blocks_are_grouped_and_none_is_lost():
    rng = random.Random(3)
    paces = [rng.uniform(0.9, 1.1) for _ in range(250)]
    found = steady(blocks_of(paces))
    assert found.blocks == 250 - found.settled_step / 2
    assert found.median_images_per_s == pytest.approx(1 / statistics.median(paces), rel=0.02)


@pytest.mark.parametrize(("blocks", "median"), [(59, 1.0), (60, 0.5), (90, (3 / 5 + 3 / 7) / 2)])
def test_the_median_is_over_thirty_groups_of_neighbors(blocks: int, median: float):
    """Every other block takes three times as long: groups of one, two or three blocks."""
    found = steady(blocks_of(([1.0, 3.0] * 45)[:blocks]))
    assert (found.blocks, found.median_images_per_s) == (blocks, pytest.approx(median))


def an_epoch(number: int, steps: int, stage: int | None = 0) -> Epoch:
    pace = {"steps": steps, "images": 4 * steps, "steps_s": 1.0 * steps, "data_wait_s": 0.25 * steps}
    return Epoch(
        t=(100 + 10 * number) * 10**9, epoch=number, metrics={}, stage=stage, validation_s=2.0, **pace
    )


def a_stretch(*events) -> Stretch:
    return Stretch(Attempt(Path("attempt-1")), None, events)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((), "nothing was trained in steps whose times are in the journal"),
        ((0,), "training was too short to settle: 0 stretches of steps after the first step"),
        ((5,), "training was too short to settle: 1 stretch of steps after the first step"),
        ((5, 0, 5), "training was too short to settle: 2 stretches of steps after the first step"),
        ((5,) * 8, "training was too short to settle: 8 stretches of steps after the first step"),
        ((5,) * 9, ""),
    ],
)
def test_where_training_was_too_short_it_says_how_short(steps: tuple[int, ...], said: str):
    events = [an_epoch(number, one) for number, one in enumerate(steps)]
    found, why = pace_of([a_stretch(*events)])
    assert (why, found is None) == (said, bool(said))


def test_the_pace_is_that_of_the_last_stretch_that_settled_and_of_the_last_stage():
    """Epochs of ten seconds, of which steps take five and validation two; training began at 90 s."""
    began = PhaseStarted(t=90 * 10**9, phase="train")
    before = PhaseStarted(t=80 * 10**9, phase="compile")
    long = a_stretch(before, began, *(an_epoch(number, 5) for number in range(12)))
    short = a_stretch(began, *(an_epoch(number, 5) for number in range(3)))
    for stretches in ([long], [short, long], [long, short]):
        found, why = pace_of(stretches)
        assert (why, found.images_per_s, found.step_s, found.data_wait_share) == ("", 4.0, 1.0, 0.25)
        first = 12 - found.blocks
        assert (found.settled_step, found.settled_s) == (5 * first, 10.0 * first + 10 - 2 - 5)
    other = a_stretch(*(an_epoch(number, 5, 1) for number in range(3)))
    assert pace_of([a_stretch(*long.events, *other.events)])[1].endswith(
        "3 stretches of steps after the first step"
    )
    told = Blocks(t=0, stage=0, blocks=tuple((float(n), n, 1, 8, 1.0, 0.0) for n in range(20)))
    assert pace_of([a_stretch(*long.events, told)])[0].images_per_s == 8.0, "blocks are finer than epochs"
