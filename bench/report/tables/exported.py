"""The table of exported networks: the same network as Keras keeps it and in other formats."""

import pandas as pd

from bench.report.frame import CONFIGURATION
from bench.report.rows import EXPORT
from bench.report.tables.formats import duration, missing, number, text
from bench.report.tables.table import NAMES, Column, Table
from wbc.specification import FORMATS

KERAS = "keras"

_NOTE = (
    "Accuracy of all test images, one at a time; agreement: share of them of which both say the same. Latency: median "
    "of one image, on the processor for exported networks. int8: ranges from 100 training images."
)


def exported_table(suite: str, trials: pd.DataFrame) -> Table | None:
    """A row for each trial as it is and one for each format; None where nothing was exported.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
    """
    rows, reasons = [], []
    for one in trials.to_dict("records"):
        head = {name: one[name] for name in CONFIGURATION if name in one} | {"seed": one.get("seed")}
        own = []
        for name in FORMATS:
            column = f"{EXPORT}{name} "
            reason = one.get(f"{column}unavailable")
            if isinstance(reason, str):
                reasons.append(f"{name} is missing: {reason}.")
            elif not missing(one.get(f"{column}mb", float("nan"))):
                figures = ("mb", "accuracy", "agreement", "latency_s")
                own.append(head | {"format": name} | {key: one[column + key] for key in figures})
        if own:
            kept = {"mb": one["model_mb"], "accuracy": one["test_accuracy"], "agreement": 1.0}
            rows += [head | {"format": KERAS, **kept, "latency_s": one.get("latency_1_p50_s")}, *own]
    if not rows and not reasons:
        return None
    columns = {name: NAMES[name] for name in CONFIGURATION} | {
        "format": Column("format", text),
        "mb": Column("MB", number("{:.2f}")),
        "latency_s": Column("one image", duration),
        "accuracy": Column("accuracy %", number("{:.1f}", 100)),
        "agreement": Column("agrees %", number("{:.1f}", 100)),
    }
    frame = pd.DataFrame(rows).reindex(columns=list(columns))
    notes = (*((_NOTE,) if rows else ()), *dict.fromkeys(reasons))
    return Table(f"{suite}: networks in other formats", "exported", frame, columns, notes=notes)
