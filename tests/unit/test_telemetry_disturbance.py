"""Which trials are marked as disturbed."""

import json

import pytest
from telemetry_equipment import made_trace, phases

from bench.records.contention import Second, contention, seconds_of
from bench.records.disturbance import disturbances
from bench.records.spans import spans_of
from bench.records.summary import Stretch, summarise
from bench.telemetry.trace import parse_trace


def telemetry(seconds: float = 30.0, cores: int = 2, **counters) -> dict:
    """What a record says of a trial that trains all the time, from counters of its time."""
    quiet = {name: (lambda now: 0.0) for name in ("foreign_s", "steal_s", "cotenant_s")}
    quiet |= {
        "cpu_s": lambda now: 1.5 * now,
        "run_queue_wait_s": lambda now: now,
        "slot_busy_s": lambda now: 1.5 * now,
    }
    sizes = {"cores": {"slot": cores, "machine": cores}}
    lines = made_trace(seconds, quiet | counters, {"rss_bytes": lambda now: 1.0}, 1.0, **sizes)
    trace = parse_trace(map(json.dumps, lines))
    spans = spans_of(phases(train=seconds))
    told = summarise([Stretch(trace, spans)])
    compared = contention(seconds_of(trace, spans["train"]))
    told["contention"] = {"train": {"calm": compared.calm, "share": compared.share}} if compared else {}
    return told


def record(seconds: float = 30.0, **more) -> dict:
    return {"phases": {"train": {"wall_s": seconds}, "data": {"wall_s": 5.0}}, "neighbours": [], **more}


def bent(before: float, after: float, at: float = 15.0):
    """A counter that grows by `before` a second at first and by `after` a second from `at` on."""
    return lambda now: before * min(now, at) + after * max(0.0, now - at)


def test_a_quiet_trial_is_not_marked_though_its_own_threads_wait_for_each_other():
    assert disturbances(record(), telemetry()) == []


def test_a_burner_is_marked_with_what_it_took():
    (reason,) = disturbances(record(), telemetry(foreign_s=bent(0.0, 1.0)))
    assert reason == "Other processes used 0.50 of its 2 cores during train."


def test_a_little_of_others_is_no_disturbance_and_neither_are_cotenants():
    told = telemetry(foreign_s=lambda now: 0.08 * now, cotenant_s=lambda now: 0.5 * now)
    assert disturbances(record(), told) == []
    assert told["phases"]["train"]["cotenant_cpu"]["mean"] == pytest.approx(0.25)


def test_on_many_cores_one_of_them_is_a_disturbance_only_where_none_is_free():
    few = telemetry(cores=64, foreign_s=lambda now: now, slot_busy_s=lambda now: 20 * now)
    assert disturbances(record(), few) == []
    full = telemetry(cores=64, foreign_s=lambda now: now, slot_busy_s=lambda now: 63 * now)
    assert len(disturbances(record(), full)) == 1


def test_waiting_beyond_the_trials_own_measure_is_marked():
    told = telemetry(run_queue_wait_s=bent(0.9, 2.0), cpu_s=bent(1.5, 0.9))
    (reason,) = disturbances(record(), told)
    assert reason == "Its threads waited for cores longer than by themselves in 50% of train."


def test_more_waiting_with_more_work_is_the_trials_own_doing():
    assert disturbances(record(), telemetry(run_queue_wait_s=bent(0.5, 3.0), cpu_s=bent(0.9, 1.9))) == []


def test_a_pause_is_no_waiting():
    assert disturbances(record(), telemetry(run_queue_wait_s=bent(0.9, 0.0), cpu_s=bent(1.5, 0.0))) == []


def test_too_short_to_compare():
    assert contention([Second(1.0, 1.5, 0.4)] * 7) is None


def test_time_that_the_hypervisor_took_is_marked():
    (reason,) = disturbances(record(), telemetry(steal_s=lambda now: 0.2 * now))
    assert reason == "Other virtual machines took 10% of its cores during train."


def test_short_phases_are_judged_together():
    told = telemetry(10.0, foreign_s=lambda now: now)
    counters = {name: value * 0.04 for name, value in told["counters"]["train"].items()}
    told["counters"] = {"train": counters, "compile": counters}
    short = {"phases": {"train": {"wall_s": 0.4}, "compile": {"wall_s": 0.4}}}
    assert disturbances(short, told) == ["Other processes used 1.00 of its 2 cores during train and compile."]
    short["phases"].popitem()
    assert disturbances(short, told) == [], "too short to tell"


def throttled(**device) -> dict:
    told = telemetry()
    told["devices"] = {"gpu:0": {"phases": {}, "counters": {}, **device}}
    return told


def test_a_gpu_that_was_held_back_is_marked_one_at_its_power_limit_is_not():
    told = throttled(counters={"train": {"throttled_heat_s": 6.0, "power_capped_s": 30.0}})
    assert disturbances(record(), told) == ["Heat or the board held back gpu:0 in 20% of train."]
    assert (
        disturbances(
            record(), throttled(counters={"train": {"throttled_heat_s": 0.1, "power_capped_s": 30.0}})
        )
        == []
    )


def test_each_policy_counts_by_itself_and_samples_beside_the_counters():
    told = throttled(counters={"train": {"throttled_heat_s": 0.0, "throttled_reliability_s": 3.0}})
    assert disturbances(record(), told) == ["Heat or the board held back gpu:0 in 10% of train."]
    quiet = {"train": {"throttled_heat_s": 0.0}}
    told = throttled(counters=quiet, phases={"train": {"throttled": {"mean": 0.3}}})
    assert disturbances(record(), told) == ["Heat or the board held back gpu:0 in 30% of train."]


def test_without_the_counter_the_reasons_for_low_clocks_stand_in():
    told = throttled(phases={"train": {"throttled": {"mean": 0.5}}})
    assert len(disturbances(record(), told)) == 1


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        ({"foreign": [{"gpu": "gpu:0", "pid": 7, "name": "game", "kind": "compute"}]}, 1),
        ({"foreign": [{"gpu": "gpu:0", "pid": 7, "name": "Xorg", "kind": "graphics"}]}, 0),
        ({"foreign": [], "unknown": {"gpu:0": 1}}, 0),
        ({"foreign": [], "unknown": {"gpu:0": 2}}, 1),
        (None, 0),
    ],
)
def test_who_else_computes_on_the_gpu(state, reasons):
    assert len(disturbances(record(neighbours=[state, state]), None)) == reasons


@pytest.mark.parametrize(
    ("canary", "marked"),
    [
        ({"before_gflops": 200.0, "after_gflops": 199.0, "reference_gflops": 205.0}, False),
        ({"before_gflops": 200.0, "after_gflops": 180.0, "reference_gflops": None}, True),
        ({"before_gflops": 150.0, "after_gflops": 151.0, "reference_gflops": 200.0}, True),
        ({"before_gflops": None, "after_gflops": None, "reference_gflops": 200.0}, False),
        (None, False),
    ],
)
def test_the_canary(canary, marked):
    assert bool(disturbances(record(canary=canary), None)) is marked
