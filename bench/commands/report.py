"""`report SUITE|DIR`: tables, figures and one page to look at, from what is recorded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    ResultsOption,
    WeightsOption,
)

QUICK_TRIALS = 200
"""So many trials make a page in seconds; a run of more leaves it to `report`."""


def report(
    suite: Annotated[
        Path,
        typer.Argument(
            metavar="SUITE|DIR", help="A suite file, or the results of one, such as results/demo."
        ),
    ],
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="NAME", help="Set published figures beside ours: thesis-2018."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Where files go; else report in the suite's results."),
    ] = None,
) -> None:
    """Make tables, figures and report.html from what is recorded.

    The tables are printed too. Trials that did not run, or failed, are rows as well.
    """
    from bench.commands.tables import print_table, print_troubles
    from bench.commands.terminal import Terminal
    from bench.journal.results import SuiteResults
    from bench.report.report import FILE, make_report
    from bench.report.selection import Selection, no_folder, select_folder
    from bench.report.tables.reference import require_reference
    from bench.suite.open import open_suite

    require_reference(reference)
    if suite.is_dir():
        selected = select_folder(suite)
    elif not suite.exists() and suite.suffix != ".toml":
        raise no_folder(suite)
    else:
        resolved = open_suite(suite, results / "cache", devices, data, weights).resolved
        ids = [trial.id for trial in resolved.trials]
        selected = Selection(SuiteResults(results, resolved.name), ids, resolved.description)
    console = Terminal()
    said = f"python -m bench report {suite}" + (f" --reference {reference}" if reference else "")
    contents = make_report(
        selected.results, selected.trial_ids, reference, selected.description, selected.notes, said, to=to
    )
    folder = to or selected.results.report
    for table in contents.tables.values():
        print_table(console, table)
    print_troubles(console, contents.trials)
    for note in contents.notes:
        console.print(note, markup=False)
    console.print(
        f"Tables (CSV, Markdown, LaTeX) are in {folder / 'tables'}\nEverything: {folder / FILE}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def print_brief(console, results, trial_ids: Sequence[str], shown: Sequence[str]) -> None:
    """Write the tables of a suite beside its records, and print some of its trials in one short table."""
    from bench.commands.tables import print_table, print_troubles
    from bench.report.frame import configurations_frame, trials_frame
    from bench.report.tables.summary import summary_table, trial_tables
    from bench.report.tables.table import write_tables

    trials = trials_frame(results, trial_ids)
    write_tables(trial_tables(results.suite, trials, configurations_frame(trials)), results.report)
    if len(shown) < len(trial_ids):
        trials = trials_frame(results, shown)
    print_table(console, summary_table(results.suite, trials, configurations_frame(trials)), pieces=1)
    print_troubles(console, trials)


def write_page(console, results, trial_ids: Sequence[str], suite: Path) -> Path | None:
    """Write the page at the end of a run, where that is quick; None where it was not written.

    What goes wrong here is said and never fails a run: everything is recorded, and the page can be made
    again.
    """
    if len(trial_ids) > QUICK_TRIALS:
        return None
    from bench.report.report import FILE, make_report
    from bench.suite.load import load_suite

    try:
        description = load_suite(suite)[0].suite.description
        make_report(results, trial_ids, description=description, command=f"python -m bench run {suite}")
    except Exception as error:
        console.print(f"The page could not be written: {type(error).__name__}: {error}", markup=False)
        return None
    return results.report / FILE
