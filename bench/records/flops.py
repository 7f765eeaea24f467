"""The work and the memory of what was trained, as a record holds them. Pure functions."""

from collections.abc import Mapping
from typing import Any

from bench.records.utilization import utilisation_of

_FIGURES = (
    "parameters",
    "trainable_parameters",
    "layers",
    "forward_macs",
    "forward_flops",
    "training_flops",
)


def work_and_limit_of(
    record: Mapping[str, Any],
    events: Mapping[str, Mapping[str, Any]],
    runner: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """What the record holds of work, memory and limit.

    Args:
        record: The record so far: `phases`, `throughput`, `environment`, `slot`, `steady`, `telemetry`,
            `unavailable`.
        events: Kind of event -> the worker's last one.
        runner: The same of the harness.

    Returns:
        `work`, `memory`, `utilisation`, and `unavailable` with what is missing of them added.
    """
    work, no_work = work_of(record["phases"])
    memory, no_memory = memory_of(events.get("memory"), record.get("telemetry"))
    steady = record.get("steady") or {}
    rate = steady.get("images_per_s") or record["throughput"]["train_images_per_s"]
    utilisation, no_utilisation = utilisation_of(
        work,
        rate,
        runner.get("peak"),
        record["environment"],
        record.get("telemetry"),
        record["slot"],
        record["trial"]["settings"],
        whole_rate(record["phases"], record.get("epochs") or 0),
        steady=bool(steady),
    )
    reasons = {"work": no_work, "memory": no_memory}
    if memory is not None and memory["process_peak"] is None:
        reasons["process_peak"] = "the kernel did not tell it"
    if memory is not None and memory["device_peak"] is None:
        gpu = (record["slot"] or {}).get("kind") == "gpu"
        reasons["device_peak"] = "it was not sampled while training" if gpu else "a trial on the processor"
    missing = {name: reason for name, reason in reasons.items() if reason} | no_utilisation
    return {
        "work": work,
        "memory": memory,
        "utilisation": utilisation,
        "unavailable": {**record.get("unavailable", {}), **missing},
    }


def work_of(phases: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    """The work from the figures of `build`, or None and why."""
    built = phases.get("build", {})
    if "layers" not in built:
        return None, "no network was built" if built else "nothing was built yet"
    work = {name: built.get(name) for name in _FIGURES}
    return work, built.get("work_unavailable", "")


def whole_rate(phases: Mapping[str, Mapping[str, Any]], epochs: int) -> float | None:
    """Images a second over the whole phase `train`, or None.

    An image that is only predicted, in the validation of each epoch, is a third of the work of one that is
    trained on.
    """
    train, validation = phases.get("train", {}), phases.get("data", {}).get("validation_images", 0)
    if not train.get("images") or not train.get("wall_s"):
        return None
    return (train["images"] + epochs * validation / 3) / train["wall_s"]


def memory_of(
    event: Mapping[str, Any] | None, telemetry: Mapping[str, Any] | None
) -> tuple[dict[str, Any] | None, str]:
    """The memory of training in bytes, or None and why.

    `residual` is what the allocator counted beyond what was expected of it (`analytic.allocated`).
    """
    if event is None:
        return (
            None,
            "the journal does not tell: training did not come to its end, or the harness was an older one",
        )
    analytic, allocator_peak = event.get("analytic"), event.get("allocator_peak")
    known = analytic is not None and allocator_peak is not None
    memory = {
        "analytic": analytic,
        "allocator_peak": allocator_peak,
        "process_peak": event.get("process_peak"),
        "device_peak": _device_peak(telemetry),
        "residual": allocator_peak - analytic["allocated"] if known else None,
    }
    return memory, event.get("unavailable", "")


def _device_peak(telemetry: Mapping[str, Any] | None) -> float | None:
    """The most that the process had of its GPUs while training; of the whole GPUs where that is unknown."""
    devices = ((telemetry or {}).get("devices") or {}).values()
    trained = [device.get("phases", {}).get("train", {}) for device in devices]
    for metric in ("gpu_process_memory_bytes", "gpu_memory_bytes"):
        peaks = [(train.get(metric) or {}).get("max") for train in trained]
        if peaks and None not in peaks:
            return sum(peaks)
    return None


def with_reference(
    canary: Mapping[str, Any] | None,
    peak: Mapping[str, Any] | None,
    environment: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """The canary beside what it reached when the device was measured, where that was with the same version
    and settings of TensorFlow: others may be slower without being disturbed."""
    if canary is None:
        return None
    environment, peak = environment or {}, peak or {}
    same = environment.get("backend") == "tensorflow" and environment.get("tensorflow") == peak.get(
        "tensorflow"
    )
    same &= all(environment.get(name) == value for name, value in (peak.get("settings") or {}).items())
    return {**canary, "reference_gflops": peak.get("canary_gflops") if same else None}
