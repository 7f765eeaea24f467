"""The table of latencies: how long trained classifiers take to answer."""

import pandas as pd

from bench.report.frame import CONFIGURATION
from bench.report.tables.costs import disturbed_note
from bench.report.tables.formats import duration, number
from bench.report.tables.table import BETWEEN_RUNS, NAMES, Column, Table, between_runs
from wbc.evaluation.latency import BATCHES

_EXPLAINED = (
    "Seconds of a call from uint8 pixels to probabilities, with so many images at once, after warm-up and in turns: "
    "the median and the 95th and 99th percentile, where there were 20 and 100 calls. Images/s: over the time of all "
    "calls."
)


def latency_table(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> Table | None:
    """A row per configuration; None where nothing was measured.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.configurations_frame`.
    """
    columns: dict[str, Column] = {}
    for batch in BATCHES:
        of = f"{batch} image{'s' if batch > 1 else ''}"
        for percentile in ("p50", "p95", "p99"):
            columns[f"latency_{batch}_{percentile}_s"] = Column(f"{of}: {percentile}", duration)
        columns[f"latency_{batch}_images_per_s"] = Column(f"{of}: images/s", number("{:.0f}"))
    known = [name for name in columns if name in configurations and configurations[name].notna().any()]
    if not known:
        return None
    shown = configurations[configurations[known].notna().any(axis=1)]
    bounds = [name for name in shown if name.startswith("latency_") and "_t95_" in name]
    frame = shown[[*CONFIGURATION, "replicates", *known, *bounds]]
    several = (BETWEEN_RUNS,) if (shown["replicates"] > 1).any() else ()
    notes = (_EXPLAINED, *several, *disturbed_note(trials))
    written = {**NAMES, **between_runs({name: columns[name] for name in known}, frame)}
    return Table(f"{suite}: latency of predictions", "latency", frame, written, notes=notes)
