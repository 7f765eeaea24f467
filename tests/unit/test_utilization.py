"""Utilization, work and memory of a record: which reason is told, and what counts where a part is missing."""

import pytest
from equipment.results.records import phases, some_telemetry
from msgspec.structs import replace

from bench.journal.events import MemoryTold, PeakTold
from bench.records.flops import memory_of, whole_rate
from bench.records.utilization import Device, Rates, bandwidth_share, precision_of, utilization_of
from bench.trials.measured import Growth, StepMemory, Summary, Work
from bench.trials.origin import Environment, SlotDescription
from bench.trials.phases import DataPhase, Phases, TrainPhase
from bench.trials.settings import OptimizerSettings

CPU = SlotDescription(name="cpu:0", kind="cpu", model="AMD EPYC")
GPU = SlotDescription(name="gpu:0", kind="gpu", model="NVIDIA A100-SXM4-40GB")
NOT_CALIBRATED = "this device was not measured: leukobench doctor --calibrate"
BUSY_MACHINE = "measured on a busy machine (a build): leukobench doctor --calibrate"


def a_peak(**told) -> PeakTold:
    return PeakTold(t=0, tensorflow="2.21.0", **{"rates": {"float32": 1e12}, "unavailable": {}, **told})


@pytest.mark.parametrize(
    ("work", "step_s", "device", "reason"),
    [
        (None, 1.0, Device(CPU, peak=a_peak(bandwidth=1e9)), "no step was timed"),
        (Work(parameters=5), 1.0, Device(CPU, peak=a_peak(bandwidth=1e9)), "no step was timed"),
        (Work(trainable_parameters=5), None, Device(CPU, peak=a_peak(bandwidth=1e9)), "no step was timed"),
        (Work(trainable_parameters=5), 1.0, Device(CPU), NOT_CALIBRATED),
        (Work(trainable_parameters=5), 1.0, Device(CPU, peak=a_peak()), NOT_CALIBRATED),
        (
            Work(trainable_parameters=5),
            1.0,
            Device(CPU, peak=a_peak(bandwidth=1e9, disturbed="a build")),
            f"it was {BUSY_MACHINE}",
        ),
        (
            Work(trainable_parameters=5),
            1.0,
            Device(replace(CPU, replicas=2), peak=a_peak(bandwidth=1e9)),
            "several devices update copies of the parameters",
        ),
    ],
)
def test_why_no_share_of_the_bandwidth_is_told(work, step_s, device: Device, reason: str):
    optimizer = OptimizerSettings(name="SGD", learning_rate=1e-5, decay=0.0)
    assert bandwidth_share(optimizer, work, step_s, device) == (None, reason)


def test_without_a_slot_the_bandwidth_is_of_one_device():
    optimizer = OptimizerSettings(name="SGD", learning_rate=1e-5, decay=0.0)
    found = bandwidth_share(
        optimizer, Work(trainable_parameters=10), 2.0, Device(None, peak=a_peak(bandwidth=8.0))
    )
    assert found == (80 / 2 / 8, "")


def seen(**means: float | None):
    return some_telemetry(phases={"train": {name: Summary(mean=mean) for name, mean in means.items()}})


WORK = Work(training_flops=2_000_000_000)
KNOWN = Environment(tensorfloat32=False)
FULL = Device(GPU, KNOWN, seen(gpu_utilization=0.5, fp32_activity=0.1, tensor_activity=0.2), a_peak())
STAGES = "the two stages of fine-tuning differ in work, and the rate is of both"
TOO_SHORT = "training took less than 2 s, too short for what NVML averages"
UNKNOWN = "whether it computed in float32 or in tensorfloat32 is not known"


@pytest.mark.parametrize(
    ("work", "rates", "changes", "reasons"),
    [
        (WORK, Rates(10.0, 9.0), {}, {}),
        (
            None,
            Rates(10.0, 9.0),
            {},
            dict.fromkeys(
                ("model_flops_per_s", "of_measured_peak", "of_datasheet_peak_busy"),
                "the work of a training step is not known",
            ),
        ),
        (
            WORK,
            Rates(None, 9.0),
            {},
            dict.fromkeys(("model_flops_per_s", "of_measured_peak", "of_datasheet_peak_busy"),
                          "no rate of training was measured"),
        ),
        (
            WORK,
            Rates(10.0, None),
            {},
            {"of_datasheet_peak_busy": "how many images the whole of training took is not known"},
        ),
        (WORK, Rates(10.0, 9.0, steady=True, two_stages=True), {}, {"of_datasheet_peak_busy": STAGES}),
        (
            WORK,
            Rates(10.0, 9.0, two_stages=True),
            {},
            dict.fromkeys(("model_flops_per_s", "of_measured_peak", "of_datasheet_peak_busy"), STAGES),
        ),
        (WORK, Rates(10.0, 9.0), {"peak": None}, {"of_measured_peak": NOT_CALIBRATED}),
        (
            WORK,
            Rates(10.0, 9.0),
            {"peak": a_peak(disturbed="a build")},
            {"of_measured_peak": f"its peak was {BUSY_MACHINE}"},
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"peak": a_peak(rates={"float16": 1.0})},
            {"of_measured_peak": "float32 was not measured"},
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"environment": None},
            dict.fromkeys(("of_measured_peak", "of_datasheet_peak_busy"), UNKNOWN),
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"environment": Environment(tensorfloat32="unavailable: the GPUs differ")},
            dict.fromkeys(("of_measured_peak", "of_datasheet_peak_busy"), f"{UNKNOWN}: the GPUs differ"),
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"slot": replace(GPU, model="NVIDIA Z9")},
            {"of_datasheet_peak_busy": "the datasheet's peak of NVIDIA Z9 is not in the table"},
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"telemetry": seen(gpu_utilization=0.0, fp32_activity=0.0, tensor_activity=0.0)},
            {"of_datasheet_peak_busy": "the GPU is said never to have been busy"},
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"telemetry": seen(gpu_utilization=None, fp32_activity=0.1)},
            {"of_datasheet_peak_busy": TOO_SHORT, "gpm_tensor": "it was not sampled while training"},
        ),
        (
            WORK,
            Rates(10.0, 9.0),
            {"environment": Environment(precision="float64"), "peak": a_peak(rates={"float64": 1.0})},
            {
                "of_datasheet_peak_busy": "the table of datasheets has no peak in float64 of "
                "NVIDIA A100-SXM4-40GB"
            },
        ),
    ],
)  # fmt: skip
def test_every_figure_of_utilization_that_is_missing_has_the_one_reason(work, rates, changes, reasons):
    of = {name: getattr(FULL, name) for name in ("slot", "environment", "telemetry", "peak")}
    found, told = utilization_of(work, rates, Device(**{**of, **changes}))
    assert told == reasons
    assert {name for name in told if getattr(found, name) is None} == set(told)
    if not reasons:
        assert (found.model_flops_per_s, found.of_measured_peak) == (2e10, pytest.approx(0.02))
        assert found.of_datasheet_peak_busy == pytest.approx(2e9 * 9 / (19.5e12 * 0.5))
        assert (found.gpm_fp32, found.gpm_tensor) == (0.1, 0.2)


def test_on_a_processor_products_are_of_float32_or_of_the_policy():
    assert precision_of(Device(CPU)) == precision_of(Device(None)) == ("float32", "")
    assert precision_of(Device(CPU, Environment(precision="mixed_float16"))) == ("float16", "")
    assert precision_of(Device(CPU, Environment(tensorfloat32=True))) == ("float32", "")


TRAIN = TrainPhase(wall_s=10.0, cpu_s=10.0, images=100)
BOTH = Work(trained_forward_flops=20, training_flops=60)


@pytest.mark.parametrize(
    ("of", "work", "rate"),
    [
        (Phases(train=TRAIN), BOTH, 10.0),
        (Phases(train=TRAIN, data=DataPhase(wall_s=1.0, cpu_s=1.0)), BOTH, 10.0),
        (Phases(train=TRAIN, data=DataPhase(wall_s=1.0, cpu_s=1.0, validation_images=15)), BOTH, 11.0),
        (Phases(), BOTH, None),
        (phases(train=10.0), BOTH, None),
        (Phases(train=replace(TRAIN, images=0)), BOTH, None),
        (Phases(train=replace(TRAIN, wall_s=0.0)), BOTH, None),
        (Phases(train=TRAIN), None, None),
        (Phases(train=TRAIN), Work(training_flops=60), None),
        (Phases(train=TRAIN), Work(trained_forward_flops=20), None),
        (Phases(train=TRAIN), Work(trained_forward_flops=20, training_flops=0), None),
    ],
)
def test_the_rate_of_the_whole_of_training_needs_images_seconds_and_work(of, work, rate: float | None):
    assert whole_rate(of, 2, work) == rate


ANALYTIC = StepMemory(
    **dict.fromkeys(("weights", "gradients", "optimizer", "feature_maps", "workspace", "total"), 10),
    allocated=100,
    kept_feature_maps=20,
)


@pytest.mark.parametrize(
    ("analytic", "peak", "residual"),
    [(ANALYTIC, 104, 4), (ANALYTIC, 97, -3), (ANALYTIC, None, None), (None, 104, None), (None, None, None)],
)
def test_a_residual_needs_both_figures(analytic, peak, residual):
    memory, _ = memory_of(MemoryTold(t=0, analytic=analytic, allocator_peak=peak), None)
    assert (memory.analytic, memory.allocator_peak, memory.residual) == (analytic, peak, residual)


def test_growth_of_host_and_device_stand_at_their_places():
    host, device = (
        Growth(mb_per_1000_steps=mb, low=0.0, high=9.0, base_bytes=1, steps=1, readings=20) for mb in (1, 2)
    )
    memory, _ = memory_of(MemoryTold(t=0), None, host, device)
    assert (memory.host_growth, memory.device_growth) == (host, device)


@pytest.mark.parametrize(
    ("gpus", "peak"),
    [
        ([], None),
        ([{"gpu_process_memory_bytes": 3.0, "gpu_memory_bytes": 7.0}], 3.0),
        ([{"gpu_process_memory_bytes": 3.0}, {"gpu_process_memory_bytes": 4.0}], 7.0),
        ([{"gpu_process_memory_bytes": 3.0, "gpu_memory_bytes": 7.0}, {"gpu_memory_bytes": 9.0}], 16.0),
        ([{"gpu_process_memory_bytes": 3.0}, {"gpu_memory_bytes": 9.0}], None),
        ([{"power_w": 3.0}], None),
    ],
)
def test_the_peak_of_a_slot_is_of_the_process_or_else_of_the_whole_gpus(gpus, peak: float | None):
    devices = {
        f"gpu:{number}": {"train": {name: Summary(max=most) for name, most in of.items()}}
        for number, of in enumerate(gpus)
    }
    memory, _ = memory_of(MemoryTold(t=0), some_telemetry(devices=devices))
    assert memory.device_peak == peak
    other = some_telemetry(devices={"gpu:0": {"data": {"gpu_memory_bytes": Summary(max=1.0)}}})
    assert memory_of(MemoryTold(t=0), other)[0].device_peak is None, "not while training"


def test_a_precision_is_told_with_a_share_alone():
    cpu = SlotDescription(name="cpu:0", kind="cpu", model="P")
    work, rates = Work(training_flops=6), Rates(steps=10.0)
    for peak, told in ((a_peak(rates={"float32": 120.0}), (0.5, "float32")), (None, (None, None))):
        found, _ = utilization_of(work, rates, Device(cpu, peak=peak))
        assert (found.of_measured_peak, found.measured_precision, found.datasheet_precision) == (*told, None)
