"""From lines of telemetry and the events of phases to what a record says."""

import json

import pytest
from msgspec.structs import replace
from telemetry_equipment import SECOND, SPAWNED, made_trace, phases

from bench.journal import history
from bench.journal.events import Ended, PhaseStarted, TelemetryOff
from bench.journal.results import Attempt
from bench.records import telemetry
from bench.records.energy import energy_of, shares_missing
from bench.records.summary import Stretch, _add_shares_of_all, _Told, spans_of, summarize
from bench.records.telemetry import missing_of, telemetry_of
from bench.telemetry.trace import parse_trace, read_trace
from bench.trials.measured import DeviceTelemetry, Energy, Summary
from bench.trials.phases import Phases, TrainPhase


def stretch(lines: list[dict], events: list[dict]) -> Stretch:
    trace = parse_trace(map(json.dumps, lines))
    assert trace is not None
    return Stretch(trace, spans_of(events))


def test_every_phase_has_its_own_summary_and_train_comes_first():
    events = phases(startup=2, train=10, evaluate=4)
    gauges = {"rss_bytes": lambda now: 1000.0 if now <= 2 else 3000.0 if now <= 12 else 2000.0}
    told = summarize([stretch(made_trace(16, {"steal_s": lambda now: 0.0}, gauges), events)])
    assert list(told.phases) == ["train", "evaluate", "startup"]
    assert [one["rss_bytes"].mean for one in told.phases.values()] == [3000, 2000, 1000]
    assert told.phases["train"]["rss_bytes"].samples == 100


def test_mean_p95_and_maximum():
    # 100 samples of 1 to 100.
    gauges = {"rss_bytes": lambda now: round(now * 10)}
    told = summarize([stretch(made_trace(10, {"steal_s": lambda now: 0.0}, gauges), phases(train=10))])
    assert told.phases["train"]["rss_bytes"] == Summary(mean=50.5, p95=95, max=100, samples=100)


def test_a_line_of_many_samples_weighs_as_many_and_keeps_its_maximum():
    lines = made_trace(1, {"steal_s": lambda now: 0.0}, {"rss_bytes": lambda now: 10.0})
    wide = {"t": SPAWNED + 3 * SECOND, "n": 90, "c": [0.0], "g": [20.0], "m": [77.0]}
    told = summarize([stretch([*lines, wide], phases(train=3))])
    assert told.phases["train"]["rss_bytes"] == Summary(mean=19.0, p95=20.0, max=77.0, samples=100)
    assert told.longest_line_s == pytest.approx(9.0)


def test_counters_are_taken_at_the_edges_between_two_samples():
    # 3 seconds of processor time a second in `train`, which begins and ends between samples; 1 before it.
    def used(now: float) -> float:
        return now if now <= 2.5 else 2.5 + 3 * (now - 2.5)

    lines = made_trace(10, {"cpu_s": used, "run_queue_wait_s": lambda now: now / 2}, {}, interval_s=1.0)
    edge = {"event": "edge", "t": SPAWNED + round(2.5 * SECOND), "at": [], "c": [used(2.5), 1.25]}
    lines.insert(4, edge)  # after the sample at 2 s
    told = summarize([stretch(lines, phases(data=2.5, train=4.25))])
    assert told.counters["train"] == {
        "cpu_s": pytest.approx(3 * 4.25),
        "run_queue_wait_s": pytest.approx(2.125),
    }
    assert told.counters["data"]["cpu_s"] == pytest.approx(2.5)
    train = told.phases["train"]
    assert train["cpu_percent"].mean == pytest.approx(300)
    assert train["cpu_utilization"].mean == pytest.approx(1.5)  # of two cores
    assert train["run_queue_wait"].mean == pytest.approx(2.125 / (2.125 + 12.75), rel=1e-5)


def test_no_maximum_of_samples_is_below_the_mean_of_the_counters():
    # Short of a sample at its peak, the counters still tell of all that was waited.
    counters = {"cpu_s": lambda now: 0.2 * now, "run_queue_wait_s": lambda now: 0.8 * now}
    lines = made_trace(2, counters, {"run_queue_wait": lambda now: 0.76}, interval_s=1.0)
    told = summarize([stretch(lines, phases(train=2))])
    waited = told.phases["train"]["run_queue_wait"]
    assert waited == Summary(mean=0.8, p95=0.76, max=0.8, samples=2)


def test_what_was_not_watched_is_missing_and_never_0():
    trace = made_trace(5, {"cpu_s": lambda now: now}, {"rss_bytes": lambda now: 1.0}, killed=True)
    told = summarize([stretch(trace, phases(data=4, train=60, evaluate=5))])
    assert told.counters == {"train": {}, "evaluate": {}, "data": {"cpu_s": 4.0}}
    assert told.phases["evaluate"] == {}
    assert told.phases["train"]["rss_bytes"].samples == 10
    assert "the sampler ended before the trial did" in told.unavailable["telemetry"]
    assert told.sampler.cpu_s is None


def test_what_a_device_lacks_has_its_reason():
    trace = made_trace(
        2,
        {"gpu:0/energy_j": lambda now: 0.0},
        {"gpu:0/power_w": lambda now: 5.0},
        gpus=["gpu:0"],
        unavailable={"gpu:0/sm_activity": "too old", "cpu_pressure": "hidden"},
    )
    trace.insert(-1, {"event": "unavailable", "t": 0, "metrics": {"gpu:0/power_w": "the GPU is lost"}})
    told = summarize([stretch(trace, phases(train=2))])
    assert told.unavailable["cpu_pressure"] == "hidden"
    assert told.unavailable["sm_activity"] == "gpu:0: too old"
    device = told.devices["gpu:0"]
    assert device.unavailable["sm_activity"] == "too old"
    assert device.unavailable["power_w"] == "the GPU is lost"
    assert device.phases["train"]["power_w"].mean == 5.0, "what was seen before that stays"
    assert "gpu_process_memory_bytes" in device.unavailable


def test_a_resumed_trial_adds_up_both_attempts():
    first = stretch(
        made_trace(10, {"cpu_s": lambda now: now}, {"rss_bytes": lambda now: 10.0}), phases(train=10)
    )
    second = stretch(
        made_trace(5, {"cpu_s": lambda now: 2 * now}, {"rss_bytes": lambda now: 40.0}), phases(train=5)
    )
    told = summarize([first, second])
    assert told.counters["train"]["cpu_s"] == pytest.approx(20)
    assert told.phases["train"]["rss_bytes"].mean == pytest.approx(20)
    assert told.phases["train"]["cpu_percent"].mean == pytest.approx(100 * 20 / 15, rel=1e-5)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"t": 5', b'{"t": "x", "n": 1, "c": [1], "g": [2]}\n', b"[1]\n\xff\n"]
)
def test_a_torn_or_damaged_file_costs_only_what_is_damaged(tmp_path, damage):
    path = tmp_path / "telemetry.jsonl"
    lines = made_trace(2, {"cpu_s": lambda now: now}, {"rss_bytes": lambda now: 7.0})
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines[:-1]) + damage)
    told = summarize([Stretch(read_trace(path), spans_of(phases(train=2)))])
    assert told.phases["train"]["rss_bytes"].mean == 7.0


def test_a_file_without_a_header_is_no_trace(tmp_path):
    (tmp_path / "telemetry.jsonl").write_bytes(b'{"t": 1, "n": 1, "c": [], "g": []}\n')
    assert read_trace(tmp_path / "telemetry.jsonl") is None
    assert read_trace(tmp_path / "missing") is None
    assert summarize([]) is None


TRAINED = Phases(train=TrainPhase(wall_s=10.0, cpu_s=10.0, images=400))


def energy(lines: list[dict], events: list) -> tuple[Energy, str]:
    one = stretch(lines, events)
    return energy_of(summarize([one]), [one.trace], TRAINED)


def test_energy_of_a_trial_and_an_image():
    counters = {
        f"gpu:{gpu}/energy_j": lambda now, watts=watts: 1e6 + watts * now
        for gpu, watts in ((0, 200), (1, 100))
    }
    methods = {f"gpu:{gpu}/energy_j": "the GPU's energy counter" for gpu in (0, 1)}
    lines = made_trace(20, counters, {}, gpus=["gpu:0", "gpu:1"], methods=methods)
    lines[0]["gauges"] = ["rss_bytes"]
    figures, reason = energy(lines, phases(startup=5, train=10, evaluate=5))
    assert reason == ""
    assert figures.trial_j == pytest.approx(6000)
    assert figures.train_j == pytest.approx(3000)
    assert figures.image_j == pytest.approx(7.5)
    assert figures.method == "the GPU's energy counter"


def test_what_is_not_shared_out_has_a_reason():
    whole = Energy(trial_j=9.0, train_j=5.0, image_j=1.0, method="x")
    assert shares_missing(whole) == {}
    none = replace(whole, image_j=None)
    assert shares_missing(none) == {"image_j": "nothing was trained on images in steps"}
    seldom = shares_missing(replace(none, train_j=None))
    assert seldom["train_j"] == seldom["image_j"] == "the sampler read it too seldom while training"


def on_gpu(number: int, watts: float, seconds: float) -> Stretch:
    name = f"gpu:{number}/energy_j"
    header = {"gpus": [f"gpu:{number}"], "methods": {name: "the GPU's energy counter"}}
    lines = made_trace(seconds, {name: lambda now: watts * now}, {"rss_bytes": lambda now: 1.0}, **header)
    return stretch(lines, phases(train=seconds))


def test_a_trial_that_goes_on_on_another_gpu_has_the_energy_of_both():
    both = [on_gpu(0, 100.0, 10), on_gpu(1, 50.0, 4)]
    trained = Phases(train=TrainPhase(wall_s=14.0, cpu_s=14.0, images=100))
    figures, reason = energy_of(summarize(both), [one.trace for one in both], trained)
    assert (figures.trial_j, figures.train_j, reason) == (pytest.approx(1200), pytest.approx(1200), "")
    assert figures.image_j == pytest.approx(12)


def test_the_energy_of_a_trial_that_was_watched_in_part_is_unknown():
    half = [on_gpu(0, 100.0, 10)]
    figures, reason = energy_of(summarize(half, unwatched=True), [half[0].trace], TRAINED)
    assert figures.trial_j is None and "was not watched" in reason


def test_energy_that_a_gpu_does_not_tell_is_a_reason():
    lines = made_trace(
        5, {"cpu_s": lambda now: now}, {"rss_bytes": lambda now: 1.0}, gpus=["gpu:0"],
        unavailable={"gpu:0/energy_j": "this GPU or its driver does not support it"},
    )  # fmt: skip
    figures, reason = energy(lines, phases(train=5))
    assert figures == Energy()
    assert reason == "gpu:0: this GPU or its driver does not support it"
    on_cpu = energy(
        made_trace(5, {"cpu_s": lambda now: now}, {"rss_bytes": lambda now: 1.0}), phases(train=5)
    )
    assert "processor" in on_cpu[1]


def test_phases_that_are_shorter_than_what_nvml_averages_over_have_no_mean_of_it():
    gauges = {f"gpu:0/{name}": lambda now: 0.5 for name in ("gpu_utilization", "power_w", "sm_clock_mhz")}
    lines = made_trace(12, {"steal_s": lambda now: 0.0}, gauges, gpus=["gpu:0"])
    told = summarize([stretch(lines, phases(compile=1.0, train=3.0, evaluate=1.9))])
    seen = told.devices["gpu:0"].phases
    assert [seen[name]["gpu_utilization"].mean for name in ("compile", "train", "evaluate")] == [
        None,
        0.5,
        None,
    ]
    assert [seen[name]["power_w"].mean for name in ("compile", "train")] == [None, 0.5]
    assert seen["compile"]["sm_clock_mhz"].mean == 0.5, "a clock is of the moment"
    assert told.phases["compile"]["gpu_utilization"].mean is None
    assert told.phases["train"]["gpu_utilization"].mean == 0.5


@pytest.mark.parametrize(("final", "seconds"), [(True, 12), (False, 10)])
def test_a_phase_that_was_cut_short_lasts_until_the_worker_is_gone(tmp_path, final: bool, seconds: int):
    """Of an attempt that another one continues what counts ends with its last event."""
    attempt = Attempt(tmp_path / "attempt-1")
    attempt.folder.mkdir()
    lines = made_trace(12, {"cpu_s": lambda now: 2 * now}, {"rss_bytes": lambda now: 1.0})
    attempt.telemetry.write_text("".join(json.dumps(line) + "\n" for line in lines))
    events = [
        *phases(startup=2),
        PhaseStarted(t=SPAWNED + 2 * SECOND, phase="train"),
        PhaseStarted(t=SPAWNED + 10 * SECOND, phase="evaluate"),
    ]
    gone = [Ended(t=SPAWNED + 12 * SECOND, exit_code=-9, cpu_s=24.0)]
    cut = history.Stretch(attempt, None, events, runner=gone)
    later = history.Stretch(Attempt(tmp_path / "attempt-2"), None, [])
    told, traces = telemetry_of([cut] if final else [cut, later])
    assert told.counters["train"]["cpu_s"] == pytest.approx(2 * (seconds - 2))
    assert len(traces) == 1
    lacks = "an attempt that the trial continued was not watched"
    assert told.unavailable.get("telemetry") == (None if final else lacks)


def test_calm_times_are_those_of_all_attempts_each_by_its_own_trace(monkeypatch):
    monkeypatch.setattr(telemetry, "seconds_of", lambda trace, spans: [(trace, span) for span in spans])
    monkeypatch.setattr(telemetry, "contention", lambda readings: readings or None)
    one, other = (
        Stretch("a", {"train": [(0, 1)], "save": [(1, 2)]}),
        Stretch("b", {"train": [(5, 6), (7, 8)]}),
    )
    assert telemetry._contention([one, other]) == {"train": [("a", (0, 1)), ("b", (5, 6)), ("b", (7, 8))]}


@pytest.mark.parametrize("name", ["cpu_s", "gpu_s", "steal_s", "foreign_s"])
def test_a_counter_that_falls_was_set_back_but_the_time_of_others_is_a_difference(name: str):
    told = summarize([stretch(made_trace(4, {name: lambda now: -0.5 * now}, {}), phases(train=4))])
    assert told.counters["train"] == ({"foreign_s": 0.0} if name == "foreign_s" else {})


@pytest.mark.parametrize(
    ("events", "runner", "why"),
    [
        ([], [], "the worker never began"),
        (phases(startup=1), [], "nothing was sampled, or the file is damaged"),
        ([], [TelemetryOff(t=0, off="it is switched off")], "it is switched off"),
    ],
)
def test_why_there_is_no_telemetry(tmp_path, events, runner, why: str):
    one = history.Stretch(Attempt(tmp_path / "attempt-1"), None, events, runner=runner)
    told, traces = telemetry_of([one])
    assert (told, traces, missing_of(told, one)) == (None, [], {"telemetry": why})


def test_what_telemetry_lacks_is_said_of_each_gpu(tmp_path):
    one = history.Stretch(Attempt(tmp_path / "attempt-1"), None, [])
    lines = made_trace(
        3,
        {"steal_s": lambda now: 0.0},
        {},
        gpus=["gpu:0"],
        unavailable={"gpu:0/sm_activity": "old", "x": "y"},
    )
    found = missing_of(summarize([stretch(lines, phases(train=3))]), one)
    assert found["gpu:0 sm_activity"] == "old" and found["x"] == "y" and "sm_activity" not in found
    bare = missing_of(
        summarize([stretch(made_trace(3, {"steal_s": lambda now: 0.0}, {}), phases(train=3))]), one
    )
    assert bare["gpu_utilization"] == "the trial ran on the processor"


def test_the_counters_of_a_trial_begin_with_its_first_event(tmp_path):
    """The sampler starts later than the worker."""
    lines = made_trace(2, {"cpu_s": lambda now: 3.0 + now}, {})
    attempt = Attempt(tmp_path)
    attempt.telemetry.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    events = [
        PhaseStarted(t=SPAWNED + late * SECOND, phase=name) for late, name in ((-2, "startup"), (-1, "data"))
    ]
    _, (trace,) = telemetry_of([history.Stretch(attempt, None, events)])
    series = trace.counters["cpu_s"]
    assert (series.times[:2], series.values[:2]) == ([SPAWNED - 2 * SECOND, SPAWNED], [0.0, 3.0])


def test_a_phase_of_no_length_has_counts_and_no_rates():
    lines = made_trace(4, {"cpu_s": lambda now: now}, {"cpu_percent": lambda now: 9.0})
    told = summarize([stretch(lines, phases(data=0.0, train=4))])
    assert told.phases["data"] == {} and told.counters["data"] == {"cpu_s": 0.0}
    assert told.phases["train"]["cpu_percent"].mean == 100.0


def test_of_several_attempts_the_last_one_says_how_it_was_sampled():
    def watched(interval_s: float, cores: int, method: str) -> Stretch:
        about = {
            "gpus": ["gpu:0"],
            "methods": {"gpu:0/energy_j": method},
            "cores": {"slot": cores, "machine": 8},
        }
        return stretch(
            made_trace(2, {"gpu:0/energy_j": lambda now: now}, {}, interval_s, **about), phases(train=2)
        )

    told = summarize([watched(0.125, 2, "integrated"), watched(0.25, 4, "a counter")])
    assert (told.interval_s, told.cores, told.longest_line_s) == (0.25, 4, 0.25)
    assert told.devices["gpu:0"].methods == {"energy_j": "a counter"}


def test_shares_of_a_slot_are_means_over_its_gpus_and_the_largest_of_their_largest():
    one, other = (
        Summary(mean=a, p95=b, max=c, samples=n) for a, b, c, n in ((0.2, 0.5, 0.6, 3), (0.4, 0.3, 0.9, 5))
    )
    short = replace(other, mean=None, p95=None)
    seen = [
        {"gpu_utilization": one, "sm_activity": one, "fp16_activity": one},
        {"gpu_utilization": other, "sm_activity": short, "tensor_activity": other},
    ]
    devices = {f"gpu:{number}": DeviceTelemetry(phases={"train": known}) for number, known in enumerate(seen)}
    host = _Told({"train": {}, "data": {}}, {}, {})
    _add_shares_of_all(host, devices)
    both = Summary(mean=0.3, p95=0.5, max=0.9, samples=3)
    assert host.phases == {
        "train": {"gpu_utilization": both, "sm_activity": replace(both, mean=None, p95=None)},
        "data": {},
    }
    assert host.unavailable == {}
