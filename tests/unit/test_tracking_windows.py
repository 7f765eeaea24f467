"""Telemetry in few windows, none of its peaks lost."""

import pytest
from test_tracking_tags_and_params import BEGAN, record, stretches

from bench.tracking.points import WINDOWS, Series, points_of, series_of, windows_of
from bench.tracking.tags_and_params import span_of

SECOND = 1_000_000_000


def header(*gauges: str) -> dict:
    return {"event": "header", "gauges": list(gauges), "counters": ["cpu_s"]}


def sample(seconds: float, *values, **more) -> dict:
    return {"t": int(seconds * SECOND), "n": 1, "c": [], "g": list(values), **more}


def test_means_and_maxima_of_windows():
    lines = [header("power_w"), *(sample(number / 4, 100 + number) for number in range(9))]
    windows = windows_of(series_of(lines))
    assert windows["system/power_w"] == [(SECOND, 101.5), (2 * SECOND, 105.5), (2 * SECOND, 108.0)]
    assert [value for _, value in windows["system/power_w_max"]] == [103, 107, 108]


def test_hours_are_few_windows_and_a_single_peak_stays():
    lines = [header("gpu:0/power_w"), *(sample(number, 50.0) for number in range(20_000))]
    lines[12_345]["g"] = [400.0]
    windows = windows_of(series_of(lines))
    assert set(windows) == {"system/gpu_0_power_w", "system/gpu_0_power_w_max"}
    assert 250 < len(windows["system/gpu_0_power_w"]) <= WINDOWS
    assert max(value for _, value in windows["system/gpu_0_power_w_max"]) == 400.0
    ends = [end for end, _ in windows["system/gpu_0_power_w"]]
    assert ends == sorted(ends)


def test_lines_of_several_samples_weigh_as_many():
    lines = [header("a"), sample(0, 1.0), sample(0.5, 5.0, n=3, m=[9.0])]
    windows = windows_of(series_of(lines))
    assert windows["system/a"] == [(SECOND // 2, 4.0)]
    assert windows["system/a_max"] == [(SECOND // 2, 9.0)]


def test_what_was_not_read_is_not_shown():
    lines = [
        sample(0, 1.0),
        header("a", "b", "c"),
        sample(1, None, 2.0),
        {"event": "edge", "t": SECOND, "c": [1.0]},
        {"event": "end"},
        sample(100, None, 3.0),
    ]
    windows = windows_of(series_of(lines))
    assert set(windows) == {"system/b", "system/b_max"}
    assert len(windows["system/b"]) == 2, "between them nothing was read"
    assert windows_of(series_of([])) == {}
    assert windows_of(series_of([header("a")])) == {}


@pytest.mark.parametrize("torn", [{"t": 5}, {"g": [1]}, {"event": "unavailable", "metrics": {}}])
def test_odd_lines_are_passed_over(torn):
    assert len(windows_of(series_of([header("a"), torn, sample(1, 2.0)]))["system/a"]) == 1


@pytest.mark.parametrize(
    ("length_s", "width_s"),
    [(1, 1), (299, 1), (300, 1 + 1e-9), (600, 2 + 1e-9), (3000, 10 + 1e-9)],
)
def test_windows_are_a_second_long_or_as_long_as_three_hundred_need(length_s: int, width_s: float):
    windows = windows_of(series_of([header("a"), sample(0, 1.0), sample(length_s, 2.0)]))
    first, last = windows["system/a"]
    assert first == (min(round(width_s * SECOND), length_s * SECOND), 1.0)
    assert last == (length_s * SECOND, 2.0)


def test_a_maximum_that_is_missing_is_the_mean():
    lines = [
        header("a", "b"),
        sample(0, 1.0, 2.0, n=2, m=[None]),
        sample(0.5, -3.0, -4.0, n=2, m=[-1.0, -2.0]),
    ]
    windows = windows_of(series_of(lines))
    assert (windows["system/a_max"], windows["system/b_max"]) == ([(SECOND // 2, 1.0)], [(SECOND // 2, 2.0)])
    without = series_of([header("a"), {"t": 5, "g": [1.0]}])
    assert without["a"].samples == [(5, 1.0, 1.0, 1)], "a line of one reading"


def test_what_a_resumed_attempt_shows_has_the_time_of_the_attempt_that_did_it():
    """The second one began an hour later, on a machine whose clock began anew."""
    later = [
        {"t": 5 * SECOND, "event": "phase_started", "phase": "train"},
        {"t": 8 * SECOND, "event": "epoch", "epoch": 3, "metrics": {"loss": 0.25}},
        {"t": 9 * SECOND, "event": "failed", "kind": "crashed", "message": "later"},
    ]
    both = [*stretches(), *stretches(later, "2026-01-02T04:04:05+00:00")]
    hour = BEGAN + 3_600_000
    assert span_of(both) == (hour, hour + 4000)
    points = points_of(record(), both, {"power_w": Series([(7 * SECOND, 1.0, 2.0, 1)])})
    assert [(time, step) for name, _, time, step in points if name == "train/loss"] == [
        *((BEGAN + 1000, 1), (BEGAN + 2000, 2), (hour + 3000, 3)),
    ]
    assert [point for point in points if point[0].startswith("system/")] == [
        ("system/power_w", 1.0, hour + 2000, 1),
        ("system/power_w_max", 2.0, hour + 2000, 1),
    ]
    assert {time for name, _, time, _ in points if name == "test/accuracy"} == {hour + 4000}
