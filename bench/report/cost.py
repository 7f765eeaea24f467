"""What every configuration cost: rate, utilisation, memory, energy; reasons for what was not measured."""

import pandas as pd

from bench.report.columns import NAMES, Column
from bench.report.costs import reasons_of
from bench.report.frame import CONFIGURATION
from bench.report.tables import Table
from bench.report.writers import amount, missing, number

_COLUMNS = {
    "steady_images_per_s": Column(
        "steady images/s",
        lambda rate, low, high: _rate(rate, low, high),
        ("steady_images_per_s", "steady_low", "steady_high"),
    ),
    "train_images_per_s": Column("images/s", number("{:.0f}")),
    "data_wait_share": Column("waits for data %", number("{:.1f}", 100)),
    "cpu_utilisation": Column("processor %", number("{:.0f}", 100)),
    "gpu_utilisation": Column("GPU %", number("{:.0f}", 100)),
    "of_datasheet_peak_busy": Column("FP32 % of datasheet while busy", number("{:.1f}", 100)),
    "of_measured_peak": Column("FP32 % of measured peak", number("{:.1f}", 100)),
    "gpm_fp32": Column("FP32 units %", number("{:.1f}", 100)),
    "gpm_tensor": Column("tensor units %", number("{:.1f}", 100)),
    "process_peak_bytes": Column("memory", amount("B", 1024)),
    "device_peak_bytes": Column("GPU memory", amount("B", 1024)),
    "energy_j": Column("energy", amount("J")),
    "image_j": Column("J/image", number("{:.3g}")),
    "correct_test_image_j": Column("J/correct test image", number("{:.3g}")),
    "disturbed_share": Column("disturbed %", number("{:.0f}", 100)),
}

_REASONS = {
    "steady_images_per_s": ("steady", "images_per_s"),
    "cpu_utilisation": ("cpu_utilisation", "telemetry"),
    "gpu_utilisation": ("gpu_utilisation", "telemetry"),
    "of_datasheet_peak_busy": ("of_datasheet_peak_busy", "utilisation"),
    "of_measured_peak": ("of_measured_peak", "utilisation"),
    "gpm_fp32": ("gpm_fp32", "fp32_activity", "telemetry"),
    "process_peak_bytes": ("process_peak", "memory"),
    "device_peak_bytes": ("device_peak", "gpu_memory_bytes", "gpu_utilisation"),
    "energy_j": ("energy",),
}
"""Column -> the metrics under one of which a record says why it is missing."""


def cost_table(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> Table | None:
    """A row a configuration, of what was measured; None where nothing is done."""
    done = configurations[configurations["repeats"] > 0]
    known = [name for column in _COLUMNS.values() for name in column.sources]
    known = [name for name in dict.fromkeys((*_COLUMNS, *known)) if name in done]
    if done.empty or not known:
        return None
    notes = []
    unavailable = trials.get("unavailable", [])
    for column, metrics in _REASONS.items():
        if column not in done or done[column].isna().any():
            reasons = next((found for one in metrics if (found := reasons_of(unavailable, one))), [])
            lacking = "" if column in done and done[column].notna().any() else "not measured"
            if said := "; ".join(reasons[:3]) or lacking:
                notes.append(f"{_COLUMNS[column].heading}: {said}.")
    frame = done[[*CONFIGURATION, "repeats", *known]]
    return Table(f"{suite}: cost", "cost", frame, {**NAMES, **_COLUMNS}, notes=tuple(notes))


def _rate(rate: float, low: float, high: float) -> str:
    if missing(rate):
        return ""
    return f"{rate:.0f}" if missing(low) else f"{rate:.0f} [{low:.0f}–{high:.0f}]"
