"""`report SUITE`: tables, figures and one page, from what is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    JsonOption,
    OnlyOption,
    OutputOption,
    ResultsOption,
    WeightsOption,
)

if TYPE_CHECKING:
    import pandas as pd

    from bench.commands.target import Target
    from bench.commands.terminal import Terminal
    from bench.journal.results import SuiteResults
    from bench.report.overview import SuiteLine
    from bench.report.selection import Selection
    from bench.report.tables.table import Table

QUICK_TRIALS = 200
"""A page of so many trials takes seconds; after a run of more, only `report` makes it."""


@dataclass(frozen=True)
class TableDocument:
    """A table as people read it; its CSV file has full precision."""

    title: str
    file: str
    """Name of its files, without suffix."""
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]


@dataclass(frozen=True)
class ReportDocument:
    """What `report --json` prints."""

    suite: str
    page: Path
    folder: Path
    """Has `tables/` and `figures/`."""
    tables: list[TableDocument]
    notes: list[str]


@dataclass(frozen=True)
class OverviewDocument:
    """What `report --all --json` prints."""

    page: Path
    suites: "list[SuiteLine]"
    """The one that ran last first."""


def report(
    suite: Annotated[
        str | None,
        typer.Argument(
            metavar="SUITE", help="A suite file, the name of a suite such as demo, or its results folder."
        ),
    ] = None,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="NAME",
            help="Add published results to compare with: thesis-2018 or bloodmnist.",
        ),
    ] = None,
    every_suite: Annotated[
        bool,
        typer.Option(
            "--all", help="Make one page over all suites of the results folder, with their answers."
        ),
    ] = False,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make tables, figures and report.html from what is recorded.

    Print the tables too. Trials that did not run, or failed, are rows as well. By default, files go to the
    folder report in the results of the suite.
    """
    from bench.commands.output import print_document
    from bench.commands.target import find_target
    from bench.commands.terminal import Terminal, messages, print_table, print_troubles
    from bench.errors import command
    from bench.report.report import FILE, make_report
    from bench.report.tables.reference import require_reference

    if every_suite or suite is None:
        _overview(suite, every_suite, results, as_json)
        return
    require_reference(reference)
    selected = _selected(find_target(suite, results), only, devices, data, weights)
    said = f"{command()} report {suite}" + (f" --reference {reference}" if reference else "")
    contents = make_report(
        selected.results,
        selected.trial_ids,
        reference,
        selected.description,
        selected.notes,
        said,
        to=output,
        margin=selected.margin,
    )
    folder = output or selected.results.report
    tables = list(contents.tables.values())
    if as_json:
        found = [_document(table) for table in tables]
        print_document(ReportDocument(contents.suite, folder / FILE, folder, found, list(contents.notes)))
        return
    console = Terminal()
    for table in tables:
        print_table(console, table)
    print_troubles(console, contents.trials)
    for note in contents.notes:
        console.print(note, markup=False)
    messages().say(f"Tables (CSV, Markdown, LaTeX): {folder / 'tables'}\nReport: {folder / FILE}")


def _overview(suite: str | None, every_suite: bool, results: Path, as_json: bool) -> None:
    """The page over all suites."""
    from datetime import UTC, datetime

    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, messages, print_rows
    from bench.errors import InputError
    from bench.report.overview import suite_lines, write_overview

    if suite is not None:
        raise InputError("report takes a suite or --all, not both", "Leave one of them out.")
    if not every_suite:
        raise InputError("report needs a suite", "Name one, or give --all for a page over all of them.")
    lines = suite_lines(results)
    page = write_overview(lines, results, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    if as_json:
        print_document(OverviewDocument(page, lines))
        return
    rows = [
        [line.suite, f"{line.done} of {line.total}", line.answer or "nothing is done yet"] for line in lines
    ]
    print_rows(Terminal(), ("suite", "done", "answer"), rows, whole=2)
    messages().say(f"Page: {page}")


def _selected(
    target: "Target", only: str | None, devices: str | None, data: Path | None, weights: Path | None
) -> "Selection":
    """The trials of a suite file, also those that did not run; or those that a results folder has."""
    from bench.commands.target import choose_ids
    from bench.errors import InputError, command
    from bench.journal.results import SuiteResults
    from bench.report.selection import Selection, recorded_ids, select_folder
    from bench.trials.layout import CACHE

    if target.suite is None:
        selected = select_folder(target.folder)
    else:
        from bench.suite.resolve import resolve_suite

        resolved = resolve_suite(target.suite, target.results / CACHE, devices, data, weights)
        recorded = SuiteResults(target.results, resolved.name)
        ids = [trial.id for trial in resolved.trials]
        if resolved.downloads:
            ids = recorded_ids(recorded, resolved.trials)
        there = recorded.trial_ids()
        if not there:
            raise InputError(
                f"there are no results of {resolved.name} in {target.results}",
                f"Make them with `{command()} run {target.text}`, or name their folder with --results.",
            )
        if set(there).isdisjoint(ids):  # a page without them would replace theirs
            ran = f"{len(there)} trial{'s' * (len(there) > 1)}"
            raise InputError(
                f"no trial of {target.text} ran as it is now, by this version and these devices",
                f"`{command()} report {recorded.folder}` shows the {ran} that ran.",
            )
        selected = Selection(recorded, ids, resolved.description, resolved.margin)
    return replace(selected, trial_ids=choose_ids(selected.trial_ids, only))


def _document(table: "Table") -> TableDocument:
    columns, rows = table.written()
    return TableDocument(table.title, table.file, columns, rows, list(table.notes))


@dataclass(frozen=True)
class Brief:
    """What a run ends with."""

    trials: "pd.DataFrame"
    """Those that were asked for, see `bench.report.frame.trials_frame`."""
    table: "Table"


def write_brief(results: "SuiteResults", trial_ids: Sequence[str], shown: Sequence[str]) -> Brief:
    """Write the tables of a suite beside its records; gives the short table of the trials `shown`."""
    from bench.report.frame import configurations_frame, trials_frame
    from bench.report.tables.summary import summary_table, trial_tables
    from bench.report.tables.table import write_tables

    trials = trials_frame(results, trial_ids)
    write_tables(trial_tables(results.suite, trials, configurations_frame(trials)), results.report)
    if len(shown) < len(trial_ids):
        trials = trials_frame(results, shown)
    return Brief(trials, summary_table(results.suite, trials, configurations_frame(trials)))


def print_brief(console: "Terminal", brief: Brief) -> None:
    """Print the short table, and what became of trials that are not done."""
    from bench.commands.terminal import print_table, print_troubles

    print_table(console, brief.table, pieces=1)
    print_troubles(console, brief.trials)


@dataclass(frozen=True)
class WrittenPage:
    """The page that a run wrote."""

    path: Path
    answer: str
    """In one sentence or two; empty where nothing is done."""
    cautions: Sequence[str] = ()
    """See `bench.report.cautions`."""


def write_page(
    console: "Terminal", results: "SuiteResults", trial_ids: Sequence[str], suite: Path
) -> WrittenPage | None:
    """Write the page at the end of a run, where that is quick; None where it was not written.

    A failure is printed and does not fail the run: everything is recorded, and `report` makes the page again.
    """
    if len(trial_ids) > QUICK_TRIALS:
        return None
    from bench.errors import command
    from bench.report.answer import in_one_sentence
    from bench.report.cautions import cautions
    from bench.report.report import FILE, make_report
    from bench.suite.file import load_suite

    try:
        table = load_suite(suite)[0].suite
        said = f"{command()} run {suite}"
        contents = make_report(
            results, trial_ids, description=table.description, command=said, margin=table.margin / 100
        )
    except Exception as error:
        console.say(
            f"warning: the report could not be written: {type(error).__name__}: {error}", style="yellow"
        )
        return None
    return WrittenPage(
        results.report / FILE,
        in_one_sentence(contents.decision),
        cautions(results, contents.trials),
    )
