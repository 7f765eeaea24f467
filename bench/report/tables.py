"""Tables for the terminal, as CSV, as Markdown and as LaTeX."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bench.journal.results import SuiteResults
from bench.report.columns import NAMES, Column, evaluation_columns, overview_columns
from bench.report.frame import repeats_frame, trials_frame
from bench.report.markup import as_latex, as_markdown
from bench.worker.files import write_text

__all__ = ["NAMES", "Table", "make_tables", "trial_tables", "write_tables"]


@dataclass(frozen=True)
class Table:
    """A table with a title; `frame` has full precision, `written` is what people read.

    Attributes:
        title: What it shows.
        file: Name of its files, without suffix.
        frame: The values.
        columns: What of the frame is written; else what an overview shows.
        notes: Sentences below it.
    """

    title: str
    file: str
    frame: pd.DataFrame
    columns: dict[str, Column] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def written(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows as text; columns that say nothing are left out."""
        columns = dict(self.columns or overview_columns(self.frame))
        for name in self._redundant():
            columns.pop(name, None)
        written = {
            column.heading: column.trials(self.frame, name)
            for name, column in columns.items()
            if all(source in self.frame for source in column.sources or (name,))
        }
        written = {heading: trials for heading, trials in written.items() if any(trials)}
        if set(written.get("failed", ())) <= {"0", ""}:
            written.pop("failed", None)
        return list(written), [list(row) for row in zip(*written.values(), strict=True)]

    def _redundant(self) -> list[str]:
        """Columns that only matter beside others which are not here."""
        frame, redundant = self.frame, []
        if "status" in frame and set(frame["status"]) == {"done"}:
            redundant.append("status")
        if "repeats" in frame and not (frame["repeats"] > 1).any():
            redundant.append("repeats")
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


def make_tables(results: SuiteResults, trial_ids: Iterable[str]) -> list[Table]:
    """The tables that a run prints, from its records alone, see `trial_tables`."""
    trials = trials_frame(results, trial_ids)
    return trial_tables(results.suite, trials, repeats_frame(trials))


def trial_tables(suite: str, trials: pd.DataFrame, repeats: pd.DataFrame) -> list[Table]:
    """A row a trial with accuracy and times; one with its evaluation; means, where there are repeats.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        repeats: See `bench.report.frame.repeats_frame`.
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
    if len(repeats) and repeats["repeats"].max() > 1:
        tables.append(Table(f"{suite}: means over repeats", "repeats", repeats))
    return tables


def write_tables(tables: Iterable[Table], report: Path) -> list[str]:
    """Write each table as CSV, Markdown and LaTeX into the folder of a report; the paths that were written.

    Tables of an earlier report that this one lacks are removed: they would tell of another state.
    """
    folder = report / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        headings, rows = table.written()
        for path, text in (
            (folder / f"{table.file}.csv", table.frame.to_csv(index=False)),
            (folder / f"{table.file}.md", as_markdown(table.title, headings, rows, table.notes)),
            (folder / f"{table.file}.tex", as_latex(table.title, headings, rows, table.notes)),
        ):
            write_text(path, text)
            written.append(str(path))
    for path in folder.iterdir():
        if path.suffix in (".csv", ".md", ".tex") and str(path) not in written:
            path.unlink(missing_ok=True)
    return written
