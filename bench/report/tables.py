"""Tables for the terminal, as CSV and as Markdown."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.journal.results import SuiteResults
from bench.report.frame import cells_frame, repeats_frame

_CLASS = "accuracy of "


@dataclass(frozen=True)
class Column:
    """A column of a printed table: its heading, and how a value of it is written."""

    heading: str
    write: Any


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _number(pattern: str, scale: float = 1.0):
    def write(value: Any) -> str:
        return "" if not _text(value) else pattern.format(value * scale)

    return write


def _epochs(value: Any) -> str:
    """Classical methods know no epochs."""
    return f"{value:.0f}" if _text(value) and value else ""


NAMES = {
    "network": Column("network", _text),
    "weights": Column("weights", _text),
    "mode": Column("mode", _text),
    "epochs": Column("epochs", _epochs),
    "variant": Column("variant", _text),
    "seeds": Column("seeds", _text),
    "repeats": Column("repeats", _number("{:.0f}")),
}
"""Columns that say which row it is."""

_BEFORE_CLASSES = {
    "failed": Column("failed", _number("{:.0f}")),
    "status": Column("status", _text),
    "reason": Column("reason", _text),
    "test_accuracy": Column("accuracy %", _number("{:.1f}", 100)),
    "balanced_accuracy": Column("balanced %", _number("{:.1f}", 100)),
    "aligned_accuracy": Column("aligned %", _number("{:.1f}", 100)),
    "shuffled_accuracy": Column("shuffled %", _number("{:.1f}", 100)),
    "validation_accuracy": Column("val. %", _number("{:.1f}", 100)),
    "validation_binary_accuracy": Column("binary %", _number("{:.1f}", 100)),
    "accuracy_low": Column("lowest %", _number("{:.1f}", 100)),
    "accuracy_high": Column("highest %", _number("{:.1f}", 100)),
    "test_loss": Column("loss", _number("{:.3f}")),
}
_AFTER_CLASSES = {
    "fit_s": Column("fit s", _number("{:.1f}")),
    "clock": Column("clock", _text),
    "clocked_fit_s": Column("timed s", _number("{:.1f}")),
    "fit_cpu_s": Column("fit CPU s", _number("{:.1f}")),
    "result_s": Column("result s", _number("{:.1f}")),
    "train_images_per_s": Column("images/s", _number("{:.0f}")),
    "feature_images_per_s": Column("features/s", _number("{:.0f}")),
    "parameters": Column("parameters", _number("{:.2f} M", 1e-6)),
}


@dataclass(frozen=True)
class Table:
    """A table with a title; `frame` has full precision, `written` is what people read."""

    title: str
    file: str
    frame: pd.DataFrame

    def written(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows as text; columns that say nothing are left out."""
        columns = NAMES | _BEFORE_CLASSES | self._class_columns() | _AFTER_CLASSES
        for name in self._redundant():
            columns.pop(name, None)
        written = {
            column.heading: [column.write(value) for value in self.frame[name]]
            for name, column in columns.items()
            if name in self.frame
        }
        written = {heading: cells for heading, cells in written.items() if any(cells)}
        if set(written.get("failed", [])) == {"0"}:
            del written["failed"]
        return list(written), [list(row) for row in zip(*written.values(), strict=True)]

    def _redundant(self) -> list[str]:
        """Columns that only matter beside others which are not here."""
        frame, redundant = self.frame, []
        if "status" in frame and set(frame["status"]) == {"done"}:
            redundant.append("status")
        if "shuffled_accuracy" in frame and frame["shuffled_accuracy"].isna().all():
            redundant.append("aligned_accuracy")
        if "validation_binary_accuracy" in frame and frame["validation_binary_accuracy"].isna().all():
            redundant.append("validation_accuracy")
        if "clock" in frame and "process" not in set(frame["clock"]):
            redundant += ["clock", "clocked_fit_s"]
        return redundant

    def _class_columns(self) -> dict[str, Column]:
        names = [name for name in self.frame.columns if name.startswith(_CLASS)]
        return {name: Column(f"{name.removeprefix(_CLASS)} %", _number("{:.1f}", 100)) for name in names}

    def markdown(self) -> str:
        """The table as Markdown."""

        def line(cells: Iterable[str]) -> str:
            return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"

        headings, rows = self.written()
        lines = [f"### {self.title}", "", line(headings), line("---" for _ in headings), *map(line, rows)]
        return "\n".join(lines) + "\n"


def make_tables(results: SuiteResults, cell_ids: Iterable[str]) -> list[Table]:
    """The tables of a suite: a row a cell; and means, where configurations are repeated."""
    cells = cells_frame(results, cell_ids)
    tables = [Table(f"{results.suite}: every cell", "cells", cells)]
    repeats = repeats_frame(cells)
    if len(repeats) and repeats["repeats"].max() > 1:
        tables.append(Table(f"{results.suite}: means over repeats", "repeats", repeats))
    return tables


def write_tables(tables: Iterable[Table], results: SuiteResults) -> list[str]:
    """Write each table as CSV and Markdown; the paths that were written."""
    folder = results.report / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        for path, text in (
            (folder / f"{table.file}.csv", table.frame.to_csv(index=False)),
            (folder / f"{table.file}.md", table.markdown()),
        ):
            partial = path.with_name(path.name + ".partial")
            partial.write_text(text)
            partial.replace(path)
            written.append(str(path))
    return written
