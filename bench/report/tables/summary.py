"""The tables that a run prints: every trial, the evaluation, means over replicates, and a short summary of all."""

from typing import Any

import pandas as pd

from bench.report.answer import majority
from bench.report.rows import CLASS, HIGH, LOW
from bench.report.tables.costs import shared_note
from bench.report.tables.formats import (
    number,
    share_with_bounds,
    text,
)
from bench.report.tables.table import BETWEEN_RUNS, NAMES, Column, Table, between_runs, classes_of

_EVALUATION = {
    "balanced_accuracy": Column("balanced %", number("{:.1f}", 100)),
    "macro_precision": Column("precision %", number("{:.1f}", 100)),
    "macro_recall": Column("recall %", number("{:.1f}", 100)),
    "macro_f1": Column("F1 %", number("{:.1f}", 100)),
    "macro_auc": Column("AUC", number("{:.3f}")),
    "test_loss": Column("log loss", number("{:.3f}")),
    "calibration_error": Column("ECE", number("{:.3f}")),
    "model_mb": Column("MB", number("{:.2f}")),
    "inference_ms": Column("ms/image", number("{:.2f}")),
    "inference_batch_size": Column("in batches of", number("{:.0f}")),
}

IMAGES = "images of "
"""Prefix of the columns with the test images of a class."""

MOST_REASONS = 20
"""Trials that are not done, listed one by one; the page has all."""

LONGEST_REASON = 300
"""Characters; the page and the tables have the whole."""


def trial_tables(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> list[Table]:
    """A row per trial with accuracy and times; one with its evaluation; means, where there are replicates.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.configurations_frame`.
    """
    tables = [Table(f"{suite}: every trial", "trials", trials)]
    columns = evaluation_columns(trials)
    if "macro_f1" in trials and trials["macro_f1"].notna().any():
        shown = [
            name for name in (*columns, *(n for c in columns.values() for n in c.sources)) if name in trials
        ]
        evaluated = trials.loc[trials["status"] == "done", ["trial", *dict.fromkeys(shown)]]
        title = f"{suite}: evaluation, with 95 % intervals of the classes"
        tables.append(Table(title, "evaluation", evaluated, columns))
    if len(configurations) and configurations["replicates"].max() > 1:
        title = f"{suite}: means over replicates"
        tables.append(Table(title, "replicates", configurations, notes=(BETWEEN_RUNS,)))
    return tables


def summary_table(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> Table:
    """A row per trial, or per configuration where there are replicates: accuracy, loss, times, rate, status.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.configurations_frame`.
    """
    columns = {name: column for name, column in NAMES.items() if name != "seeds"} | {
        "failed": Column("failed", number("{:.0f}")),
        "balanced_accuracy": Column("balanced %", number("{:.1f}", 100)),
        "test_accuracy": Column("accuracy %", number("{:.1f}", 100)),
        "external_balanced_accuracy": Column("external %", number("{:.1f}", 100)),
        "test_loss": Column("loss", number("{:.3f}")),
        "fit_s": Column("fit s", number("{:.1f}")),
        "result_s": Column("result s", number("{:.1f}")),
        "train_images_per_s": Column("images/s", number("{:.0f}")),
        "status": Column("status", _status, ("status", "reason")),
    }
    if len(configurations) and configurations["replicates"].max() > 1:
        shown = between_runs(columns, configurations)
        notes = (BETWEEN_RUNS, *shared_note(trials))
        return Table(f"{suite}: means over replicates", "replicates", configurations, shown, notes)
    frame = trials if "reason" in trials else trials.assign(reason="")
    if "network" not in frame:
        columns = {"trial": Column("trial", text), **columns}
    return Table(suite, "trials", frame, columns, tuple(shared_note(trials)))


def troubles(trials: pd.DataFrame) -> list[str]:
    """A line for each trial that is not done and has a reason."""
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


def majority_line(trials: pd.DataFrame) -> str:
    """What always naming the largest class would come to; empty where trials had different test images."""
    counts = trials[[name for name in trials if name.startswith(IMAGES)]].dropna(how="all").drop_duplicates()
    if len(counts) != 1:
        return ""
    images = counts.iloc[0].dropna()
    return majority(float(images.max() / images.sum()), int((images > 0).sum()))


def disturbed_line(trials: pd.DataFrame) -> str:
    """How many trials were disturbed while they were timed; empty where none was."""
    count = int(trials["disturbed"].notna().sum()) if "disturbed" in trials else 0
    if not count:
        return ""
    done = f"{count:,} of {len(trials):,} trials {'was' if count == 1 else 'were'}"
    own = "its times may not be its own" if count == 1 else "their times may not be their own"
    return f"{done} disturbed, so {own}; the report says why."


def _status(status: Any, reason: Any) -> str:
    """`failed: gpu-oom`; the whole sentence is below the table."""
    kind = text(reason).partition(":")[0]
    return f"{status}: {kind}" if status == "failed" and kind else text(status)


def evaluation_columns(frame: pd.DataFrame) -> dict[str, Column]:
    """The columns of a table of the evaluation."""
    classes = {
        f"{CLASS}{name}": Column(
            f"{name} %", share_with_bounds, (f"{CLASS}{name}", f"{LOW}{name}", f"{HIGH}{name}")
        )
        for name in classes_of(frame)
        if f"{LOW}{name}" in frame
    }
    return NAMES | _EVALUATION | classes
