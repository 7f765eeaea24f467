"""What a trial cost: columns from the measurements of its record; what was not measured is left out."""

from collections.abc import Iterable
from typing import Any

COSTS = {
    "steady_images_per_s": ("steady", "images_per_s"),
    "steady_low": ("steady", "low"),
    "steady_high": ("steady", "high"),
    "data_wait_share": ("steady", "data_wait_share"),
    "energy_j": ("energy", "trial_j"),
    "train_energy_j": ("energy", "train_j"),
    "image_j": ("energy", "image_j"),
    "correct_test_image_j": ("energy", "correct_test_image_j"),
    "process_peak_bytes": ("memory", "process_peak"),
    "allocator_peak_bytes": ("memory", "allocator_peak"),
    "residual_bytes": ("memory", "residual"),
    "device_peak_bytes": ("memory", "device_peak"),
    "forward_flops": ("work", "forward_flops"),
    "model_flops_per_s": ("utilisation", "model_flops_per_s"),
    "of_measured_peak": ("utilisation", "of_measured_peak"),
    "of_datasheet_peak_busy": ("utilisation", "of_datasheet_peak_busy"),
    "gpm_fp32": ("utilisation", "gpm_fp32"),
    "gpm_tensor": ("utilisation", "gpm_tensor"),
}
"""Column -> where its figure stands in a record."""

MEMORY_KINDS = ("weights", "gradients", "optimizer", "feature_maps", "workspace", "total", "allocated")
"""Kinds of memory, computed from the network; columns `memory_weights` and so on, in bytes."""

MEASURED_PHASE = "train"
"""The phase whose utilisation is shown."""


def cost_of(record: dict[str, Any]) -> dict[str, Any]:
    """Columns `COSTS`, of `MEMORY_KINDS`, `cpu_utilisation`, `gpu_utilisation` (0 to 1, means over training).

    `unavailable` tells, a line a figure, what could not be measured and why; `disturbed` why the times may
    not be the trial's own. `watched`: whether the trial ran with telemetry; `disturbed_share`: 1 where it is
    disturbed, else 0, missing where it was not watched.
    """
    row: dict[str, Any] = {}
    for column, (table, name) in COSTS.items():
        value = (record.get(table) or {}).get(name)
        if value is not None:
            row[column] = value
    analytic = (record.get("memory") or {}).get("analytic") or {}
    row |= {f"memory_{kind}": analytic[kind] for kind in MEMORY_KINDS if analytic.get(kind) is not None}
    if "telemetry" in record:
        row["watched"] = record["telemetry"] is not None
        if row["watched"] or record.get("disturbed"):
            row["disturbed_share"] = float(bool(record.get("disturbed")))
    telemetry = record.get("telemetry") or {}
    own = _mean(telemetry, "cpu_utilisation")
    if own is not None:
        row["cpu_utilisation"] = own
    busy = [
        value
        for device in (telemetry.get("devices") or {}).values()
        if (value := _mean(device, "gpu_utilisation")) is not None
    ]
    if busy:
        row["gpu_utilisation"] = sum(busy) / len(busy)
    reasons = dict(record.get("unavailable") or {}) | dict(telemetry.get("unavailable") or {})
    if reasons:
        row["unavailable"] = "\n".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
    if record.get("disturbed"):
        row["disturbed"] = " ".join(map(str, record["disturbed"]))
    return row


def reasons_of(unavailable: Iterable[Any], metric: str) -> list[str]:
    """Why a figure is missing, each reason once; of GPUs too (`gpu:0 power_w`).

    Args:
        unavailable: Values of the column of that name.
        metric: As records call it.
    """
    said = {}
    for text in unavailable:
        for line in text.split("\n") if isinstance(text, str) else ():
            name, _, reason = line.partition(": " if not line.startswith("gpu:") else f" {metric}: ")
            if name == metric or (line.startswith("gpu:") and reason):
                said[reason] = None
    return list(said)


def _mean(measured: dict[str, Any], metric: str) -> float | None:
    return ((measured.get("phases") or {}).get(MEASURED_PHASE, {}).get(metric) or {}).get("mean")
