"""What training costs: times by network, mode and phase, rate, memory and energy; what telemetry costs."""

from collections.abc import Callable, Iterable

import pandas as pd

from bench.records.overhead import Group, overhead
from bench.report.frame import CONFIGURATION
from bench.report.names import labels
from bench.report.rows import (
    CPU_UTILIZATION,
    GPU_UTILIZATION,
    MEMORY,
    MEMORY_KINDS,
    PHASE,
    reasons_of,
)
from bench.report.tables.formats import amount, durations, missing, number, text
from bench.report.tables.table import BETWEEN_RUNS, NAMES, Column, Table, between_runs
from bench.trials.phases import Phases

CLOCKS = {
    "fit_s": "fit, wall",
    "fit_cpu_s": "fit, CPU",
    "result_s": "result, wall",
    "result_cpu_s": "result, CPU",
}
"""Times of a configuration -> their names in tables."""

AS_RUN, FOUND, PIXELS, MADE_BY = "result_as_run_s", "features_found", "pixels_found", "features_made_by"
CONTINUED = "training_shared"
"""Columns of trials that may share features."""

_EXPLAINED = (
    "Fit: first step and training with its validation, as the thesis timed it (in CPU seconds). Result: what "
    "a person waits, from the start of the process to the test metrics."
)


def time_tables(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> list[Table]:
    """Times of every configuration, their summary by mode and epoch count, and seconds of every phase."""
    done = configurations[configurations["replicates"] > 0]
    if done.empty:
        return []
    intervals = [f"{name}_t95_{end}" for name in CLOCKS for end in ("low", "high")]
    as_run = [AS_RUN] if AS_RUN in done else []
    each = done[
        [*CONFIGURATION, "replicates", *CLOCKS, *as_run, *(name for name in intervals if name in done)]
    ]
    several = (done["replicates"] > 1).any()
    phases = [name for name in Phases.__struct_fields__ if f"{PHASE}{name}" in done]
    by_phase = done[[*CONFIGURATION, *(f"{PHASE}{name}" for name in phases), "result_s"]]
    summary = summary_frame(done)
    tables = [
        Table(
            f"{suite}: training time",
            "training-time",
            each,
            NAMES
            | between_runs(
                {name: Column(heading, writer_for=durations) for name, heading in CLOCKS.items()}, each
            )
            | {name: Column("result as run, wall", writer_for=durations) for name in as_run},
            notes=(
                _EXPLAINED,
                *([BETWEEN_RUNS] if several else []),
                *shared_note(trials),
                *disturbed_note(trials),
            ),
        ),
        Table(
            f"{suite}: training time by mode",
            "training-time-by-mode",
            summary,
            {
                **{name: NAMES[name] for name in ("mode", "epochs", "device")},
                "clock": Column("time", text),
                "networks": Column("networks", text),
                "mean_s": Column("mean", writer_for=durations),
                "fastest": Column("fastest", sources=("fastest_s", "fastest"), writer_for=_named),
                "slowest": Column("slowest", sources=("slowest_s", "slowest"), writer_for=_named),
                "total_s": Column("total", writer_for=durations),
            },
            notes=(
                "One run of every network; where there are replicates, their means.",
                *shared_note(trials),
                *disturbed_note(trials),
            ),
        ),
        Table(
            f"{suite}: wall time by phase",
            "time-by-phase",
            by_phase,
            NAMES
            | {f"{PHASE}{name}": Column(name.replace("_", " "), writer_for=durations) for name in phases}
            | {"result_s": Column("to result", writer_for=durations)},
            notes=(*shared_note(trials), *disturbed_note(trials)),
        ),
    ]
    return tables


def summary_frame(done: pd.DataFrame) -> pd.DataFrame:
    """A row per mode, epoch count, device and clock.

    Columns: mode, epochs, device, clock (a key of `CLOCKS`, in words), networks (how many configurations), mean_s,
    fastest and fastest_s, slowest and slowest_s, total_s.
    """
    rows = []
    for (mode, epochs, device), group in done.groupby(["mode", "epochs", "device"], sort=False):
        names = pd.Series(labels(group), index=group.index)
        for name, heading in CLOCKS.items():
            times = group[name].dropna()
            if times.empty:
                continue
            rows.append(
                {
                    "mode": mode,
                    "epochs": epochs,
                    "device": device,
                    "clock": heading,
                    "networks": len(times),
                    "mean_s": times.mean(),
                    "fastest": names[times.idxmin()],
                    "fastest_s": times.min(),
                    "slowest": names[times.idxmax()],
                    "slowest_s": times.max(),
                    "total_s": times.sum(),
                }
            )
    return pd.DataFrame(rows)


def shared_note(trials: pd.DataFrame) -> list[str]:
    """A sentence below tables of times, where trials shared features."""
    sentences = []
    for column, did, took in (
        (FOUND, "used features that another trial had extracted", "extracted its own"),
        (PIXELS, "used pixels that another trial had decoded", "decoded its own"),
        (CONTINUED, "began where a shorter training had ended", "trained all its epochs"),
    ):
        found = int(trials[column].sum()) if column in trials else 0
        if found:
            count = "1 trial" if found == 1 else f"{found} trials"
            named = _makers(trials) if column == FOUND else ""
            sentences.append(
                f"{count} {did}{named}. Their times count what that took, as if each had {took}, so their intervals do "
                "not show how much that varies. As run: what they took themselves."
            )
    return sentences


def _makers(trials: pd.DataFrame) -> str:
    """The trials that extracted features for others, in parentheses; at most three."""
    if MADE_BY not in trials:
        return ""
    makers = sorted({str(tag).rpartition("/")[0] for tag in trials[MADE_BY].dropna()})
    more = f" and {len(makers) - 3} more" if len(makers) > 3 else ""
    return f" ({', '.join(makers[:3])}{more})"


def disturbed_note(trials: pd.DataFrame) -> list[str]:
    """A sentence below tables of times, where trials were disturbed."""
    disturbed = trials["disturbed"].notna().sum() if "disturbed" in trials else 0
    if not disturbed:
        return []
    one = "1 trial was disturbed: its times may not be its own."
    more = f"{disturbed} trials were disturbed: their times may not be their own."
    return [f"{one if disturbed == 1 else more} The report's table of trials says why."]


def _named(seconds: Iterable[float]) -> Callable[[float, str], str]:
    write = durations(seconds)
    return lambda value, name: f"{name}, {write(value)}"


_COST = {
    "steady_images_per_s": Column(
        "steady images/s",
        lambda rate, low, high: _rate(rate, low, high),
        ("steady_images_per_s", "steady_low", "steady_high"),
    ),
    "median_images_per_s": Column("median images/s", number("{:.0f}")),
    "unsteady": Column("no steady state %", lambda share: number("{:.0f}", 100)(share) if share else ""),
    "train_images_per_s": Column("images/s", number("{:.0f}")),
    "data_wait_share": Column("waits for data %", number("{:.1f}", 100)),
    "cpu_utilization": Column("processor %", number("{:.0f}", 100)),
    "gpu_utilization": Column("GPU %", number("{:.0f}", 100)),
    "of_datasheet_peak_busy": Column("FP32 % of datasheet while busy", number("{:.1f}", 100)),
    "of_measured_peak": Column("FP32 % of measured peak", number("{:.1f}", 100)),
    "of_measured_bandwidth": Column("update % of measured bandwidth", number("{:.1f}", 100)),
    "gpm_fp32": Column("FP32 units %", number("{:.1f}", 100)),
    "gpm_tensor": Column("tensor units %", number("{:.1f}", 100)),
    "process_peak_bytes": Column("memory", amount("B", 1024)),
    "device_peak_bytes": Column("GPU memory", amount("B", 1024)),
    "growth_mb": Column(
        "growth, MB in 1,000 steps",
        lambda *values: _growth(*values),
        ("growth_mb", "growth_mb_low", "growth_mb_high"),
    ),
    "device_growth_mb": Column(
        "growth on GPU, MB in 1,000 steps",
        lambda *values: _growth(*values),
        ("device_growth_mb", "device_growth_mb_low", "device_growth_mb_high"),
    ),
    "energy_j": Column("energy", amount("J")),
    "image_j": Column("J/image", number("{:.3g}")),
    "disturbed_share": Column("disturbed %", number("{:.0f}", 100)),
}

_WITHIN = "Steady images/s: with the interval within the run. Other runs may differ by more: repeat with more seeds."

_REASONS = {
    "steady_images_per_s": ("steady", "images_per_s"),
    "cpu_utilization": (CPU_UTILIZATION, "telemetry"),
    "gpu_utilization": (GPU_UTILIZATION, "telemetry"),
    "of_datasheet_peak_busy": ("of_datasheet_peak_busy", "utilization"),
    "of_measured_peak": ("of_measured_peak", "utilization"),
    "of_measured_bandwidth": ("of_measured_bandwidth",),
    "gpm_fp32": ("gpm_fp32", "fp32_activity", "telemetry"),
    "process_peak_bytes": ("process_peak", "memory"),
    "device_peak_bytes": ("device_peak", "gpu_memory_bytes", GPU_UTILIZATION),
    "growth_mb": ("memory_growth",),
    "energy_j": ("energy",),
}
"""Column -> the metrics under one of which a record says why it is missing."""


def cost_table(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> Table | None:
    """A row per configuration with what was measured; None where nothing is done."""
    done = configurations[configurations["replicates"] > 0]
    known = [name for column in _COST.values() for name in column.sources]
    known = [name for name in dict.fromkeys((*_COST, *known)) if name in done]
    if done.empty or not known:
        return None
    notes = []
    unavailable = trials.get("unavailable", [])
    for column, metrics in _REASONS.items():
        if column not in done or done[column].isna().any():
            reasons = next((found for one in metrics if (found := reasons_of(unavailable, one))), [])
            lacking = "" if column in done and done[column].notna().any() else "not measured"
            if said := "; ".join(reasons[:3]) or lacking:
                notes.append(f"{_COST[column].heading}: {said}.")
    columns, intervals = dict(_COST), [name for name in done if name.endswith(("_t95_low", "_t95_high"))]
    if (done["replicates"] > 1).any():
        # Runs differ by more than a run shows of itself.
        rate = "steady_images_per_s"
        columns[rate] = Column(_COST[rate].heading, _rate, (rate, f"{rate}_t95_low", f"{rate}_t95_high"))
        columns = between_runs(columns, done)
        notes.insert(0, BETWEEN_RUNS)
    elif "steady_low" in known:
        notes.insert(0, _WITHIN)
    frame = done[[*CONFIGURATION, "replicates", *known, *intervals]]
    return Table(
        f"{suite}: cost", "cost", frame, {**NAMES, **columns}, notes=(*notes, *disturbed_note(trials))
    )


def _growth(growth: float, low: float, high: float) -> str:
    return "" if missing(growth) else f"{growth:+.3g} [{low:+.3g} to {high:+.3g}]"


def _rate(rate: float, low: float, high: float) -> str:
    if missing(rate):
        return ""
    return f"{rate:.0f}" if missing(low) else f"{rate:.0f} [{low:.0f}–{high:.0f}]"


_HEADINGS = {
    "weights": "memory of weights",
    "feature_maps": "feature maps",
    "total": "together",
    "allocated": "as allocated",
}
_BYTES = amount("B", 1024)
_MEMORY = {
    **{f"{MEMORY}{kind}": Column(_HEADINGS.get(kind, kind), _BYTES) for kind in MEMORY_KINDS},
    "allocator_peak_bytes": Column("allocator's peak", _BYTES),
    "residual_bytes": Column("residual", _BYTES),
    "process_peak_bytes": Column("process's peak", _BYTES),
    "device_peak_bytes": Column("GPU's peak", _BYTES),
}


def memory_table(suite: str, configurations: pd.DataFrame) -> Table | None:
    """A row per configuration; None where the memory of none is known by kind."""
    known = [name for name in _MEMORY if name in configurations]
    if "memory_total" not in known:
        return None
    frame = configurations.loc[configurations["memory_total"].notna(), [*CONFIGURATION, "replicates", *known]]
    note = "Kinds are computed from the step and its batch. Residual: the peak less what it should be."
    return Table(f"{suite}: memory by kind", "memory", frame, {**NAMES, **_MEMORY}, notes=(note,))


METRICS = {"throughput": ("steady_images_per_s", "train_images_per_s"), "fit time": ("fit_s",)}
"""Metric -> the columns that may hold it, the best first."""

_OVERHEAD = {
    "metric": Column("metric", str),
    "configurations": Column("configurations", str),
    "watched": Column("with", str),
    "unwatched": Column("without", str),
    "difference": Column("difference %", lambda share: f"{share * 100:+.2f}"),
    "low": Column("95 % (t)", lambda low, high: _range(low, high), ("low", "high")),
}


def overhead_table(suite: str, trials: pd.DataFrame) -> Table | None:
    """A row per metric: its difference with telemetry; None where no configuration has replicates of both kinds.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
    """
    if "watched" not in trials or trials["watched"].dropna().nunique() < 2:
        return None
    done = trials[trials["status"] == "done"]
    rows = []
    for metric, columns in METRICS.items():
        column = next((name for name in columns if name in done and done[name].notna().any()), None)
        groups = _groups(done, column) if column else []
        if (found := overhead(groups)) is not None:
            both = sum(bool(len(group.watched) and len(group.unwatched)) for group in groups)
            rows.append(
                {
                    "metric": metric,
                    "configurations": both,
                    "watched": found.watched,
                    "unwatched": found.unwatched,
                    "difference": found.difference,
                    "low": found.low,
                    "high": found.high,
                }
            )
    title = f"{suite}: with telemetry against without"
    return Table(title, "overhead", pd.DataFrame(rows), _OVERHEAD) if rows else None


def _groups(done: pd.DataFrame, column: str) -> list[Group]:
    known = done[done[column] > 0]
    return [
        Group(
            group.loc[group["watched"].eq(True), column].tolist(),
            group.loc[group["watched"].eq(False), column].tolist(),
        )
        for _, group in known.groupby("configuration", sort=False)
    ]


def _range(low: float, high: float) -> str:
    return "" if missing(low) else f"{low * 100:+.2f} – {high * 100:+.2f}"
