"""Curves of training, read from journals; only those of the trials that figures show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.journal.history import history
from bench.journal.results import Attempt, SuiteResults
from bench.report.frame import CONFIGURATION
from bench.report.names import labels

METRICS = ("loss", "accuracy", "validation_loss", "validation_accuracy")

MOST_A_GROUP = 24
"""Curves in one figure; more cannot be told apart."""

MOST_GROUPS = 8
"""Modes and epoch counts with curves; more make the page too heavy."""


@dataclass(frozen=True)
class Course:
    """How one trial learnt.

    Attributes:
        label: What its configuration is called.
        row: Its row of the frame of trials.
        epoch: Counted from 1; shape (n,).
        metrics: One of `METRICS` -> its values; shape (n,), NaN where there is none.
    """

    label: str
    row: dict
    epoch: np.ndarray
    metrics: dict[str, np.ndarray]

    def has(self, metric: str) -> bool:
        """Whether there is any value of it."""
        return metric in self.metrics and bool(np.isfinite(self.metrics[metric]).any())


@dataclass(frozen=True)
class Group:
    """The courses of a mode and epoch count, one a configuration.

    Attributes:
        mode: Of training.
        epochs: Asked for.
        courses: In the suite's order.
        left_out: How many configurations are not among them.
    """

    mode: str
    epochs: int
    courses: list[Course]
    left_out: int = 0


def read_groups(results: SuiteResults, trials: pd.DataFrame) -> tuple[list[Group], int]:
    """The courses to draw, and how many groups are left out.

    Of repeats the first that is done is drawn, else the first that began. Where a group has too many
    configurations, each network's most accurate ones go first.
    """
    if "network" not in trials:
        return [], 0
    known = trials[trials["network"].notna() & (trials["epochs"] > 0)].copy()
    if known.empty:
        return [], 0
    for name in ("variant", "balanced_accuracy"):
        if name not in known:
            known[name] = np.nan
    known["label"] = labels(known)
    known["order"] = np.arange(len(known))
    known["later"] = known["status"] != "done"
    firsts = known.sort_values(["later", "order"]).drop_duplicates(CONFIGURATION).sort_values("order")
    groups = list(firsts.groupby(["mode", "epochs"], sort=False))
    drawn = []
    for (mode, epochs), group in groups[:MOST_GROUPS]:
        chosen = _choose(group)
        courses = [_read(results, row) for row in chosen.to_dict("records")]
        courses = [course for course in courses if len(course.epoch)]
        if courses:
            drawn.append(Group(mode, int(epochs), courses, len(group) - len(chosen)))
    return drawn, max(0, len(groups) - MOST_GROUPS)


def _choose(group: pd.DataFrame) -> pd.DataFrame:
    if len(group) <= MOST_A_GROUP:
        return group
    ranked = group.sort_values("balanced_accuracy", ascending=False, kind="stable")
    turn = ranked.groupby("network", sort=False).cumcount()
    return ranked.loc[turn.sort_values(kind="stable").index[:MOST_A_GROUP]].sort_values("order")


def attempt_of(results: SuiteResults, row: dict) -> Attempt:
    """The attempt that a row of the frame of trials tells of."""
    return Attempt(results.trials / row["trial"] / f"attempt-{int(row['attempt'])}")


def _read(results: SuiteResults, row: dict) -> Course:
    epochs: Sequence[dict] = [
        event
        for stretch in history(attempt_of(results, row))
        for event in stretch.events
        if event["event"] == "epoch"
    ]
    metrics = {name: np.array([_number(event["metrics"].get(name)) for event in epochs]) for name in METRICS}
    return Course(row["label"], row, np.array([event["epoch"] for event in epochs], int), metrics)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
