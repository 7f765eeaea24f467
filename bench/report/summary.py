"""A suite in one short table and a few sentences: what a run ends with."""

from typing import Any

import pandas as pd

from bench.report.columns import NAMES, Column
from bench.report.tables import Table
from bench.report.writers import number, text

MOST_REASONS = 20
"""Trials that are not done, one by one; the page has all."""

LONGEST_REASON = 300
"""Characters; the page and the tables have the whole."""


def brief_table(suite: str, trials: pd.DataFrame, repeats: pd.DataFrame) -> Table:
    """A row a trial, or a configuration where trials are repeated: accuracy, loss, times, rate, status.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        repeats: See `bench.report.frame.repeats_frame`.
    """
    columns = {name: column for name, column in NAMES.items() if name != "seeds"} | {
        "failed": Column("failed", number("{:.0f}")),
        "test_accuracy": Column("accuracy %", number("{:.1f}", 100)),
        "test_loss": Column("loss", number("{:.3f}")),
        "fit_s": Column("fit s", number("{:.1f}")),
        "result_s": Column("result s", number("{:.1f}")),
        "train_images_per_s": Column("images/s", number("{:.0f}")),
        "status": Column("status", _status, ("status", "reason")),
    }
    if len(repeats) and repeats["repeats"].max() > 1:
        return Table(f"{suite}: means over repeats", "repeats", repeats, columns)
    frame = trials if "reason" in trials else trials.assign(reason="")
    if "network" not in frame:
        columns = {"trial": Column("trial", text), **columns}
    return Table(suite, "trials", frame, columns)


def troubles(trials: pd.DataFrame) -> list[str]:
    """A line for each trial that is not done and says why."""
    if "reason" not in trials:
        return []
    told = trials[(trials["status"] != "done") & (trials["reason"].fillna("") != "")]
    lines = []
    for trial, reason in zip(told["trial"][:MOST_REASONS], told["reason"], strict=False):
        said = " ".join(str(reason).split())
        lines.append(
            f"{trial}: {said if len(said) <= LONGEST_REASON else said[: LONGEST_REASON - 3] + '...'}"
        )
    if len(told) > MOST_REASONS:
        lines.append(f"and {len(told) - MOST_REASONS:,} more; all are in the report")
    return lines


def disturbed_line(trials: pd.DataFrame) -> str:
    """How many trials were disturbed while they were timed; empty where none was."""
    count = int(trials["disturbed"].notna().sum()) if "disturbed" in trials else 0
    if not count:
        return ""
    done = f"{count:,} of {len(trials):,} trials {'was' if count == 1 else 'were'}"
    return f"{done} disturbed, so their times may not be their own; the report says why."


def _status(status: Any, reason: Any) -> str:
    """`failed: gpu-oom`; the sentence itself stands below the table."""
    kind = text(reason).partition(":")[0]
    return f"{status}: {kind}" if status == "failed" and kind else text(status)
