"""How much of what a device could do a cell used. Pure functions; each figure is named for what it is.

Three ways, never mixed. `of_measured_peak`: the floating-point operations that the model needs, against what
matrix products reached on this device. `of_datasheet_peak_busy`: the same against the datasheet, over the
time in which the GPU was busy (FP32 utilisation of Zhu et al.: Benchmarking and Analyzing Deep Neural
Network Training, 2018). `gpm_fp32` and `gpm_tensor`: how busy the GPU itself says that these pipes were.
"""

from typing import Any

from bench.machine.datasheet import datasheet_of

Figures = dict[str, Any]


def utilisation_of(
    work: Figures | None,
    rate: float | None,
    peak: Figures | None,
    environment: Figures | None,
    telemetry: Figures | None,
    slot: Figures | None,
    settings: Figures | None = None,
) -> tuple[Figures, dict[str, str]]:
    """Utilisation while a cell trained.

    Args:
        work: `work` of the record.
        rate: Images a second in steady training; None where unknown.
        peak: What was measured of the cell's device (`bench.machine.calibration.Peak`), or None.
        environment: `environment` of the record.
        telemetry: `telemetry` of the record.
        slot: `slot` of the record.
        settings: Of the cell.

    Returns:
        `model_flops_per_s`, `of_measured_peak`, `of_datasheet_peak_busy`, `gpm_fp32`, `gpm_tensor`, each a
        number or None, with `measured_precision` and `datasheet_precision`, in which the peak that was taken
        is; and for each that is None the reason.
    """
    reasons: dict[str, str] = {}
    found: Figures = {"model_flops_per_s": None}
    if not work or work.get("training_flops") is None:
        reasons["model_flops_per_s"] = "the work of a training step is not known"
    elif not rate:
        reasons["model_flops_per_s"] = "no rate of training was measured"
    elif (settings or {}).get("mode") == "finetune" and (settings or {}).get("head_epochs"):
        reasons["model_flops_per_s"] = "the two stages of fine-tuning differ in work, and the rate is of both"
    else:
        found["model_flops_per_s"] = work["training_flops"] * rate
    flops = found["model_flops_per_s"]
    replicas = (slot or {}).get("replicas", 1)
    precision = precision_of(environment or {})

    found["of_measured_peak"], found["measured_precision"] = None, None
    if flops is None:
        reasons["of_measured_peak"] = reasons["model_flops_per_s"]
    elif not peak:
        reasons["of_measured_peak"] = "this device was not measured: python -m bench doctor --calibrate"
    else:
        used = precision if precision in peak["rates"] else "float32"
        if used in peak["rates"]:
            found["of_measured_peak"] = flops / (peak["rates"][used] * replicas)
            found["measured_precision"] = used
        else:
            reasons["of_measured_peak"] = peak["unavailable"].get(used, "it was not measured")

    found["of_datasheet_peak_busy"], found["datasheet_precision"] = None, None
    value, reason = _of_datasheet(flops, precision, telemetry, slot)
    if value is None:
        reasons["of_datasheet_peak_busy"] = reason if flops is not None else reasons["model_flops_per_s"]
    else:
        found["of_datasheet_peak_busy"], found["datasheet_precision"] = value / replicas, reason

    for name, metric in (("gpm_fp32", "fp32_activity"), ("gpm_tensor", "tensor_activity")):
        found[name], reason = _mean(telemetry, metric)
        if found[name] is None:
            reasons[name] = reason
    return found, reasons


def precision_of(environment: Figures) -> str:
    """In which format products of float32 numbers are computed: TensorFlow takes TF32 where a GPU has it."""
    return "tensorfloat32" if environment.get("tensorfloat32") is True else "float32"


def _of_datasheet(
    flops: float | None, precision: str, telemetry: Figures | None, slot: Figures | None
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
        return None, ""
    used = precision if precision in peaks else "float32"
    return flops / (peaks[used] * busy), used


def _mean(telemetry: Figures | None, metric: str) -> tuple[float | None, str]:
    """The mean of a metric while a cell trained, or None and why there is none."""
    if not telemetry:
        return None, "there is no telemetry"
    summary = telemetry.get("phases", {}).get("train", {}).get(metric)
    if summary and summary.get("mean") is not None:
        return summary["mean"], ""
    return None, telemetry.get("unavailable", {}).get(metric, "it was not sampled while training")
