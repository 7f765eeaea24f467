"""How much of what a device could do a trial used. Pure functions; each figure is named for what it is.

Three ways, never mixed. `of_measured_peak`: the floating-point operations that the model needs, against what
matrix products reached on this device. `of_datasheet_peak_busy`: the same against the datasheet, over the
time in which the GPU was busy (FP32 utilisation of Zhu et al.: Benchmarking and Analyzing Deep Neural
Network Training, 2018). `gpm_fp32` and `gpm_tensor`: how busy the GPU itself says that these pipes were.
"""

from typing import Any

from bench.devices.datasheet import datasheet_of

Figures = dict[str, Any]

_OF_BOTH = "the two stages of fine-tuning differ in work, and the rate is of both"


def utilisation_of(
    work: Figures | None,
    rate: float | None,
    peak: Figures | None,
    environment: Figures | None,
    telemetry: Figures | None,
    slot: Figures | None,
    settings: Figures | None = None,
    whole_rate: float | None = None,
    steady: bool = False,
) -> tuple[Figures, dict[str, str]]:
    """Utilisation while a trial trained.

    Args:
        work: `work` of the record.
        rate: Images a second in training; None where unknown.
        peak: What was measured of the trial's device (`bench.machine.calibration.Peak`), or None.
        environment: `environment` of the record.
        telemetry: `telemetry` of the record.
        slot: `slot` of the record.
        settings: Of the trial.
        whole_rate: Images a second over the whole phase `train`, in which the GPU's own figures were sampled;
            an image of the validation counts as a third of one. None where unknown.
        steady: `rate` is of steady training, and so of the last stage alone.

    Returns:
        `model_flops_per_s`, `of_measured_peak`, `of_datasheet_peak_busy`, `gpm_fp32`, `gpm_tensor`, each a
        number or None, with `measured_precision` and `datasheet_precision`, in which the peak that was taken
        is; and for each that is None the reason.
    """
    reasons: dict[str, str] = {}
    two_stages = (settings or {}).get("mode") == "finetune" and bool((settings or {}).get("head_epochs"))
    found: Figures = {"model_flops_per_s": None}
    if not work or work.get("training_flops") is None:
        reasons["model_flops_per_s"] = "the work of a training step is not known"
    elif not rate:
        reasons["model_flops_per_s"] = "no rate of training was measured"
    elif two_stages and not steady:
        reasons["model_flops_per_s"] = _OF_BOTH
    else:
        found["model_flops_per_s"] = work["training_flops"] * rate
    flops = found["model_flops_per_s"]
    # Replicas on a processor share its cores, whose peak was measured together.
    devices = (slot or {}).get("replicas", 1) if (slot or {}).get("kind") == "gpu" else 1
    precision, unknown = precision_of(environment or {}, slot or {})

    found["of_measured_peak"], found["measured_precision"] = None, None
    if flops is None:
        reasons["of_measured_peak"] = reasons["model_flops_per_s"]
    elif not peak:
        reasons["of_measured_peak"] = "this device was not measured; `doctor --calibrate` measures it"
    elif precision is None:
        reasons["of_measured_peak"] = unknown
    elif precision not in peak["rates"]:
        reasons["of_measured_peak"] = peak["unavailable"].get(precision, f"{precision} was not measured")
    else:
        found["of_measured_peak"] = flops / (peak["rates"][precision] * devices)
        found["measured_precision"] = precision

    found["of_datasheet_peak_busy"], found["datasheet_precision"] = None, None
    executed = work["training_flops"] * whole_rate if work and flops is not None and whole_rate else None
    value, reason = _of_datasheet(executed, precision, unknown, telemetry, slot)
    if value is not None and two_stages:
        value, reason = None, _OF_BOTH
    if value is None:
        reasons["of_datasheet_peak_busy"] = reasons.get("model_flops_per_s", reason)
    else:
        found["of_datasheet_peak_busy"], found["datasheet_precision"] = value / devices, reason

    for name, metric in (("gpm_fp32", "fp32_activity"), ("gpm_tensor", "tensor_activity")):
        found[name], reason = _mean(telemetry, metric)
        if found[name] is None:
            reasons[name] = reason
    return found, reasons


def precision_of(environment: Figures, slot: Figures) -> tuple[str | None, str]:
    """In which format products are computed, or None and why that is not known.

    GPUs from Ampere on compute those of float32 numbers in TF32 where the framework lets them, up to eight
    times as fast: where it is not known whether it did, no peak is the right one.
    """
    policy = environment.get("precision", "float32").removeprefix("mixed_")
    if policy != "float32":
        return policy, ""
    if slot.get("kind") != "gpu":
        return "float32", ""
    said = environment.get("tensorfloat32")
    if isinstance(said, bool):
        return ("tensorfloat32" if said else "float32"), ""
    peaks = datasheet_of(slot.get("model", ""))
    if peaks is not None and "tensorfloat32" not in peaks:
        return "float32", ""
    why = f": {said.removeprefix('unavailable: ')}" if isinstance(said, str) else ""
    return None, f"whether it computed in float32 or in tensorfloat32 is not known{why}"


def _of_datasheet(
    flops: float | None, precision: str | None, unknown: str, telemetry: Figures | None, slot: Figures | None
) -> tuple[float | None, str]:
    """The share for one device, and the precision of the peak; or None, and why."""
    model = (slot or {}).get("model", "")
    if (slot or {}).get("kind") != "gpu":
        return None, "no datasheet gives a peak of processors"
    peaks = datasheet_of(model)
    if peaks is None:
        return None, f"the datasheet's peak of {model} is not in the table"
    busy, reason = _mean(telemetry, "gpu_utilisation")
    if busy is None:
        return None, reason
    if not busy:
        return None, "the GPU is said never to have been busy"
    if flops is None:
        return None, "how many images the whole of training took is not known"
    if precision is None:
        return None, unknown
    if precision not in peaks:
        return None, f"the table of datasheets has no peak in {precision} of {model}"
    return flops / (peaks[precision] * busy), precision


def _mean(telemetry: Figures | None, metric: str) -> tuple[float | None, str]:
    """The mean of a metric while a trial trained, or None and why there is none."""
    if not telemetry:
        return None, "there is no telemetry"
    summary = telemetry.get("phases", {}).get("train", {}).get(metric)
    if summary and summary.get("mean") is not None:
        return summary["mean"], ""
    return None, telemetry.get("unavailable", {}).get(metric, "it was not sampled while training")
