"""What a phase is told to have been, from samples and counters whose result is known by hand."""

import json

import pytest
from telemetry_equipment import SECOND, SPAWNED, made_trace, phases

from bench.journal.events import PhaseEnded, PhaseStarted
from bench.records.summary import Stretch, clocks_of, spans_of, summarize
from bench.telemetry.trace import Header, Sample, Trace, parse_trace
from bench.trials.measured import Summary, Telemetry


def told_of(seconds: float, counters, gauges, events=None, **of_header) -> Telemetry:
    trace = parse_trace(map(json.dumps, made_trace(seconds, counters, gauges, 1.0, **of_header)))
    return summarize([Stretch(trace, spans_of(events or phases(train=seconds)))])


def still(now: float) -> float:
    return 0.0


def began(t: int, phase: str = "train") -> PhaseStarted:
    return PhaseStarted(t=t, phase=phase)


def over(t: int, phase: str = "train") -> PhaseEnded:
    return PhaseEnded(t=t, phase=phase)


@pytest.mark.parametrize(
    ("events", "until", "spans"),
    [
        ([], None, {}),
        ([], 5, {}),
        ([over(3)], None, {}),
        ([began(1), over(3), over(4)], None, {"train": [(1, 3)]}),
        ([began(1), over(3), began(5), over(9)], None, {"train": [(1, 3), (5, 9)]}),
        ([began(1), began(4, "save")], None, {"train": [(1, 4)]}),
        ([began(1), began(4, "save")], 4, {"train": [(1, 4)]}),
        ([began(1), began(4, "save")], 6, {"train": [(1, 6)], "save": [(4, 6)]}),
        ([began(1), over(3), began(4)], 3, {"train": [(1, 3)]}),
    ],
)
def test_the_spans_of_phases(events, until: int | None, spans):
    assert spans_of(events, until) == spans


@pytest.mark.parametrize(
    ("metric", "counter", "rate", "mean"),
    [
        ("machine_cpu", "machine_busy_s", 3.0, 3 / 8),
        ("machine_cpu", "machine_busy_s", 9.0, 1.0),
        ("steal", "steal_s", 0.5, 0.5 / 4),
        ("cpu_pressure", "pressure_s", 0.5, 0.5),
        ("cpu_pressure", "pressure_s", 1.25, 1.0),
        ("foreign_cpu", "foreign_s", 3.0, 3 / 4),
        ("cotenant_cpu", "cotenant_s", 1.0, 1 / 4),
        ("cpu_percent", "cpu_s", 1.5, 150.0),
        ("cpu_utilization", "cpu_s", 1.5, 1.5 / 4),
        ("cpu_utilization", "cpu_s", 6.0, 1.5),
        ("run_queue_wait", "run_queue_wait_s", 0.5, 1.0),
    ],
)
def test_a_share_is_of_the_cores_that_it_may_be_of(metric: str, counter: str, rate: float, mean: float):
    """Counters that grow by so many seconds a second, on four of the eight cores of a machine."""
    told = told_of(8, {counter: lambda now: rate * now}, {}, cores={"slot": 4, "machine": 8})
    assert told.phases["train"][metric].mean == pytest.approx(mean)
    assert told.counters["train"] == {counter: pytest.approx(8 * rate)}
    assert (told.cores, told.interval_s, told.longest_line_s) == (4, 1.0, 1.0)


def test_without_any_thread_time_no_share_of_it_was_waited():
    told = told_of(4, {"cpu_s": still, "run_queue_wait_s": still}, {})
    assert "run_queue_wait" not in told.phases["train"]
    assert told.counters["train"] == {"cpu_s": 0.0, "run_queue_wait_s": 0.0}, "a counter that stood still"
    assert "run_queue_wait" not in told_of(4, {"cpu_s": lambda now: now}, {}).phases["train"]


def test_samples_of_processor_time_are_shares_of_the_slot_too():
    """20 samples of 10, 20, ... percent on two cores, and a counter of 0.3 seconds a second."""
    told = told_of(20, {"cpu_s": lambda now: 0.3 * now}, {"cpu_percent": lambda now: 10 * now})
    assert told.phases["train"]["cpu_percent"] == Summary(mean=30.0, p95=190.0, max=200.0, samples=20)
    assert told.phases["train"]["cpu_utilization"] == Summary(mean=0.15, p95=0.95, max=1.0, samples=20)


def test_figures_are_rounded_so_that_records_stay_small():
    told = told_of(3, {"cpu_s": lambda now: now / 9}, {"rss_bytes": lambda now: 1234567.0})
    assert told.counters["train"]["cpu_s"] == 0.333333
    assert told.phases["train"]["rss_bytes"].mean == 1234570.0


def test_a_trace_without_samples_has_lines_of_one():
    told = summarize([Stretch(Trace(Header(0.5, 2, 4, (), (), (), {})), {})])
    assert (told.longest_line_s, told.sampler.samples, told.sampler.cpu_s) == (0.5, 0, None)


def attempt(
    interval: float, cores: int, cpu_s: float | None, samples: tuple[int, ...] = (), failure=""
) -> Stretch:
    header = Header(interval, cores, 8, ("rss_bytes",), (), (), {})
    lines = [Sample(n, one, {"rss_bytes": 1.0}, {"rss_bytes": 1.0}) for n, one in enumerate(samples)]
    return Stretch(Trace(header, lines, sampler_cpu_s=cpu_s, failure=failure), {})


def test_of_two_attempts_the_last_one_tells_the_slot_and_sampling_adds_up():
    told = summarize([attempt(0.1, 2, 0.5, (1, 8)), attempt(0.2, 4, 0.25, (2,))])
    assert (told.interval_s, told.cores, told.longest_line_s) == (0.2, 4, pytest.approx(1.6))
    assert (told.sampler.cpu_s, told.sampler.samples, told.sampler.complete) == (0.75, 11, True)
    assert "telemetry" not in told.unavailable
    killed = summarize([attempt(0.1, 2, 0.5), attempt(0.1, 2, None)])
    assert (killed.sampler.cpu_s, killed.sampler.complete) == (None, False)


def resumed(gpu: str, seconds: int, slot: int, method: str) -> Stretch:
    """Of an attempt on one of two GPUs, 100 W and a quarter of a core stolen; the method of its energy is told."""
    counters = {f"{gpu}/energy_j": lambda now: 100 * now, "steal_s": lambda now: now / 4}
    lines = made_trace(
        seconds, counters, {f"{gpu}/power_w": lambda now: 100.0, "steal": still}, 1.0,
        gpus=[gpu], methods={f"{gpu}/energy_j": method}, cores={"slot": slot, "machine": 8},
    )  # fmt: skip
    return Stretch(parse_trace(map(json.dumps, lines)), spans_of(phases(train=seconds)))


def test_a_trial_that_resumes_adds_up_what_each_gpu_spent_and_the_last_attempt_tells_how():
    told = summarize([resumed("gpu:0", 1, 2, "integrated"), resumed("gpu:0", 4, 5, "counted")])
    (device,) = told.devices.values()
    assert device.counters["train"] == {"energy_j": 500.0} and device.methods == {"energy_j": "counted"}
    assert device.phases["train"]["power_w"].mean == 100.0, "the longest time of training is long enough"
    assert told.phases["train"]["steal"].mean == pytest.approx(0.25 / 5)


def test_what_was_not_watched_through_all_attempts_has_no_sum():
    whole, cut = resumed("gpu:0", 3, 2, "counted"), resumed("gpu:0", 1, 2, "counted")
    cut = Stretch(cut.trace, spans_of(phases(train=60)))
    for both in ([whole, cut], [cut, whole]):
        told = summarize(both)
        assert told.counters["train"] == told.devices["gpu:0"].counters["train"] == {}


def test_a_trial_that_resumes_on_another_gpu_has_what_each_of_them_spent():
    told = summarize([resumed("gpu:0", 3, 2, "counted"), resumed("gpu:1", 4, 2, "counted")])
    spent = {name: one.counters["train"] for name, one in told.devices.items()}
    assert spent == {"gpu:0": {"energy_j": 300.0}, "gpu:1": {"energy_j": 400.0}}
    assert told.counters["train"] == {"steal_s": 1.75}


@pytest.mark.parametrize(
    ("cpu_s", "failure", "unwatched", "reason"),
    [
        (1.0, "", True, "an attempt that the trial continued was not watched"),
        (None, "", False, "the sampler ended before the trial did; what is after that is missing"),
        (None, "no room", False, "the sampler failed: no room"),
        (1.0, "no room", False, "the sampler failed: no room"),
    ],
)
def test_why_telemetry_is_not_whole(cpu_s, failure: str, unwatched: bool, reason: str):
    told = summarize([attempt(0.1, 2, cpu_s, (1,), failure)], unwatched)
    assert told.unavailable["telemetry"] == reason


def two_gpus(first: float, second: float | None, seconds: int = 4, **of_header) -> Telemetry:
    """The second one may lack the metric."""
    gauges = {"gpu:0/sm_activity": lambda now: first * now}
    if second is not None:
        gauges["gpu:1/sm_activity"] = lambda now: second * now
    return told_of(seconds, {"steal_s": still}, gauges, gpus=["gpu:0", "gpu:1"], **of_header)


def test_the_share_of_a_slot_is_the_mean_of_its_gpus_and_the_largest_of_their_maxima():
    told = two_gpus(0.1, 0.2)
    assert told.phases["train"]["sm_activity"] == Summary(
        mean=pytest.approx(0.375), p95=pytest.approx(0.8), max=pytest.approx(0.8), samples=4
    )
    assert told.devices["gpu:1"].phases["train"]["sm_activity"].mean == pytest.approx(0.5)


def test_a_share_that_one_gpu_lacks_is_none_of_the_slot_and_each_has_its_reason():
    old = {"gpu:0/fp16_activity": "too old", "gpu:1/fp16_activity": "no GPM", "gpu:1/sm_activity": "lost"}
    told = two_gpus(0.1, None, unavailable=old)
    assert "sm_activity" not in told.phases["train"]
    assert told.unavailable["sm_activity"] == "gpu:1: lost"
    assert told.unavailable["fp16_activity"] == "gpu:0: too old; gpu:1: no GPM"
    assert told.devices["gpu:0"].unavailable == {
        "fp16_activity": "too old",
        "gpu_process_memory_bytes": "the driver lists no process of the trial (in a container it may know them "
        "by other numbers)",
    }


def test_on_a_processor_only_what_utilization_needs_is_explained():
    told = told_of(4, {"steal_s": still}, {})
    wanted = ("gpu_utilization", "tensor_activity", "fp32_activity")
    assert told.unavailable == dict.fromkeys(wanted, "the trial ran on the processor")


@pytest.mark.parametrize(("lengths", "mean"), [((2.0,), 0.5), ((1.0, 2.0), 0.5), ((1.0, 1.0), None)])
def test_the_longest_span_of_a_phase_decides_whether_nvml_can_have_averaged(lengths, mean: float | None):
    events, now = [], SPAWNED
    for seconds in lengths:
        events += [began(now, "evaluate"), over(now := now + round(seconds * SECOND), "evaluate")]
    gauges = {"gpu:0/power_w": lambda now: 0.5, "gpu:0/sm_clock_mhz": lambda now: 0.5}
    told = told_of(sum(lengths), {"steal_s": still}, gauges, events, gpus=["gpu:0"])
    found = told.devices["gpu:0"].phases["evaluate"]
    assert found["power_w"] == Summary(mean=mean, p95=mean, max=0.5, samples=round(sum(lengths)))
    assert found["sm_clock_mhz"].p95 == 0.5


def test_the_clock_of_the_reference_work_is_that_of_the_first_gpu():
    gauges = {"gpu:0/sm_clock_mhz": lambda now: 100.0, "gpu:1/sm_clock_mhz": lambda now: 900.0}
    lines = made_trace(4, {"steal_s": still}, gauges, 1.0, gpus=["gpu:0", "gpu:1"])
    trace = parse_trace(map(json.dumps, lines))
    assert clocks_of(trace, [(SPAWNED, SPAWNED + 4 * SECOND)]) == [100.0]
