"""Traces recorded on a shared machine with two cores: quiet ones are not marked, disturbed ones are.

The first line of each file says how it came about and holds the events of the worker's phases.
"""

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from equipment.results.records import phases

from bench.journal.events import PhaseEnded, PhaseStarted
from bench.records.disturbance import disturbances
from bench.records.summary import Stretch, spans_of
from bench.records.telemetry import observed
from bench.telemetry.trace import Sample, Series, parse_trace
from bench.trials.measured import Telemetry

FOLDER = Path(__file__).parent / "data" / "telemetry"
QUIET = sorted(path.name.partition(".")[0] for path in FOLDER.glob("quiet-*"))
SECOND = 10**9


def judged(
    name: str, only: tuple[float, float] | None = None, without: tuple[str, ...] = ()
) -> tuple[list[str], Telemetry]:
    """Reasons, and the telemetry.

    Args:
        name: Of the trace.
        only: Seconds of `train` that count, as if it had been no longer.
        without: Counters that this kernel might not tell.
    """
    head, *lines = gzip.decompress((FOLDER / f"{name}.jsonl.gz").read_bytes()).splitlines()
    about = json.loads(head)
    trace = parse_trace(lines)
    events = [msgspec.convert(event, PhaseStarted | PhaseEnded) for event in about["events"]]
    trace.begins_at_zero(events[0].t)
    trace.counters = {name: series for name, series in trace.counters.items() if name not in without}
    spans = spans_of(events, about["ended"])
    if only:
        began = spans["train"][0][0]
        spans = {"train": [(began + round(only[0] * SECOND), began + round(only[1] * SECOND))]}
    telemetry = observed([Stretch(trace, spans)])
    own = phases(**{name: sum(b - a for a, b in times) / 1e9 for name, times in spans.items()})
    return disturbances(own, telemetry), telemetry


@pytest.mark.parametrize("name", QUIET)
def test_quiet_runs_are_not_marked(name):
    reasons, telemetry = judged(name)
    assert reasons == []
    assert telemetry.sampler.complete and "telemetry" not in telemetry.unavailable


def test_there_are_quiet_runs():
    assert QUIET


def test_a_program_beside_a_trial_is_found_with_what_it_used():
    reasons, telemetry = judged("burnt-svm")
    assert reasons == ["Other processes used 1.04 of its 2 cores during features."]
    assert pytest.approx(telemetry.phases["features"]["foreign_cpu"].mean, rel=0.05) == 24.4 / 24.3 / 2
    assert any("during compile" in reason for reason in judged("burnt-lenet5")[0])


def test_one_that_comes_and_goes_is_found_twice():
    reasons, telemetry = judged("half-lenet5")
    assert "of its 2 cores during compile" in reasons[0] and "during train" in reasons[0]
    assert reasons[1] == "Its threads waited for cores longer than by themselves in 48% of train."
    assert 0.3 < telemetry.contention["train"].calm < 0.4, "its own threads wait for each other"


def test_its_calm_time_alone_is_not_marked():
    reasons, telemetry = judged("half-lenet5", only=(20.6, 30.0))
    assert reasons == []
    assert telemetry.phases["train"]["cpu_pressure"].mean > 0.3, "pressure as such says nothing"


def test_where_waiting_is_not_counted_pressure_stands_in():
    blind = ("run_queue_wait_s", "foreign_s")
    (reason,) = judged("half-lenet5", without=blind)[0]
    assert reason.startswith("Its threads waited for cores longer than by themselves in")
    assert judged("half-lenet5", only=(20.6, 30.0), without=blind)[0] == []
    assert judged("quiet-svm", without=blind)[0] == []


def test_what_a_sampler_writes_beside_samples_and_what_nobody_can_read():
    """Before the header nothing counts; kinds of lines that are not known are passed over."""
    header = {"event": "header", "interval_s": 0.1, "cores": {"slot": 1, "machine": 2}, "gauges": ["a", "b"]}
    header |= {"counters": ["n"], "unavailable": {"c": "hidden"}}
    lines = [
        {"t": 1, "n": 1, "g": [9.0], "c": [9.0]},
        header,
        {"event": "edge", "t": 2, "c": [1.0]},
        {"t": 3, "n": 2, "g": [1.0, None], "m": [4.0], "c": [2.0]},
        {"event": "later", "t": 4, "c": [3.0]},
        {"event": "unavailable", "t": 5, "metrics": {"b": "lost"}},
        {"event": "failed", "message": "no more"},
        {**header, "gauges": []},
        {"event": "end", "t": 6, "cpu_s": 0.5, "c": [4.0]},
    ]
    trace = parse_trace([json.dumps(line) for line in lines] + ["{torn", "[]"])
    assert trace.samples == [Sample(3, 2, {"a": 1.0}, {"a": 4.0})]
    assert (trace.counters["n"].times, trace.counters["n"].values) == ([2, 3, 6], [1.0, 2.0, 4.0])
    assert trace.unavailable == {"c": "hidden", "b": "lost"}
    assert (trace.sampler_cpu_s, trace.failure) == (0.5, "no more")
    assert parse_trace([json.dumps(line) for line in lines[2:3]]) is None


@pytest.mark.parametrize(
    ("began", "ended", "given_up", "growth"),
    [
        (2.5, 7.5, False, 5.0),
        (0, 10, True, 10.0),
        (0, 10.5, False, 10.0),  # the least slack is half a second
        (0, 10.51, False, None),
        (-0.5, 10, True, 10.0),
        (-0.51, 10, True, None),
        (0, 10.01, True, None),
        (-30, 10, False, None),
        (9, 60, False, None),
    ],
)
def test_a_counter_grows_between_readings_and_a_little_beyond(began, ended, given_up: bool, growth):
    one = Series([number * SECOND for number in range(11)], [float(number) for number in range(11)])
    assert one.grown(round(began * SECOND), round(ended * SECOND), given_up) == growth
    assert Series().grown(0, SECOND) is None
    wide = Series([0, 100 * SECOND], [0.0, 5.0])
    # Of a long time it is a fiftieth.
    assert (wide.grown(0, 102 * SECOND), wide.grown(0, 103 * SECOND)) == (5.0, None)
