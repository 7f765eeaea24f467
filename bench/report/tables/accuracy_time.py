"""The table of times to an accuracy: what seeds make of them, `never` included."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.records.accuracy_time import OverSeeds, over_seeds
from bench.report.frame import CONFIGURATION
from bench.report.rows import ENERGY_TO, EPOCH_TO, TIME_TO, Row
from bench.report.tables.costs import disturbed_note, shared_note
from bench.report.tables.formats import amount, missing, number, text, time_or_never
from bench.report.tables.table import NAMES, Column, Table
from bench.trials.measured import NEVER

_EXPLAINED = (
    "Time to an accuracy: seconds of feature extraction, first step and training with its validation, without "
    "checkpoints, up to the first epoch from which on the validation accuracy is never below the target. Never: "
    "it is below after the last epoch. The best is each trial's own."
)
_SEEDS = (
    "Over replicates: the median, with never as longer than any time. Its interval is from ranks: from six "
    "replicates on one of 95 %; of 2, 3, 4 and 5 the range, which holds the median of all seeds in 50, 75, 88 "
    "and 94 % of cases."
)


def accuracy_time_table(suite: str, trials: pd.DataFrame) -> Table | None:
    """A row per configuration and target; None where no trial has a time to an accuracy.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
    """
    frame = accuracy_times(trials)
    if frame.empty:
        return None
    columns = {
        **NAMES,
        "target": Column("target", text),
        "reached": Column(
            "reached by", lambda reached, count: f"{reached} of {count}", ("reached", "replicates")
        ),
        "median_s": Column("time", _with_range, ("median_s", "low_s", "high_s")),
        "median_epoch": Column("epoch", _number_or_never),
        "median_j": Column("energy", _joules_or_never),
    }
    seeds = (_SEEDS,) if (frame["replicates"] > 1).any() else ()
    notes = (_EXPLAINED, *seeds, *shared_note(trials), *disturbed_note(trials))
    return Table(f"{suite}: time to an accuracy", "time-to-accuracy", frame, columns, notes=notes)


def accuracy_times(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per configuration and target.

    Columns: configuration, those of `CONFIGURATION`, target (in words), replicates, reached (how many of them),
    median_s, low_s, high_s and coverage (`bench.records.accuracy_time.OverSeeds`), median_epoch, median_j,
    trained_s (the longest that a replicate was trained). Times are seconds or `never`.
    """
    targets = [name.removeprefix(TIME_TO) for name in trials if name.startswith(TIME_TO)]
    if not targets or "variant" not in trials:
        return pd.DataFrame()
    done = trials[trials["status"] == "done"]
    rows: list[Row] = []
    for key, group in done.groupby("configuration", sort=False):
        head = {"configuration": key, **group.iloc[0][CONFIGURATION].to_dict()}
        features = group["seconds of features"].fillna(0.0) if "seconds of features" in group else 0.0
        trained: float = (group["fit_s"] + features).max()
        for target in targets:
            times = _known(group, f"{TIME_TO}{target}")
            if times is None:
                continue
            epochs, joules = _known(group, f"{EPOCH_TO}{target}"), _known(group, f"{ENERGY_TO}{target}")
            rows.append(
                {
                    **head,
                    "target": target,
                    "replicates": times.count,
                    "reached": times.reached,
                    "median_s": times.median,
                    "low_s": times.low,
                    "high_s": times.high,
                    "coverage": times.coverage,
                    "median_epoch": epochs and epochs.median,
                    "median_j": joules.median if joules and joules.count == times.count else None,
                    "trained_s": trained,
                }
            )
    return pd.DataFrame(rows)


def _known(group: pd.DataFrame, column: str) -> OverSeeds | None:
    values: Sequence[Any] = group[column].dropna().tolist() if column in group else ()
    return over_seeds(values) if values else None


def _with_range(median: Any, low: Any, high: Any) -> str:
    said = time_or_never(median)
    if missing(low) or (low == high == median):
        return said
    return f"{said} [{time_or_never(low)} – {time_or_never(high)}]"


def _number_or_never(value: Any) -> str:
    return NEVER if value == NEVER else number("{:.0f}")(value)


def _joules_or_never(value: Any) -> str:
    return "" if value == NEVER else amount("J")(value)
