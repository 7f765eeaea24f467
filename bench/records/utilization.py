"""How much of what a device can do a trial used. Pure functions; each metric is named for what it is.

There are four kinds, never mixed. `of_measured_peak`: the floating-point operations that the model needs,
against what matrix products reached on this device. `of_datasheet_peak_busy`: the same against the datasheet,
over the time in which the GPU was busy (FP32 utilization of Zhu et al.: Benchmarking and Analyzing Deep Neural
Network Training, 2018). `of_measured_bandwidth`: the bytes that the optimizer must move in a
step of the head, against what was measured of the device's memory. `gpm_fp32` and `gpm_tensor`: how busy the
GPU itself says that these pipes were.
"""

from dataclasses import dataclass

from bench.devices.datasheet import datasheet_of
from bench.journal.events import PeakTold
from bench.records.summary import LEAST_S
from bench.trials.measured import Telemetry, Utilization, Work
from bench.trials.origin import Environment, SlotDescription
from bench.trials.settings import OptimizerSettings

_NOT_CALIBRATED = "this device was not measured: leukobench doctor --calibrate"

_STATES = {"RMSprop": 1, "Adagrad": 1, "Adadelta": 2, "Adam": 2, "AdamW": 2, "Nadam": 2, "Adamax": 2}
"""Optimizer -> numbers that it keeps for each parameter, without one for momentum."""

_NUMBER_BYTES = 4

_OF_BOTH = "the two stages of fine-tuning differ in work, and the rate is of both"


@dataclass(frozen=True)
class Rates:
    """Images a second in training; None where unknown."""

    steps: float | None
    """In the steady window, else after the first step."""
    whole: float | None = None
    """Over the whole phase `train`, in which the GPU's own metrics were sampled. An image of the validation
    counts as its share of the work, see `bench.records.flops.whole_rate`."""
    steady: bool = False
    """`steps` is of steady training, and so of the last stage alone."""
    two_stages: bool = False
    """Training had two stages, which differ in work."""


@dataclass(frozen=True)
class Device:
    """What a trial trained on, and what was seen of it."""

    slot: SlotDescription | None
    environment: Environment | None = None
    telemetry: Telemetry | None = None
    peak: PeakTold | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.slot is not None and self.slot.kind == "gpu"

    @property
    def count(self) -> int:
        """Devices with a peak of their own. Replicas on a processor share its cores, measured together."""
        return self.slot.replicas if self.slot is not None and self.on_gpu else 1

    @property
    def model(self) -> str:
        """Its name."""
        return self.slot.model if self.slot is not None else ""


def utilization_of(work: Work | None, rates: Rates, device: Device) -> tuple[Utilization, dict[str, str]]:
    """Utilization while a trial trained, and for each metric that is None the reason.

    Args:
        work: Of the record.
        rates: At which it trained.
        device: What it trained on.
    """
    reasons: dict[str, str] = {}
    flops, no_flops = _model_flops(work, rates)
    precision, unknown = precision_of(device)
    of_peak, no_peak = _of_measured_peak(flops, no_flops, device, precision, unknown)
    executed = None
    if flops is not None and work is not None and work.training_flops is not None and rates.whole:
        executed = work.training_flops * rates.whole
    of_datasheet, no_datasheet = _of_datasheet(executed, device, precision, unknown)
    if of_datasheet is not None and rates.two_stages:
        of_datasheet, no_datasheet = None, _OF_BOTH
    fp32, no_fp32 = _mean(device.telemetry, "fp32_activity")
    tensor, no_tensor = _mean(device.telemetry, "tensor_activity")
    for name, value, reason in (
        ("model_flops_per_s", flops, no_flops),
        ("of_measured_peak", of_peak, no_peak),
        ("of_datasheet_peak_busy", of_datasheet, no_flops or no_datasheet),
        ("gpm_fp32", fp32, no_fp32),
        ("gpm_tensor", tensor, no_tensor),
    ):
        if value is None:
            reasons[name] = reason
    found = Utilization(
        model_flops_per_s=flops,
        of_measured_peak=of_peak,
        measured_precision=None if of_peak is None else precision,
        of_datasheet_peak_busy=of_datasheet,
        datasheet_precision=None if of_datasheet is None else precision,
        gpm_fp32=fp32,
        gpm_tensor=tensor,
    )
    return found, reasons


def bandwidth_share(
    optimizer: OptimizerSettings, work: Work | None, step_s: float | None, device: Device
) -> tuple[float | None, str]:
    """The share of the memory's bandwidth that steps would take that only update the parameters, or None and why.

    Each parameter and what the optimizer keeps for it is read and written once: a step cannot move fewer bytes if the
    parameters do not fit the caches.

    Args:
        optimizer: Of the trial.
        work: Of the record.
        step_s: Seconds of a step.
        device: What it trained on.
    """
    if work is None or not work.trainable_parameters or not step_s:
        return None, "no step was timed"
    peak = device.peak
    if peak is None or peak.bandwidth is None:
        return None, _NOT_CALIBRATED
    if peak.disturbed:
        return None, f"it was measured on a busy machine ({peak.disturbed}): leukobench doctor --calibrate"
    if device.slot is not None and device.slot.replicas > 1:
        return None, "several devices update copies of the parameters"
    kept = 1 + _STATES.get(optimizer.name, 0) + bool(optimizer.momentum)
    moved = 2 * _NUMBER_BYTES * kept * work.trainable_parameters
    return moved / step_s / peak.bandwidth, ""


def precision_of(device: Device) -> tuple[str | None, str]:
    """In which format products are computed, or None and why that is not known.

    GPUs from Ampere on compute those of float32 numbers in TF32 where the framework lets them, up to eight
    times as fast: where it is not known whether it did, no peak is the right one.
    """
    environment = device.environment or Environment()
    policy = (environment.precision or "float32").removeprefix("mixed_")
    if policy != "float32":
        return policy, ""
    if not device.on_gpu:
        return "float32", ""
    told = environment.tensorfloat32
    if isinstance(told, bool):
        return ("tensorfloat32" if told else "float32"), ""
    peaks = datasheet_of(device.model)
    if peaks is not None and "tensorfloat32" not in peaks:
        return "float32", ""
    why = f": {told.removeprefix('unavailable: ')}" if told else ""
    return None, f"whether it computed in float32 or in tensorfloat32 is not known{why}"


def _model_flops(work: Work | None, rates: Rates) -> tuple[float | None, str]:
    """Floating-point operations a second that the model needed, or None and why."""
    if work is None or work.training_flops is None:
        return None, "the work of a training step is not known"
    if not rates.steps:
        return None, "no rate of training was measured"
    if rates.two_stages and not rates.steady:
        return None, _OF_BOTH
    return work.training_flops * rates.steps, ""


def _of_measured_peak(
    flops: float | None, no_flops: str, device: Device, precision: str | None, unknown: str
) -> tuple[float | None, str]:
    if flops is None:
        return None, no_flops
    peak = device.peak
    if peak is None:
        return None, _NOT_CALIBRATED
    if peak.disturbed:
        return (
            None,
            f"its peak was measured on a busy machine ({peak.disturbed}): leukobench doctor --calibrate",
        )
    if precision is None:
        return None, unknown
    if precision not in peak.rates:
        return None, peak.unavailable.get(precision, f"{precision} was not measured")
    return flops / (peak.rates[precision] * device.count), ""


def _of_datasheet(
    flops: float | None, device: Device, precision: str | None, unknown: str
) -> tuple[float | None, str]:
    """The share of the datasheet's peak while the device was busy, or None and why."""
    if not device.on_gpu:
        return None, "no datasheet gives a peak of processors"
    peaks = datasheet_of(device.model)
    if peaks is None:
        return None, f"the datasheet's peak of {device.model} is not in the table"
    busy, reason = _mean(device.telemetry, "gpu_utilization")
    if busy is None:
        return None, reason
    if not busy:
        return None, "the GPU is said never to have been busy"
    if flops is None:
        return None, "how many images the whole of training took is not known"
    if precision is None:
        return None, unknown
    if precision not in peaks:
        return None, f"the table of datasheets has no peak in {precision} of {device.model}"
    return flops / (peaks[precision] * busy * device.count), ""


def _mean(telemetry: Telemetry | None, metric: str) -> tuple[float | None, str]:
    """The mean of a metric while a trial trained, or None and why there is none."""
    if telemetry is None:
        return None, "there is no telemetry"
    summary = telemetry.phases.get("train", {}).get(metric)
    if summary is not None and summary.mean is not None:
        return summary.mean, ""
    if summary is not None:
        return None, f"training took less than {LEAST_S:g} s, too short for what NVML averages"
    return None, telemetry.unavailable.get(metric, "it was not sampled while training")
