"""A table: its columns, how their values are written, and its files."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bench.report.rows import CLASS, LOW
from bench.report.tables.formats import (
    as_latex,
    as_markdown,
    bounds,
    epochs,
    missing,
    number,
    parameters,
    text,
)
from bench.worker.files import write_text


@dataclass(frozen=True)
class Column:
    """A column of a printed table."""

    heading: str
    write: Callable[..., str] = text
    """From the values of a row to text."""
    sources: tuple[str, ...] = ()
    """The columns of the frame that `write` takes. Without any, the one with the column's own name."""
    writer_for: Callable[[Iterable[Any]], Callable[..., str]] | None = None
    """From the whole first source to `write`, where the values of a column share something, such as a unit."""

    def texts(self, frame: pd.DataFrame, name: str) -> list[str]:
        """The text of every row."""
        sources = [frame[source] for source in self.sources or (name,)]
        write = self.writer_for(sources[0]) if self.writer_for else self.write
        return [write(*values) for values in zip(*sources, strict=True)]


BETWEEN_RUNS = "In brackets: 95 % interval of the mean over replicates (Student's t)."

NAMES = {
    "network": Column("network", text),
    "weights": Column("weights", text),
    "mode": Column("mode", text),
    "epochs": Column("epochs", epochs),
    "variant": Column("variant", text),
    "device": Column("device", text),
    "seeds": Column("seeds", text),
    "replicates": Column("replicates", number("{:.0f}")),
}
"""Columns that identify a row."""

_BEFORE_CLASSES = {
    "failed": Column("failed", number("{:.0f}")),
    "status": Column("status", text),
    "reason": Column("reason", text),
    "test_accuracy": Column("accuracy %", number("{:.1f}", 100)),
    "balanced_accuracy": Column("balanced %", number("{:.1f}", 100)),
    "external_balanced_accuracy": Column("external %", number("{:.1f}", 100)),
    "aligned_accuracy": Column("aligned %", number("{:.1f}", 100)),
    "shuffled_accuracy": Column("shuffled %", number("{:.1f}", 100)),
    "validation_accuracy": Column("val. %", number("{:.1f}", 100)),
    "validation_binary_accuracy": Column("binary %", number("{:.1f}", 100)),
    "accuracy_low": Column("balanced % low", number("{:.1f}", 100)),
    "accuracy_high": Column("balanced % high", number("{:.1f}", 100)),
    "balanced_accuracy_low": Column("95 %", bounds, ("balanced_accuracy_low", "balanced_accuracy_high")),
    "test_loss": Column("loss", number("{:.3f}")),
}
_AFTER_CLASSES = {
    "fit_s": Column("fit s", number("{:.1f}")),
    "clock": Column("clock", text),
    "clocked_fit_s": Column("timed s", number("{:.1f}")),
    "fit_cpu_s": Column("fit CPU s", number("{:.1f}")),
    "result_s": Column("result s", number("{:.1f}")),
    "train_images_per_s": Column("images/s", number("{:.0f}")),
    "feature_images_per_s": Column("features/s", number("{:.0f}")),
    "parameters": Column("parameters", parameters),
    "disturbed": Column("disturbed", text),
    "note": Column("note", text),
}


def between_runs(columns: Mapping[str, Column], frame: pd.DataFrame) -> dict[str, Column]:
    """The columns, each with the 95 % interval of its mean over replicates where the frame has one."""
    found = dict(columns)
    for name, column in columns.items():
        low, high = f"{name}_t95_low", f"{name}_t95_high"
        if low in frame and frame[low].notna().any() and column.sources in ((), (name,)):
            found[name] = _with_interval(column, (name, low, high))
    return found


def _with_interval(column: Column, sources: tuple[str, str, str]) -> Column:
    def writer_for(values: Iterable[Any]) -> Callable[..., str]:
        write = column.writer_for(values) if column.writer_for else column.write

        def with_bounds(value: Any, low: Any, high: Any) -> str:
            return write(value) if missing(low) else f"{write(value)} [{write(low)} – {write(high)}]"

        return with_bounds

    return Column(column.heading, sources=sources, writer_for=writer_for)


def overview_columns(frame: pd.DataFrame) -> dict[str, Column]:
    """The columns of a table of accuracy and times; classes too, where no table of the evaluation has them."""
    classes = {
        f"{CLASS}{name}": Column(f"{name} %", number("{:.1f}", 100))
        for name in classes_of(frame)
        if "trial" not in frame or f"{LOW}{name}" not in frame
    }
    return NAMES | _BEFORE_CLASSES | classes | between_runs(_AFTER_CLASSES, frame)


def classes_of(frame: pd.DataFrame) -> list[str]:
    """The classes of which a frame has the accuracy."""
    return [name.removeprefix(CLASS) for name in frame.columns if name.startswith(CLASS)]


@dataclass(frozen=True)
class Table:
    """A table with a title: `frame` has full precision, `written` is for people."""

    title: str
    file: str
    """Name of its files, without suffix."""
    frame: pd.DataFrame
    columns: dict[str, Column] = field(default_factory=dict)
    """The columns of the frame that are written; without any, those of an overview."""
    notes: tuple[str, ...] = ()
    """Sentences below it."""

    def written(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows as text, without columns that say nothing."""
        columns = dict(self.columns or overview_columns(self.frame))
        for name in self._redundant():
            columns.pop(name, None)
        # By the name of the column: two columns may have one heading, such as a class called "mean".
        written = {
            name: texts
            for name, column in columns.items()
            if all(source in self.frame for source in column.sources or (name,))
            and any(texts := column.texts(self.frame, name))
        }
        if set(written.get("failed", ())) <= {"0", ""}:
            written.pop("failed", None)
        headings = [columns[name].heading for name in written]
        return headings, [list(row) for row in zip(*written.values(), strict=True)]

    def _redundant(self) -> list[str]:
        """Columns that only matter beside others, which are not here."""
        frame, redundant = self.frame, []
        if "status" in frame and set(frame["status"]) == {"done"}:
            redundant.append("status")
        if "device" in frame and frame["device"].nunique() < 2:
            redundant.append("device")
        if "replicates" in frame and not (frame["replicates"] > 1).any():
            redundant.append("replicates")
        if "shuffled_accuracy" in frame and frame["shuffled_accuracy"].isna().all():
            redundant.append("aligned_accuracy")
        if "validation_binary_accuracy" in frame and frame["validation_binary_accuracy"].isna().all():
            redundant.append("validation_accuracy")
        if "clocked_fit_s" in frame and frame["clocked_fit_s"].equals(frame["fit_s"]):
            redundant += ["clock", "clocked_fit_s"]
        return redundant

    def markdown(self) -> str:
        """The table as Markdown."""
        return as_markdown(self.title, *self.written(), self.notes)

    def latex(self) -> str:
        """The table as LaTeX."""
        return as_latex(self.title, *self.written(), self.notes)


def write_tables(tables: Iterable[Table], report: Path) -> list[str]:
    """Write each table as CSV, Markdown and LaTeX into the folder of a report; the paths that were written.

    Tables of an earlier report that this one lacks are removed: they would describe another state.
    """
    folder = report / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        headings, rows = table.written()
        for path, content in (
            (folder / f"{table.file}.csv", table.frame.to_csv(index=False)),
            (folder / f"{table.file}.md", as_markdown(table.title, headings, rows, table.notes)),
            (folder / f"{table.file}.tex", as_latex(table.title, headings, rows, table.notes)),
        ):
            write_text(path, content)
            written.append(str(path))
    for path in folder.iterdir():
        if path.suffix in (".csv", ".md", ".tex") and str(path) not in written:
            path.unlink(missing_ok=True)
    return written
