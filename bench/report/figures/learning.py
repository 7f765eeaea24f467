"""Loss and accuracy over epochs, read from journals: all networks, their means, and each network alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bench.errors import DamagedAttempt
from bench.journal.history import history
from bench.journal.results import SuiteResults
from bench.report.figures.figure import (
    DASHES,
    Colors,
    Figure,
    Layout,
    Trace,
    axis,
    numbers,
    percent,
    plain,
    thin,
)
from bench.report.frame import attempt_of
from bench.report.names import group_file, group_name, labels
from bench.report.rows import Row

METRICS = ("loss", "accuracy", "validation_loss", "validation_accuracy")

MOST_A_GROUP = 24
"""Curves in one figure; more cannot be distinguished."""

MOST_GROUPS = 8
"""Modes and epoch counts with curves; more make the page too heavy."""


@dataclass(frozen=True)
class Course:
    """The metrics of one trial over its epochs."""

    label: str
    """What its configuration is called."""
    row: Row
    """Its row of the frame of trials."""
    epoch: NDArray[np.int64]
    """Counted from 1; shape (n,)."""
    metrics: dict[str, NDArray[np.float64]]
    """One of `METRICS` -> its values; shape (n,), NaN where there is none."""

    def has(self, metric: str) -> bool:
        """Whether the metric has any value."""
        return metric in self.metrics and bool(np.isfinite(self.metrics[metric]).any())


@dataclass(frozen=True)
class Group:
    """The courses of a mode and epoch count, one per configuration."""

    mode: str
    epochs: int
    """Asked for."""
    courses: list[Course]
    """In the suite's order."""
    left_out: int = 0
    """Configurations that are not among them."""


def read_groups(results: SuiteResults, trials: pd.DataFrame) -> tuple[list[Group], int]:
    """The courses to draw, and how many groups are left out.

    Of replicates the first that is done is drawn, else the first that started. Where a group has too many
    configurations, each network's most accurate ones take precedence.
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
    firsts = known.sort_values(["later", "order"]).drop_duplicates("configuration").sort_values("order")
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


def _read(results: SuiteResults, row: Row) -> Course:
    try:
        epochs = [epoch for stretch in history(attempt_of(results, row)) for epoch in stretch.epochs]
    except DamagedAttempt:  # its curves are missing, and nothing else
        epochs = []
    metrics = {name: np.array([epoch.metrics.get(name, np.nan) for epoch in epochs]) for name in METRICS}
    return Course(row["label"], row, np.array([epoch.epoch for epoch in epochs], int), metrics)


POINTS, FEW_POINTS = 500, 240
"""Points of a curve in a large figure and in a small one."""

TITLES = {
    "loss": "Training loss",
    "accuracy": "Training accuracy",
    "validation_loss": "Validation loss",
    "validation_accuracy": "Validation accuracy",
}

_MODE_COLORS = ("#3b82c4", "#e08a1e", "#2f9e6e", "#d1495b", "#8a63c7", "#6f8796", "#22a5b8", "#b5562b")


def all_networks(groups: Sequence[Group], colors: Colors) -> list[Figure]:
    """One figure per mode, epoch count and metric, one curve per network (thesis: 5.10 to 5.13, B.1)."""
    figures = []
    for group in groups:
        name = group_name(group.mode, group.epochs)
        for metric in METRICS:
            courses = [course for course in group.courses if course.has(metric)]
            if not courses:
                continue
            styles = _styles(courses)
            data = [
                _curve(course, metric, colors[course.row["network"]], dash, POINTS)
                for course, dash in zip(courses, styles, strict=True)
            ]
            figures.append(
                Figure(
                    f"{metric.replace('_', '-')}-{group_file(group.mode, group.epochs)}",
                    f"{TITLES[metric]}: {name}",
                    data,
                    _axes(metric),
                    _left_out(group),
                )
            )
    return figures


def together(groups: Sequence[Group], colors: Colors) -> Figure | None:
    """All curves in one figure; `meta` of each is what the page selects by. None where there are none."""
    data = []
    for group in groups:
        name = group_name(group.mode, group.epochs)
        for course, dash in zip(group.courses, _styles(group.courses), strict=True):
            for metric in METRICS:
                if not course.has(metric):
                    continue
                split = "validation" if metric.startswith("validation_") else "training"
                color = colors[course.row["network"]]
                curve = _curve(course, metric, color, "dot" if split == "training" else dash, FEW_POINTS)
                curve["name"] = f"{curve['name']}, {plain(name)}" if len(groups) > 1 else curve["name"]
                meta = {"group": name, "network": course.row["network"], "split": split}
                data.append(curve | {"meta": meta | {"metric": metric.removeprefix("validation_")}})
    return Figure("curves", "Learning curves", data, _axes("accuracy"), height=440) if data else None


def means(groups: Sequence[Group]) -> list[Figure]:
    """Mean loss and accuracy over the networks of each mode and epoch count (thesis: 5.14)."""
    figures = []
    longest = max((group.epochs for group in groups), default=0)
    wide = longest > 5 * min((group.epochs for group in groups), default=0)
    for metric in ("loss", "accuracy"):
        data = []
        for number, group in enumerate(groups):
            for dash, name in (("solid", metric), ("dot", f"validation_{metric}")):
                courses = [course for course in group.courses if course.has(name)]
                if not courses:
                    continue
                epoch, mean = mean_course(courses, name)
                what = "validation" if name != metric else "training"
                label = f"{group_name(group.mode, group.epochs)}: {what}"
                color = _MODE_COLORS[number % len(_MODE_COLORS)]
                data.append(_line(epoch, mean, label, color, dash, metric, POINTS, wide))
        if data:
            layout = _axes(metric)
            if wide:
                layout["xaxis"] |= {"type": "log"}
            figures.append(
                Figure(
                    f"mean-{metric}",
                    f"Mean {metric} over the networks of a mode",
                    data,
                    layout,
                    "At every epoch, the mean over the networks that reached it.",
                )
            )
    return figures


def mean_course(courses: Sequence[Course], metric: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Epochs, and at each the mean of a metric over the courses that have a value."""
    last = max(int(course.epoch[-1]) for course in courses)
    total, count = np.zeros(last), np.zeros(last)
    for course in courses:
        values = course.metrics[metric]
        finite = np.isfinite(values)
        at = course.epoch[finite] - 1
        total[at] += values[finite]
        count[at] += 1
    reached = count > 0
    return np.arange(1, last + 1)[reached], total[reached] / count[reached]


def each_network(groups: Sequence[Group], colors: Colors) -> list[Figure]:
    """Training against validation, one small figure per trial: accuracy above loss (thesis: A.1 to A.3)."""
    figures = []
    for group in groups:
        for number, course in enumerate(group.courses):
            color = colors[course.row["network"]]
            data = []
            for row, metric in ((1, "accuracy"), (2, "loss")):
                for dash, name in (("solid", metric), ("dot", f"validation_{metric}")):
                    if course.has(name):
                        label = "validation" if name != metric else "training"
                        one = _line(
                            course.epoch, course.metrics[name], label, color, dash, metric, FEW_POINTS
                        )
                        one |= {"yaxis": "y" if row == 1 else "y2", "showlegend": row == 1}
                        data.append(one)
            layout = {
                "xaxis": axis("epoch", anchor="y2"),
                "yaxis": axis("accuracy %", domain=[0.54, 1]),
                "yaxis2": axis("loss", domain=[0, 0.46], rangemode="tozero"),
            }
            name = f"{course.label}: {group_name(group.mode, group.epochs)}"
            if course.row["status"] != "done":
                name += f" ({course.row['status']})"
            file = f"training-validation-{group_file(group.mode, group.epochs)}-{number}"
            figures.append(Figure(file, name, data, layout, small=True, height=320))
    return figures


def modes_against_each_other(groups: Sequence[Group], colors: Colors) -> list[Figure]:
    """Validation accuracy of each network in every mode, for one epoch count (thesis: E.1)."""
    figures = []
    for epochs in dict.fromkeys(group.epochs for group in groups):
        alike = [group for group in groups if group.epochs == epochs]
        if len(alike) < 2:
            continue
        networks = dict.fromkeys(course.row["network"] for group in alike for course in group.courses)
        for number, network in enumerate(networks):
            data = []
            for group in alike:
                dash = "solid" if group.mode != "scratch" else "dot"
                for course in group.courses:
                    if course.row["network"] == network and course.has("validation_accuracy"):
                        extra = course.label.removeprefix(network)
                        values = course.metrics["validation_accuracy"]
                        label = f"{group.mode}{extra}"
                        data.append(
                            _line(course.epoch, values, label, colors[network], dash, "accuracy", FEW_POINTS)
                        )
            if len(data) > 1:
                figures.append(
                    Figure(
                        f"modes-{epochs}-{number}",
                        f"{network}: validation accuracy, {epochs} epochs",
                        data,
                        _axes("accuracy"),
                        small=True,
                        height=260,
                    )
                )
    return figures


def _styles(courses: Sequence[Course]) -> list[str]:
    """A dash per course: variants of one network have the same color and different dashes."""
    seen: dict[str, int] = {}
    dashes = []
    for course in courses:
        number = seen[course.row["network"]] = seen.get(course.row["network"], -1) + 1
        dashes.append(DASHES[number % len(DASHES)])
    return dashes


def _curve(course: Course, metric: str, color: str, dash: str, points: int) -> Trace:
    label = course.label if course.row["status"] == "done" else f"{course.label} ({course.row['status']})"
    return _line(course.epoch, course.metrics[metric], label, color, dash, metric, points)


def _line(
    epoch: ArrayLike,
    values: ArrayLike,
    label: str,
    color: str,
    dash: str,
    metric: str,
    points: int,
    logarithmic: bool = False,
) -> Trace:
    x, y = thin(epoch, values, points, logarithmic)
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(x) < 3 else "lines",
        "name": plain(label),
        "x": [int(one) for one in x],
        "y": percent(y) if "accuracy" in metric else numbers(y),
        "line": {"color": color, "dash": dash, "width": 1.4},
    }


def _axes(metric: str) -> Layout:
    y = axis("accuracy %") if "accuracy" in metric else axis("loss (nats)", rangemode="tozero")
    return {"xaxis": axis("epoch"), "yaxis": y}


def _left_out(group: Group) -> str:
    parts = []
    if any(course.row.get("seeds") for course in group.courses):
        parts.append("Of replicates, the first is drawn.")
    if group.left_out:
        drawn = len(group.courses)
        parts.append(
            f"{drawn} of {drawn + group.left_out} configurations: each network's most accurate ones."
        )
    return " ".join(parts)
