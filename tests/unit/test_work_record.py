"""Work, memory and utilization in a record: figures and reasons."""

import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from equipment.results.records import a_trial, phases, some_telemetry, times
from msgspec.structs import replace

from bench.journal.events import MemoryTold, PeakTold, PhaseEnded
from bench.journal.results import SuiteResults
from bench.records.flops import memory_of, whole_rate, work_of
from bench.records.fold import _fit_time, _missing_peaks, _step_s, _throughput, fold
from bench.records.measured import reference_work_of
from bench.records.utilization import Device, Rates, bandwidth_share, utilization_of
from bench.trials.measured import Memory, StepMemory, Summary, Utilization, Work
from bench.trials.origin import Environment, SlotDescription
from bench.trials.phases import BuildPhase, DataPhase, FeaturesPhase, Phases, TrainPhase
from bench.trials.record import Record, Throughput
from bench.trials.settings import OptimizerSettings

WORK = Work(training_flops=2_000_000_000)


def a_peak(rates: dict[str, float], unavailable: dict[str, str] | None = None, **more) -> PeakTold:
    return PeakTold(t=0, tensorflow="2.21.0", rates=rates, unavailable=unavailable or {}, **more)


PEAK = a_peak({"float32": 1e12}, {"bfloat16": "no"})
BOTH = a_peak({"float32": 1e13, "tensorfloat32": 1e14})
CPU = SlotDescription(name="cpu:0", kind="cpu", model="AMD EPYC")
GPU = SlotDescription(name="gpu:0", kind="gpu", model="NVIDIA A100-SXM4-40GB")
BUSY = some_telemetry(
    phases={"train": {"gpu_utilization": Summary(mean=0.5), "fp32_activity": Summary(mean=0.02)}},
    unavailable={"tensor_activity": "no GPM"},
)
PLAIN, TF32 = Environment(tensorfloat32=False), Environment(tensorfloat32=True)


def test_the_share_of_what_was_measured():
    figures, reasons = utilization_of(WORK, Rates(100.0), Device(CPU, peak=PEAK))
    assert figures.model_flops_per_s == 2e11
    assert figures.of_measured_peak == pytest.approx(0.2)
    assert figures.measured_precision == "float32"
    assert figures.of_datasheet_peak_busy is None
    assert "processors" in reasons["of_datasheet_peak_busy"]
    assert reasons["gpm_fp32"] == reasons["gpm_tensor"] == "there is no telemetry"


def test_a_gpu_is_compared_with_the_format_that_tensorflow_computes_in():
    figures, reasons = utilization_of(WORK, Rates(1e3, 700.0), Device(GPU, TF32, BUSY, BOTH))
    assert figures.of_measured_peak == pytest.approx(2e12 / 1e14)
    # The GPU was busy for half of the whole phase, in which images were slower than in steady steps.
    assert figures.of_datasheet_peak_busy == pytest.approx(1.4e12 / (156e12 * 0.5))
    assert figures.measured_precision == figures.datasheet_precision == "tensorfloat32"
    assert (figures.gpm_fp32, figures.gpm_tensor) == (0.02, None)
    assert reasons["gpm_tensor"] == "no GPM"
    plain, _ = utilization_of(WORK, Rates(1e3, 1e3), Device(GPU, PLAIN, BUSY, BOTH))
    assert plain.of_measured_peak == pytest.approx(2e12 / 1e13)
    assert plain.of_datasheet_peak_busy == pytest.approx(2e12 / (19.5e12 * 0.5))


@pytest.mark.parametrize(
    "environment", [None, Environment(), Environment(tensorfloat32="unavailable: the GPUs differ")]
)
def test_without_knowing_the_format_no_share_of_a_gpu_is_told(environment: Environment | None):
    figures, reasons = utilization_of(WORK, Rates(1e3, 1e3), Device(GPU, environment, BUSY, BOTH))
    assert figures.model_flops_per_s == 2e12, "needs no peak"
    for name in ("of_measured_peak", "of_datasheet_peak_busy"):
        assert getattr(figures, name) is None
        assert "tensorfloat32 is not known" in reasons[name]
        assert ("GPUs differ" in reasons[name]) == bool(environment and environment.tensorfloat32)
    old = replace(GPU, model="NVIDIA GeForce GTX 1080 Ti")
    figures, _ = utilization_of(WORK, Rates(1e3, 1e3), Device(old, environment, BUSY, BOTH))
    assert figures.of_measured_peak == pytest.approx(2e12 / 1e13), "there TF32 does not exist"
    assert figures.of_datasheet_peak_busy == pytest.approx(2e12 / (11.3e12 * 0.5))


def test_a_peak_in_another_format_is_not_taken():
    figures, reasons = utilization_of(WORK, Rates(1e3), Device(GPU, TF32, BUSY, PEAK))
    assert figures.of_measured_peak is None
    assert reasons["of_measured_peak"] == "tensorfloat32 was not measured"
    half = Environment(tensorfloat32=True, precision="mixed_bfloat16")
    figures, reasons = utilization_of(WORK, Rates(1e3, 1e3), Device(GPU, half, BUSY, PEAK))
    assert reasons["of_measured_peak"] == "no"
    assert "bfloat16" in reasons["of_datasheet_peak_busy"]
    assert figures.measured_precision is figures.datasheet_precision is None


def test_two_gpus_could_do_twice_as_much():
    two = replace(GPU, model="2 x NVIDIA A100-SXM4-40GB", replicas=2)
    one, _ = utilization_of(WORK, Rates(100.0, 90.0), Device(GPU, PLAIN, BUSY, PEAK))
    both, _ = utilization_of(WORK, Rates(100.0, 90.0), Device(two, PLAIN, BUSY, PEAK))
    for name in ("of_measured_peak", "of_datasheet_peak_busy"):
        assert getattr(both, name) == pytest.approx(getattr(one, name) / 2)
    shared, _ = utilization_of(WORK, Rates(100.0), Device(replace(CPU, replicas=2), peak=PEAK))
    assert shared.of_measured_peak == pytest.approx(0.2), "replicas share a processor's cores"


def test_fine_tuning_has_a_rate_of_its_last_stage_where_that_is_steady():
    device = Device(GPU, PLAIN, BUSY, PEAK)
    both, reasons = utilization_of(WORK, Rates(100.0, 90.0, two_stages=True), device)
    assert both.model_flops_per_s is both.of_datasheet_peak_busy is None
    last, reasons = utilization_of(WORK, Rates(100.0, 90.0, steady=True, two_stages=True), device)
    assert last.of_measured_peak == pytest.approx(0.2)
    assert last.of_datasheet_peak_busy is None and "stages" in reasons["of_datasheet_peak_busy"]


@pytest.mark.parametrize(("forward", "share"), [(20, 1 / 3), (30, 1 / 2)], ids=["scratch", "head"])
def test_the_whole_of_training_counts_validation_as_its_share_of_the_work(forward: int, share: float):
    train = TrainPhase(wall_s=10.0, cpu_s=10.0, images=100)
    data = DataPhase(wall_s=1.0, cpu_s=1.0, validation_images=30)
    work = Work(trained_forward_flops=forward, training_flops=60)
    found = whole_rate(Phases(data=data, train=train), 2, work)
    assert found == pytest.approx((100 + 60 * share) / 10)
    assert whole_rate(phases(train=10.0), 2, work) is None
    assert whole_rate(Phases(data=data, train=train), 2, Work(forward_flops=20)) is None


@pytest.mark.parametrize(
    ("work", "rates", "changed", "missing", "word"),
    [
        (None, Rates(100.0, 90.0), {}, "model_flops_per_s", "work"),
        (WORK, Rates(None, 90.0), {}, "of_measured_peak", "rate"),
        (WORK, Rates(100.0, 90.0), {"peak": None}, "of_measured_peak", "--calibrate"),
        (WORK, Rates(100.0, 90.0), {"telemetry": None}, "of_datasheet_peak_busy", "telemetry"),
        (
            WORK,
            Rates(100.0, 90.0),
            {"slot": replace(GPU, model="NVIDIA Z9")},
            "of_datasheet_peak_busy",
            "Z9",
        ),
        (WORK, Rates(100.0, 90.0, two_stages=True), {}, "model_flops_per_s", "stages"),
        (
            WORK,
            Rates(100.0, 90.0),
            {"telemetry": some_telemetry(phases={"train": {"gpu_utilization": Summary(mean=0.0)}})},
            "of_datasheet_peak_busy",
            "busy",
        ),
    ],
)
def test_what_is_missing_has_a_reason_and_is_no_number(
    work: Work | None, rates: Rates, changed: dict, missing: str, word: str
):
    device = {"slot": GPU, "environment": None, "telemetry": BUSY, "peak": PEAK, **changed}
    figures, reasons = utilization_of(work, rates, Device(**device))
    assert getattr(figures, missing) is None
    assert word in reasons[missing]
    none = {name for name in Utilization.__struct_fields__ if getattr(figures, name) is None}
    assert none - set(reasons) <= {"measured_precision", "datasheet_precision", "of_measured_bandwidth"}


ANALYTIC = StepMemory(
    weights=50,
    gradients=10,
    optimizer=10,
    feature_maps=10,
    workspace=10,
    allocated=100,
    kept_feature_maps=20,
    total=90,
)


def test_memory_and_its_residual():
    event = MemoryTold(t=0, analytic=ANALYTIC, allocator_peak=104, process_peak=900)
    telemetry = some_telemetry(devices={"gpu:0": {"train": {"gpu_memory_bytes": Summary(max=7.0)}}})
    memory, reason = memory_of(event, telemetry)
    assert (memory.residual, memory.process_peak, memory.device_peak, reason) == (4, 900, 7, "")
    memory, reason = memory_of(MemoryTold(t=0, unavailable="only TensorFlow's", process_peak=900), None)
    assert (memory.analytic, memory.residual, memory.process_peak) == (None, None, 900)
    assert reason == "only TensorFlow's"
    assert memory_of(None, None)[0] is None


BUILT = {
    "parameters": 5,
    "trainable_parameters": 4,
    "layers": 3,
    "forward_macs": 1,
    "forward_flops": 2,
    "trained_forward_flops": 1,
    "training_flops": 6_000_000_000,
}


def folded(folder: Path, build: dict, *events: dict) -> Record:
    """The record of an attempt that trained 10 images a second for 10 s on a device that was measured."""
    attempt = SuiteResults(folder, "suite").new_attempt(a_trial("LeNet5"))
    seconds = {"build": (0, 1, build), "train": (1, 11, {"images": 100})}
    lines = list(events)
    for phase, (began, ended, figures) in seconds.items():
        lines += [{"t": began * 10**9, "event": "phase_started", "phase": phase}]
        lines += [{"t": ended * 10**9, "event": "phase_ended", "phase": phase, "figures": figures}]
    attempt.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    slot = msgspec.to_builtins(CPU)
    runner = [{"t": 0, "event": "started", "slot": slot}, {"event": "peak", **msgspec.to_builtins(PEAK)}]
    attempt.runner_events.write_text("".join(json.dumps(line) + "\n" for line in runner))
    return fold(attempt)


def test_a_record_gets_all_of_it(tmp_path: Path):
    found = folded(tmp_path / "one", BUILT)
    assert msgspec.to_builtins(found.work) == BUILT
    assert found.utilization.of_measured_peak == pytest.approx(6e10 / 1e12)
    assert found.unavailable == {
        "steady": "nothing was trained in steps whose times are in the journal",
        "time_to_accuracy": "training did not come to its end",
        "telemetry": "nothing was sampled, or the file is damaged",
        "energy": "the trial ran without telemetry",
        "memory": "the journal does not tell: training did not come to its end",
        "of_datasheet_peak_busy": "no datasheet gives a peak of processors",
        "gpm_fp32": "there is no telemetry",
        "gpm_tensor": "there is no telemetry",
    }
    blocks = [[0.4 * number, number, 1, 8, 0.4, 0.0] for number in range(20)]
    steady = {"t": 10**9, "event": "blocks", "stage": 0, "blocks": blocks}
    found = folded(tmp_path / "two", BUILT, steady)
    assert found.utilization.of_measured_peak == pytest.approx(2 * 6e10 / 1e12), "20 images/s when steady"


@pytest.mark.parametrize(
    ("optimizer", "numbers"),
    [
        ({"name": "RMSprop"}, 2),
        ({"name": "SGD", "momentum": 0.0}, 1),
        ({"name": "SGD", "momentum": 0.9}, 2),
        ({"name": "RMSprop", "momentum": 0.5}, 3),
        ({"name": "Adagrad"}, 2),
        *(({"name": name}, 3) for name in ("Adam", "AdamW", "Nadam", "Adamax", "Adadelta")),
        ({"name": "Own"}, 1),
    ],
)
def test_an_update_reads_and_writes_each_parameter_and_what_is_kept_for_it(optimizer, numbers):
    head = Work(trainable_parameters=1_000_000)
    device = Device(CPU, peak=a_peak({}, bandwidth=40e9))
    of = OptimizerSettings(learning_rate=1e-5, decay=0.0, **optimizer)
    assert bandwidth_share(of, head, 1e-3, device) == (pytest.approx(numbers * 8e6 / 1e-3 / 40e9), "")
    for without in (
        device,
        Device(CPU, peak=a_peak({})),
        Device(CPU, peak=a_peak({}, bandwidth=1.0, disturbed="busy")),
    ):
        step_s = None if without is device else 1e-3
        assert bandwidth_share(of, head, step_s, without)[0] is None
        assert bandwidth_share(of, head, step_s, without)[1]


def test_a_record_of_transfer_says_how_much_of_the_bandwidth_its_head_took(tmp_path: Path):
    optimizer = {"name": "RMSprop", "learning_rate": 1e-5, "decay": 1e-3}
    attempt = SuiteResults(tmp_path, "suite").new_attempt(
        a_trial("LeNet5", mode="transfer", optimizer=optimizer)
    )
    train = {"images": 1600, "steps": 100, "steps_s": 1.5, "data_wait_s": 0.5}
    lines = []
    for phase, figures in (("build", {**BUILT, "trainable_parameters": 5_000_000}), ("train", train)):
        lines += [{"t": 0, "event": "phase_started", "phase": phase}]
        lines += [{"t": 3 * 10**9, "event": "phase_ended", "phase": phase, "figures": figures}]
    attempt.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    peak = {"event": "peak", **msgspec.to_builtins(a_peak({}, bandwidth=40e9))}
    runner = [{"t": 0, "event": "started", "slot": msgspec.to_builtins(CPU)}, peak]
    attempt.runner_events.write_text("".join(json.dumps(line) + "\n" for line in runner))
    assert fold(attempt).utilization.of_measured_bandwidth == pytest.approx(16 * 5e6 / 0.02 / 40e9)


def test_classical_methods_and_odd_models():
    assert work_of(Phases()) == (None, "nothing was built yet")
    classical = BuildPhase(wall_s=1.0, cpu_s=1.0, parameters=7)
    assert work_of(Phases(build=classical)) == (None, "no network was built")
    odd = replace(classical, trainable_parameters=7, layers=1, work_unavailable="own is no graph")
    work, reason = work_of(Phases(build=odd))
    assert (work.parameters, work.training_flops, reason) == (7, None, "own is no graph")
    figures, _ = utilization_of(work, Rates(100.0), Device(CPU, peak=PEAK))
    assert figures.model_flops_per_s is None


def test_the_reference_work_is_compared_with_one_of_the_same_backend():
    events = [
        PhaseEnded(t=number, phase="reference_work", figures={"gflops": 90.0 + number}) for number in (0, 1)
    ]

    def reference(peak: PeakTold | None, environment: Environment | None) -> float | None:
        found, _ = reference_work_of(events, peak, environment)
        assert (found.before_gflops, found.after_gflops) == (90.0, 91.0)
        return found.reference_gflops

    peak = a_peak({}, reference_work_gflops=100.0)
    same = Environment(backend="tensorflow", tensorflow="2.21.0")
    assert reference(peak, same) == 100.0
    assert reference(peak, replace(same, tensorflow="2.16.2")) is None, "it may be slower by itself"
    assert reference(peak, replace(same, tensorflow="2.9.3")) is None
    for backend in ("jax", "torch", None):
        assert reference(peak, replace(same, backend=backend)) is None
    assert reference(peak, None) is None, "NumPy's is another"
    exactly = a_peak({}, reference_work_gflops=100.0, settings={"onednn": "on", "tensorfloat32": False})
    assert reference(exactly, replace(same, onednn="on", tensorfloat32=False)) == 100.0
    for other in ({"onednn": "off"}, {"onednn": "unset"}, {"tensorfloat32": True}, {"tensorfloat32": None}):
        assert reference(exactly, replace(same, **{"onednn": "on", "tensorfloat32": False, **other})) is None
    assert reference(None, same) is None
    busy = a_peak({}, reference_work_gflops=100.0, disturbed="others used 1 of 2 cores")
    assert reference(busy, same) is None, "a busy machine reaches less"


def test_a_peak_that_was_measured_on_a_busy_machine_is_no_peak():
    busy = replace(PEAK, disturbed="others used 1 of 2 cores")
    found, reasons = utilization_of(WORK, Rates(100.0, 90.0), Device(GPU, PLAIN, BUSY, busy))
    assert found.of_measured_peak is None and "others used" in reasons["of_measured_peak"]


@pytest.mark.parametrize(
    ("slot", "why"),
    [
        (CPU, "a trial on the processor"),
        (GPU, "it was not sampled while training"),
        (None, "a trial on the processor"),
    ],
)
def test_a_peak_of_memory_that_is_missing_has_its_reason(slot: SlotDescription | None, why: str):
    assert _missing_peaks(Memory(), slot) == {
        "process_peak": "the kernel did not tell it",
        "device_peak": why,
    }
    assert _missing_peaks(Memory(process_peak=0, device_peak=0.0), slot) == _missing_peaks(None, slot) == {}


@pytest.mark.parametrize(
    ("steady", "train", "expected"),
    [
        (0.5, {"steps": 4, "steps_s": 6.0}, 0.5),
        (None, {"steps": 4, "steps_s": 6.0, "data_wait_s": 2.0}, 2.0),
        (None, {"steps": 4, "steps_s": 6.0}, 1.5),
        (None, {"steps": 0, "steps_s": 6.0}, None),
        (None, {"steps": 4}, None),
        (None, None, None),
        (0.5, None, 0.5),
    ],
)
def test_a_step_takes_what_it_took_when_steady_or_on_average(steady, train, expected):
    of = None if train is None else TrainPhase(wall_s=9.0, cpu_s=9.0, **train)
    found = None if steady is None else SimpleNamespace(step_s=steady)
    assert _step_s(Phases(train=of), found) == expected


def test_rates_leave_out_what_is_no_training_and_features_of_others():
    train = TrainPhase(
        wall_s=20.0, cpu_s=0, images=80, validation_s=2.0, checkpoint_s=3.0, recompile_s=5.0, ending_s=1.0
    )
    own, found = (
        FeaturesPhase(wall_s=4.0, cpu_s=0, images=100, made_by=by) for by in (None, "other/attempt-1")
    )
    assert _throughput(Phases(train=train, features=own)) == Throughput(
        train_images_per_s=8.0, feature_images_per_s=25.0
    )
    none = Throughput(train_images_per_s=None, feature_images_per_s=None)
    assert _throughput(Phases(train=replace(train, images=0), features=found)) == none
    assert _throughput(Phases()) == none


def test_the_time_of_fitting_has_no_checkpoints():
    train = TrainPhase(wall_s=20.0, cpu_s=10.0, checkpoint_s=3.0, checkpoint_cpu_s=4.0)
    compiled = phases(compile=2.0).compile
    assert _fit_time(Phases(train=train, compile=compiled)) == times(19.0, 8.0)
    assert _fit_time(Phases(train=replace(train, checkpoint_cpu_s=40.0))) == times(17.0, 0.0)
    assert _fit_time(phases(compile=2.0, data=7.0)) == times(2.0, 2.0)
