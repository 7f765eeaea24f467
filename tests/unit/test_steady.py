"""The steady window of training: when it begins, and what throughput it shows."""

import random
import statistics

import pytest

from bench.records.steady import median_interval, settled, steady
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


def test_a_slow_stretch_later_on_is_in_the_interval_and_moves_nothing():
    paces = [1.0] * 60 + [2.0] * 20 + [1.0] * 60
    found = steady(blocks_of(paces))
    assert found.settled_step < 20
    assert found.images_per_s == 1.0
    assert steady(blocks_of([1.0] * 60 + [2.0] * 60)).low == 0.5


def test_what_never_settles_or_is_too_short_has_no_window():
    assert settled([100 * 0.8**index for index in range(60)]) is None
    assert settled([1.0] * 8) is None
    assert settled([1.0] * 9) == 3
    assert steady([]) is None


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
    assert 30 <= found.blocks < 60
    assert found.images_per_s == pytest.approx(1 / statistics.median(paces), rel=0.02)
