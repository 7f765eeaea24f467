"""Waiting for cores: which readings are compared, and from when on one was held up by others."""

import pytest

from bench.records.contention import Second, _apart, contention, seconds_of
from bench.telemetry.trace import Header, Series, Trace

S = 10**9


@pytest.mark.parametrize(
    ("count", "calm", "work"),
    [(8, 0.02, 2.0), (10, 0.02, 2.0), (12, 0.02, 2.0), (13, 0.03, 2.0), (20, 0.04, 3.0)],
)
def test_the_calm_times_are_a_fifth_of_the_readings_and_two_at_least(count: int, calm: float, work: float):
    """The reading of rank n waits n percent and uses n cores; calm times use the middle one of theirs."""
    ranked = [Second(1.0, float(rank), 0.01 * rank) for rank in range(1, count + 1)]
    found = contention(ranked)
    assert (found.calm, found.share) == (pytest.approx(calm), 0.0)
    below, at = 0.85 * work - 0.001, 0.85 * work
    for used, held_up in ((below, 1), (at, 0)):
        busy = [*ranked[:-1], Second(1.0, used, 0.6)]
        assert contention(busy).share == pytest.approx(held_up / count)


@pytest.mark.parametrize(
    ("used", "waiting", "share"),
    [(1.0, 0.4, 0.0), (1.0, 0.401, 0.2), (1.7, 0.9, 0.0), (1.699, 0.9, 0.2)],
)
def test_at_its_thresholds_a_reading_is_not_held_up(used: float, waiting: float, share: float):
    """Calm times wait a quarter of their time and use two cores: 0.25 + 0.15, and 0.85 of two."""
    found = contention([Second(1.0, 2.0, 0.25)] * 8 + [Second(1.0, used, waiting)] * 2)
    assert (found.calm, found.share) == (0.25, pytest.approx(share))


@pytest.mark.parametrize(
    ("used", "waiting", "counts"), [(0.2, 0.0, True), (0.199, 0.5, False), (0.199, 0.501, True)]
)
def test_a_reading_of_a_trial_that_needed_no_core_does_not_count(used: float, waiting: float, counts: bool):
    found = contention([Second(1.0, 2.0, 0.25)] * 7 + [Second(1.0, used, waiting)])
    assert (found is not None) is counts


def read(*spans: tuple[int, int], **counters: list[float]) -> list[tuple[float, ...]]:
    """Readings of counters that were read each second from 0 on."""
    series = {name: Series([t * S for t in range(len(of))], of) for name, of in counters.items()}
    trace = Trace(Header(1.0, 2, 2, (), tuple(series), (), {}), counters=series)
    return [tuple(one) for one in seconds_of(trace, [(began * S, ended * S) for began, ended in spans])]


def test_waiting_is_a_share_of_thread_time_or_else_of_the_time():
    cpu, wait = [0.0, 1.5, 1.5, 1.5], [0.0, 0.5, 0.5, 1.0]
    both = read((0, 3), cpu_s=cpu, run_queue_wait_s=wait, pressure_s=[0.0, 0.3, 0.3, 0.3])
    assert both == [(1.0, 1.5, 0.25), (1.0, 0.0, 0.0), (1.0, 0.0, 1.0)]
    pressed = read((0, 3), cpu_s=cpu, pressure_s=[0.0, 0.25, 0.25, 0.75])
    assert pressed == [(1.0, 1.5, 0.25), (1.0, 0.0, 0.0), (1.0, 0.0, 0.5)]
    assert read((0, 3), cpu_s=cpu) == read((0, 3), run_queue_wait_s=wait) == []


def test_each_span_is_read_by_itself_up_to_its_edges():
    counters = {"cpu_s": [float(t) for t in range(9)], "run_queue_wait_s": [0.0] * 9}
    assert read((1, 3), (6, 7), **counters) == [(1.0, 1.0, 0.0)] * 3


def test_readings_lie_nine_tenths_of_a_second_apart_at_least():
    times = [5, 900_000_004, 900_000_005, 1_799_999_999, 1_800_000_005]
    assert list(_apart(times)) == [5, 900_000_005, 1_800_000_005]


def test_a_second_that_was_not_watched_leaves_out_itself_alone():
    """The processor's time is known from 3 s on, waiting from the start."""
    series = {
        "cpu_s": Series([t * S for t in range(3, 6)], [0.0, 1.0, 3.0]),
        "run_queue_wait_s": Series([t * S for t in range(6)], [0.0] * 6),
    }
    trace = Trace(Header(1.0, 2, 2, (), tuple(series), (), {}), counters=series)
    assert [tuple(one) for one in seconds_of(trace, [(0, 5 * S)])] == [(1.0, 1.0, 0.0), (1.0, 2.0, 0.0)]
