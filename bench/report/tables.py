"""Tables for the terminal, as CSV and as Markdown."""

import html
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from bench.journal.results import SuiteResults
from bench.report.columns import NAMES, Column, evaluation_columns, overview_columns
from bench.report.frame import cells_frame, repeats_frame

__all__ = ["NAMES", "Table", "make_tables", "write_tables"]


@dataclass(frozen=True)
class Table:
    """A table with a title; `frame` has full precision, `written` is what people read.

    Attributes:
        title: What it shows.
        file: Name of its files, without suffix.
        frame: The values.
        columns: What of the frame is written; else what an overview shows.
    """

    title: str
    file: str
    frame: pd.DataFrame
    columns: dict[str, Column] = field(default_factory=dict)

    def written(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows as text; columns that say nothing are left out."""
        columns = dict(self.columns or overview_columns(self.frame))
        for name in self._redundant():
            columns.pop(name, None)
        written = {
            column.heading: column.cells(self.frame, name)
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
        if "clocked_fit_s" in frame and frame["clocked_fit_s"].equals(frame["fit_s"]):
            redundant += ["clock", "clocked_fit_s"]
        return redundant

    def markdown(self) -> str:
        """The table as Markdown."""

        def line(cells: Iterable[str]) -> str:
            return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"

        headings, rows = self.written()
        lines = [f"### {self.title}", "", line(headings), line("---" for _ in headings), *map(line, rows)]
        return "\n".join(lines) + "\n"


def _markdown(cell: str) -> str:
    """Names of classes may hold anything; as Markdown it must stay text."""
    return html.escape(" ".join(cell.split()), quote=False).replace("|", "\\|")


def make_tables(results: SuiteResults, cell_ids: Iterable[str]) -> list[Table]:
    """The tables of a suite, from its records alone.

    A row a cell with accuracy and times; a row a cell with the further figures of its evaluation; and means,
    where configurations are repeated.
    """
    cells = cells_frame(results, cell_ids)
    tables = [Table(f"{results.suite}: every cell", "cells", cells)]
    columns = evaluation_columns(cells)
    if "macro_f1" in cells and cells["macro_f1"].notna().any():
        shown = [
            name for name in (*columns, *(n for c in columns.values() for n in c.sources)) if name in cells
        ]
        evaluated = cells.loc[cells["status"] == "done", ["cell", *dict.fromkeys(shown)]]
        title = f"{results.suite}: evaluation, with 95 % intervals of the classes"
        tables.append(Table(title, "evaluation", evaluated, columns))
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
