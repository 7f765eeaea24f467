"""Test accuracy of every class by network, as in Tables 5.1 and 5.2 of the thesis."""

import pandas as pd

from bench.report.frame import BOTH_HIGH, BOTH_LOW, CONFIGURATION
from bench.report.names import group_file, group_name, groups_of
from bench.report.rows import CLASS
from bench.report.tables.formats import number, share_or_bounds, text
from bench.report.tables.table import NAMES, Column, Table


def accuracy_tables(suite: str, configurations: pd.DataFrame) -> list[Table]:
    """One table per mode and epoch count: networks by classes, and the mean over networks.

    Args:
        suite: Its name.
        configurations: See `bench.report.frame.configurations_frame`.
    """
    classes = [name.removeprefix(CLASS) for name in configurations if name.startswith(CLASS)]
    tables = []
    for (mode, epochs), group in groups_of(configurations):
        if not group["replicates"].sum():
            continue
        own = [name for name in classes if group[f"{CLASS}{name}"].notna().any()]
        names = ["network", "weights", "variant", "device", "replicates", "failed"]
        values = [f"{CLASS}{name}" for name in own]
        bounds = [f"{bound}{name}" for name in own for bound in (BOTH_LOW, BOTH_HIGH)]
        shown = [*names, *values, "balanced_accuracy"]
        frame = group[[*shown, *bounds, "balanced_accuracy_low", "balanced_accuracy_high"]].copy()
        if len(frame) > 1:
            means = frame[[*values, "balanced_accuracy"]].mean()
            done = int((frame["replicates"] > 0).sum())
            last = pd.DataFrame([{"network": f"mean of {done}", **means}]).dropna(axis=1, how="all")
            frame = pd.concat([frame, last], ignore_index=True)
        repeated = (group["replicates"] > 1).any()
        note = "In brackets the 95 % interval over replicates and test images together." if repeated else ""
        tables.append(
            Table(
                f"{suite}: test accuracy % of the classes, {group_name(mode, epochs)}",
                f"accuracy-{group_file(mode, epochs)}",
                frame,
                _columns(own),
                notes=(note,) if note else (),
            )
        )
    return tables


def classification_table(suite: str, configurations: pd.DataFrame) -> Table | None:
    """Precision, recall, F1 and AUC, one row per configuration and class; None where there are none."""
    classes = [name.removeprefix("f1 of ") for name in configurations if name.startswith("f1 of ")]
    done = configurations[configurations["replicates"] > 0]
    parts = []
    for position, name in enumerate(classes):
        metrics = {
            what: done[f"{column} of {name}"]
            for what, column in (
                ("precision", "precision"),
                ("recall", "accuracy"),
                ("f1", "f1"),
                ("auc", "auc"),
                ("images", "images"),
            )
            if f"{column} of {name}" in done
        }
        head = done[CONFIGURATION].assign(**{"class": name}, **metrics)
        parts.append(head.assign(_row=range(len(head)), _class=position))
    if not parts:
        return None
    frame = pd.concat(parts).sort_values(["_row", "_class"]).drop(columns=["_row", "_class"])
    frame = frame[frame["recall"].notna()]
    columns = {name: NAMES[name] for name in CONFIGURATION} | {
        "class": Column("class", text),
        **{name: Column(name, number("{:.3f}")) for name in ("precision", "recall", "f1", "auc")},
        "images": Column("images", number("{:.0f}")),
    }
    return Table(f"{suite}: classification report", "classification-report", frame, columns)


def _columns(classes: list[str]) -> dict[str, Column]:
    columns = {name: NAMES[name] for name in ("network", "weights", "variant", "device", "replicates")}
    columns["failed"] = Column("failed", number("{:.0f}"))
    for name in classes:
        sources = (f"{CLASS}{name}", f"{BOTH_LOW}{name}", f"{BOTH_HIGH}{name}")
        columns[f"{CLASS}{name}"] = Column(f"{name} %", share_or_bounds, sources)
    mean = ("balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high")
    columns["balanced_accuracy"] = Column("mean %", share_or_bounds, mean)
    return columns
