"""Which trials are marked as disturbed."""

import json

import pytest
from equipment.results import records
from msgspec.structs import replace
from telemetry_equipment import made_trace, phases

from bench.records.contention import Second, contention, seconds_of
from bench.records.disturbance import disturbances, from_outside
from bench.records.summary import Stretch, clocks_of, spans_of, summarize
from bench.telemetry.trace import parse_trace
from bench.trials.measured import Contention, DeviceTelemetry, ReferenceWork, Summary, Telemetry
from bench.trials.origin import Environment, ForeignProcess, Neighbors


def telemetry(seconds: float = 30.0, cores: int = 2, **counters) -> Telemetry:
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
    told = summarize([Stretch(trace, spans)])
    compared = contention(seconds_of(trace, spans["train"]))
    return replace(told, contention={"train": compared} if compared else {})


TIMES = records.phases(train=30.0, data=5.0)


def bent(before: float, after: float, at: float = 15.0):
    """A counter that grows by `before` a second at first and by `after` a second from `at` on."""
    return lambda now: before * min(now, at) + after * max(0.0, now - at)


def test_a_quiet_trial_is_not_marked_though_its_own_threads_wait_for_each_other():
    assert disturbances(TIMES, telemetry()) == []


def test_a_burner_is_marked_with_what_it_took():
    (reason,) = disturbances(TIMES, telemetry(foreign_s=bent(0.0, 1.0)))
    assert reason == "Other processes used 0.50 of its 2 cores during train."


def test_a_little_of_others_is_no_disturbance_and_neither_are_cotenants():
    told = telemetry(foreign_s=lambda now: 0.08 * now, cotenant_s=lambda now: 0.5 * now)
    assert disturbances(TIMES, told) == []
    assert told.phases["train"]["cotenant_cpu"].mean == pytest.approx(0.25)


def test_on_many_cores_one_of_them_is_a_disturbance_only_where_none_is_free():
    few = telemetry(cores=64, foreign_s=lambda now: now, slot_busy_s=lambda now: 20 * now)
    assert disturbances(TIMES, few) == []
    full = telemetry(cores=64, foreign_s=lambda now: now, slot_busy_s=lambda now: 63 * now)
    assert len(disturbances(TIMES, full)) == 1


def share(**counters: float) -> Telemetry:
    """Counters that grow by so many seconds a second."""
    return telemetry(**{name: (lambda now, rate=rate: rate * now) for name, rate in counters.items()})


def crowded(used: float, busy: float) -> Telemetry:
    return telemetry(cores=64, foreign_s=lambda now: used * now, slot_busy_s=lambda now: 64 * busy * now)


def crowded_out(share: float) -> Telemetry:
    return replace(telemetry(), contention={"train": Contention(calm=0.0, share=share)})


def held_back(share: float) -> Telemetry:
    counters = {"train": {"throttled_heat_s": 30 * share}}
    return replace(telemetry(), devices={"gpu:0": DeviceTelemetry(counters=counters)})


@pytest.mark.parametrize(
    ("below", "above"),
    [
        (share(foreign_s=2 * 0.048), share(foreign_s=2 * 0.052)),
        (crowded(0.24, 0.95), crowded(0.26, 0.95)),
        (crowded(1.0, 0.89), crowded(1.0, 0.91)),
        (share(steal_s=2 * 0.019), share(steal_s=2 * 0.021)),
        (share(quota_s=0.019), share(quota_s=0.021)),
        (crowded_out(0.09), crowded_out(0.11)),
        (held_back(0.009), held_back(0.011)),
    ],
    ids=["others", "a quarter of a core", "no core is free", "stolen", "quota", "waiting", "held back"],
)
def test_the_thresholds_are_those_of_the_documentation(below: Telemetry, above: Telemetry):
    assert disturbances(TIMES, below) == []
    assert len(disturbances(TIMES, above)) == 1


def counted(cores: int = 2, **seconds: float) -> Telemetry:
    """Counters of the 30 s of training."""
    return replace(telemetry(), cores=cores, counters={"train": seconds})


@pytest.mark.parametrize(
    "told",
    [
        counted(foreign_s=3.0),  # 0.05 of two cores
        counted(64, foreign_s=7.5, slot_busy_s=64 * 29.0),
        counted(64, foreign_s=9.0, slot_busy_s=64 * 27.0),
        counted(64, foreign_s=9.0),
        counted(steal_s=1.2),
        counted(quota_s=0.6),
        crowded_out(0.1),
        held_back(0.01),
    ],
    ids=["others", "a quarter", "nine tenths", "not told", "stolen", "quota", "waiting", "held back"],
)
def test_at_a_threshold_nothing_is_marked(told: Telemetry):
    assert disturbances(TIMES, told) == []


def test_what_was_not_counted_is_nothing():
    short = records.phases(train=5.0)
    assert disturbances(short, replace(telemetry(), counters={"train": {"cpu_s": 5.0}})) == []
    together = {"train": {"cpu_s": 0.3, "quota_s": 0.3}, "compile": {"cpu_s": 0.3}}
    halves = records.phases(train=0.3, compile=0.3)
    assert disturbances(halves, replace(telemetry(), counters=together)) == [], "of one of them only"


def test_no_share_of_a_phase_is_above_all_of_it():
    assert disturbances(TIMES, counted(quota_s=40.0)) == [
        "A quota of processor time held it back for 100% of train."
    ]
    assert disturbances(TIMES, held_back(1.5)) == ["Heat or the board held back gpu:0 in 100% of train."]
    assert disturbances(records.phases(train=0.0), held_back(1.0)) == [], "a phase without a length"


@pytest.mark.parametrize("phase", ["search", "features", "evaluate", "latency", "compile"])
def test_every_phase_whose_time_is_a_result_is_judged(phase: str):
    told = replace(telemetry(), counters={phase: {"steal_s": 1.0}, "data": {"steal_s": 1.0}})
    times = records.phases(**{phase: 2.0, "data": 2.0})
    assert disturbances(times, told) == [f"Other virtual machines took 25% of its cores during {phase}."]


def test_waiting_beyond_the_trials_own_measure_is_marked():
    told = telemetry(run_queue_wait_s=bent(0.9, 2.0), cpu_s=bent(1.5, 0.9))
    (reason,) = disturbances(TIMES, told)
    assert reason == "Its threads waited for cores longer than by themselves in 50% of train."


def test_more_waiting_with_more_work_is_the_trials_own_doing():
    assert disturbances(TIMES, telemetry(run_queue_wait_s=bent(0.5, 3.0), cpu_s=bent(0.9, 1.9))) == []


def test_a_pause_is_no_waiting():
    assert disturbances(TIMES, telemetry(run_queue_wait_s=bent(0.9, 0.0), cpu_s=bent(1.5, 0.0))) == []


def test_too_short_to_compare():
    assert contention([Second(1.0, 1.5, 0.4)] * 7) is None
    assert contention([Second(1.0, 1.5, 0.4)] * 8) == Contention(calm=0.4, share=0.0)


@pytest.mark.parametrize(
    ("used", "waiting", "share"),
    [(1.27, 0.46, 0.4), (1.27, 0.44, 0.0), (1.28, 0.46, 0.0), (0.19, 0.51, 0.4), (0.19, 0.49, 0.0)],
)
def test_waiting_counts_with_less_work_than_in_the_calm_times_of_the_trial(used, waiting, share):
    """Eight calm seconds of 1.5 cores that wait 0.3 of their time, and two readings of more than two seconds."""
    found = contention([Second(1.0, 1.5, 0.3)] * 8 + [Second(8 / 3, used, waiting)] * 2)
    assert found.calm == 0.3 and found.share == pytest.approx(share)


@pytest.mark.parametrize(("interval", "apart"), [(0.44, 1.32), (0.45, 0.9), (1.0, 1.0)])
def test_readings_are_about_a_second_apart(interval: float, apart: float):
    counters = {"cpu_s": lambda now: 1.5 * now, "run_queue_wait_s": lambda now: 0.5 * now}
    lines = made_trace(9 * apart, counters, {"rss_bytes": lambda now: 1.0}, interval)
    trace = parse_trace(map(json.dumps, lines))
    found = seconds_of(trace, spans_of(phases(train=9 * apart))["train"])
    assert len(found) == 9
    assert [tuple(one) for one in found] == [pytest.approx((apart, 1.5, 0.25))] * 9
    del trace.counters["run_queue_wait_s"]
    assert seconds_of(trace, spans_of(phases(train=9 * apart))["train"]) == []


def test_time_that_the_hypervisor_took_is_marked():
    (reason,) = disturbances(TIMES, telemetry(steal_s=lambda now: 0.2 * now))
    assert reason == "Other virtual machines took 10% of its cores during train."


def test_a_quota_that_holds_a_trial_back_is_marked():
    (reason,) = disturbances(TIMES, telemetry(quota_s=lambda now: 0.3 * now))
    assert reason == "A quota of processor time held it back for 30% of train."
    assert disturbances(TIMES, telemetry(quota_s=lambda now: 0.01 * now)) == []


def test_short_phases_are_judged_together():
    told = telemetry(10.0, foreign_s=lambda now: now)
    counters = {name: value * 0.04 for name, value in told.counters["train"].items()}
    told = replace(told, counters={"train": counters, "compile": counters})
    short = records.phases(train=0.4, compile=0.4)
    assert disturbances(short, told) == ["Other processes used 1.00 of its 2 cores during compile and train."]
    assert disturbances(records.phases(train=0.4), told) == [], "too short to tell"


@pytest.mark.parametrize(
    ("compile_s", "train_s", "named"),
    [(0.3, 1.0, "train"), (0.3, 0.9, "compile and train"), (0.25, 0.25, ""), (0.3, 0.3, "compile and train")],
)
def test_a_phase_of_a_second_is_judged_alone_and_half_a_second_is_the_least(compile_s, train_s, named):
    counters = {name: {"foreign_s": 0.5 * s} for name, s in (("compile", compile_s), ("train", train_s))}
    told = replace(telemetry(), counters=counters)
    found = disturbances(records.phases(compile=compile_s, train=train_s), told)
    assert found == ([f"Other processes used 0.50 of its 2 cores during {named}."] if named else [])


def throttled(**device) -> Telemetry:
    return replace(telemetry(), devices={"gpu:0": DeviceTelemetry(**device)})


def test_a_gpu_that_was_held_back_is_marked_one_at_its_power_limit_is_not():
    told = throttled(counters={"train": {"throttled_heat_s": 6.0, "power_capped_s": 30.0}})
    assert disturbances(TIMES, told) == ["Heat or the board held back gpu:0 in 20% of train."]
    told = throttled(counters={"train": {"throttled_heat_s": 0.1, "power_capped_s": 30.0}})
    assert disturbances(TIMES, told) == []


def test_each_policy_counts_by_itself_and_samples_beside_the_counters():
    told = throttled(counters={"train": {"throttled_heat_s": 0.0, "throttled_reliability_s": 3.0}})
    assert disturbances(TIMES, told) == ["Heat or the board held back gpu:0 in 10% of train."]
    quiet = {"train": {"throttled_heat_s": 0.0}}
    told = throttled(counters=quiet, phases={"train": {"throttled": Summary(mean=0.3)}})
    assert disturbances(TIMES, told) == ["Heat or the board held back gpu:0 in 30% of train."]


def test_without_the_counter_the_reasons_for_low_clocks_stand_in():
    told = throttled(phases={"train": {"throttled": Summary(mean=0.5)}})
    assert len(disturbances(TIMES, told)) == 1


def process(name: str, kind: str) -> ForeignProcess:
    return ForeignProcess(gpu="gpu:0", pid=7, name=name, kind=kind, memory_bytes=None)


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (Neighbors(foreign=(process("game", "compute"),)), 1),
        (Neighbors(foreign=(process("Xorg", "graphics"),)), 0),
        (Neighbors(unknown={"gpu:0": 1}), 0),
        (Neighbors(unknown={"gpu:0": 2}), 1),
        (None, 0),
    ],
)
def test_who_else_computes_on_the_gpu(state, reasons):
    assert len(disturbances(TIMES, None, [state, state])) == reasons


@pytest.mark.parametrize(
    ("work", "marked"),
    [
        (ReferenceWork(before_gflops=200.0, after_gflops=199.0, reference_gflops=205.0), False),
        (ReferenceWork(before_gflops=200.0, after_gflops=100.0), False),  # once, and nobody knows its best
        (ReferenceWork(before_gflops=200.0, after_gflops=100.0, reference_gflops=205.0), False),
        (ReferenceWork(before_gflops=None, after_gflops=100.0, reference_gflops=205.0), False),
        (ReferenceWork(before_gflops=150.0, after_gflops=151.0, reference_gflops=200.0), True),
        (ReferenceWork(before_gflops=150.0, after_gflops=159.0, reference_gflops=200.0), True),
        (ReferenceWork(before_gflops=150.0, after_gflops=161.0, reference_gflops=200.0), False),
        (ReferenceWork(reference_gflops=200.0), False),
        (None, False),
    ],
)
def test_the_reference_work(work, marked):
    assert bool(disturbances(TIMES, None, reference_work=work)) is marked


def test_who_computed_is_told_by_name_and_a_crowd_by_its_most():
    hidden = ForeignProcess(gpu="gpu:1", pid=8, name="", kind="compute", memory_bytes=None)
    states = [
        Neighbors(foreign=(hidden, process("game", "compute")), unknown={"gpu:0": 2}),
        None,
        Neighbors(unknown={"gpu:0": 3, "gpu:1": 1}),
        Neighbors(unknown={"gpu:0": 2}),
    ]
    assert disturbances(TIMES, None, states) == [
        "Process 7 (game) computed on gpu:0.",
        "Process 8 computed on gpu:1.",
        "3 processes of unknown origin computed on gpu:0.",
    ]


def test_at_four_fifths_of_its_best_the_reference_work_is_not_slow():
    work = ReferenceWork(before_gflops=150.0, after_gflops=160.0, reference_gflops=200.0)
    assert disturbances(TIMES, None, reference_work=work) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(1000.0, 950.0, None), (950.0, 1000.0, None), (1000.0, 930.0, "7%"), (900.0, 1000.0, "10%")],
)
def test_the_work_of_a_cycle_is_compared_both_ways(before: float, after: float, said: str | None):
    clocks = {"before_clock_mhz": 1000.0, "after_clock_mhz": 1000.0, "reference_gflops": 9000.0}
    work = ReferenceWork(before_gflops=before, after_gflops=after, **clocks)
    expected = [f"The reference work was {said} slower, its clock allowed for."] if said else []
    assert disturbances(TIMES, None, reference_work=work) == expected


def test_only_what_the_trial_has_no_share_in_may_decide_which_pairs_count():
    waited = "Its threads waited for cores longer than by themselves in 50% of train."
    slow = "The reference work was 7% slower, its clock allowed for."
    assert from_outside([waited, "Other processes used 1.00 of its 2 cores during train.", slow]) == (
        "Other processes used 1.00 of its 2 cores during train.",
    )


def test_what_is_said_of_slow_reference_work_names_its_best():
    work = ReferenceWork(before_gflops=150.0, after_gflops=159.6, reference_gflops=200.0)
    (said,) = disturbances(TIMES, None, reference_work=work)
    assert said == "The reference work was 20% slower than its best, before and after: 160 of 200 GFLOP/s."


@pytest.mark.parametrize(
    ("after", "clock", "marked"),
    [
        (930.0, 1395.0, False),  # warm: clock and work are 7 % lower
        (930.0, 1500.0, True),  # somebody took 7 % at the same clock
        (951.0, 1500.0, False),
        (949.0, 1500.0, True),
    ],
)
def test_a_warm_gpu_is_no_disturbed_one(after: float, clock: float, marked: bool):
    work = ReferenceWork(
        before_gflops=1000.0,
        after_gflops=after,
        reference_gflops=1000.0,
        before_clock_mhz=1500.0,
        after_clock_mhz=clock,
    )
    assert bool(disturbances(TIMES, None, reference_work=work)) is marked


def test_the_clocks_of_the_reference_work_are_the_highest_meanwhile():
    clock = {"gpu:0/sm_clock_mhz": lambda now: 210.0 if now < 1 else 1500.0 if now < 6 else 1400.0}
    lines = made_trace(10, {"steal_s": lambda now: 0.0}, clock, gpus=["gpu:0"])
    trace = parse_trace(map(json.dumps, lines))
    (begin, end) = spans_of(phases(reference_work=2.0))["reference_work"][0]
    second = 1_000_000_000
    spans = [(begin, end), (begin + 7 * second, begin + 9 * second), (end + 60 * second, end + 61 * second)]
    assert clocks_of(trace, spans) == [1500.0, 1400.0, None]


def test_a_clock_counts_from_after_the_beginning_to_the_end_of_a_span():
    """Sampled each second: 100, 200, ... MHz, and at last less."""
    clock = {"gpu:0/sm_clock_mhz": lambda now: 100 * now if now < 6 else 1.0}
    trace = parse_trace(
        map(json.dumps, made_trace(8, {"steal_s": lambda now: 0.0}, clock, 1.0, gpus=["gpu:0"]))
    )
    begin = spans_of(phases(train=8.0))["train"][0][0]
    second = 1_000_000_000
    spans = [(begin + a * second, begin + b * second) for a, b in ((1, 3), (4, 7), (6, 8), (5, 5))]
    assert clocks_of(trace, spans) == [300.0, 500.0, 1.0, None]
    bare = parse_trace(map(json.dumps, made_trace(8, {"steal_s": lambda now: 0.0}, clock, 1.0)))
    assert clocks_of(bare, spans) == [None] * 4, "no GPU of the slot"


@pytest.mark.parametrize(
    ("ptx", "cached", "cold"),
    [(True, 0, True), (True, 300_000_000, False), (True, None, False), (False, 0, False), (None, 0, False)],
)
def test_the_first_trial_for_which_the_driver_compiles_kernels_is_marked(ptx, cached, cold):
    environment = Environment(compiled_from_ptx=ptx, kernel_cache_bytes=cached)
    reasons = disturbances(TIMES, None, environment=environment)
    said = "The driver compiled kernels for its GPU at their first use: its cache of them was empty."
    assert reasons == [said] * cold
    assert list(from_outside(reasons)) == reasons


def test_a_phase_in_which_nobody_counted_says_nothing_of_the_next_one():
    told = replace(telemetry(), counters={"compile": {"cpu_s": 1.0}, "train": {"foreign_s": 15.0}})
    found = disturbances(records.phases(compile=2.0, train=30.0), told)
    assert found == ["Other processes used 0.50 of its 2 cores during train."]
