"""What telemetry costs: repeats that ran with it beside repeats of the same configuration without."""

import pandas as pd

from bench.records.overhead import Group, overhead
from bench.report.columns import Column
from bench.report.frame import CONFIGURATION
from bench.report.tables import Table

FIGURES = {"throughput": ("steady_images_per_s", "train_images_per_s"), "fit time": ("fit_s",)}
"""Figure -> the columns that may hold it, the best first."""

_COLUMNS = {
    "figure": Column("figure", str),
    "configurations": Column("configurations", str),
    "watched": Column("with", str),
    "unwatched": Column("without", str),
    "difference": Column("difference %", lambda share: f"{share * 100:+.2f}"),
    "low": Column("95 % (t)", lambda low, high: _range(low, high), ("low", "high")),
}


def overhead_table(suite: str, trials: pd.DataFrame) -> Table | None:
    """A row a figure: its difference with telemetry; None where no configuration has repeats of both kinds.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
    """
    if "watched" not in trials or trials["watched"].dropna().nunique() < 2:
        return None
    done = trials[trials["status"] == "done"]
    rows = []
    for figure, columns in FIGURES.items():
        column = next((name for name in columns if name in done and done[name].notna().any()), None)
        groups = _groups(done, column) if column else []
        if (told := overhead(groups)) is not None:
            both = sum(bool(len(group.watched) and len(group.unwatched)) for group in groups)
            rows.append(
                {
                    "figure": figure,
                    "configurations": both,
                    "watched": told.watched,
                    "unwatched": told.unwatched,
                    "difference": told.difference,
                    "low": told.low,
                    "high": told.high,
                }
            )
    title = f"{suite}: with telemetry against without"
    return Table(title, "overhead", pd.DataFrame(rows), _COLUMNS) if rows else None


def _groups(done: pd.DataFrame, column: str) -> list[Group]:
    known = done[done[column] > 0]
    return [
        Group(
            group.loc[group["watched"].eq(True), column].tolist(),
            group.loc[group["watched"].eq(False), column].tolist(),
        )
        for _, group in known.groupby(CONFIGURATION, sort=False, dropna=False)
    ]


def _range(low: float | None, high: float | None) -> str:
    return "" if pd.isna(low) else f"{low * 100:+.2f} – {high * 100:+.2f}"
