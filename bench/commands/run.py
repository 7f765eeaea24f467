"""`run SUITE`: run every trial that is not done, record it, and say in short what came of it."""

from typing import Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    OnlyOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)


def run(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Run trials from their beginning, finished ones too, as new attempts."),
    ] = False,
) -> int:
    """Run every trial of a suite that is not done yet.

    It ends with a short table, and writes tables and a page.
    """
    from bench.commands.progress import Progress
    from bench.commands.report import print_brief, write_page
    from bench.commands.terminal import Terminal
    from bench.errors import ExitCode
    from bench.runner.suite import RunOptions, run_suite

    console = Terminal()
    with Progress(console) as progress:
        outcome = run_suite(suite, results, progress, RunOptions(devices, data, weights, only, fresh))
    print_brief(console, outcome.results, outcome.suite_ids, outcome.trial_ids)
    page = write_page(console, outcome.results, outcome.suite_ids, suite)
    if outcome.failed:
        count = f"{len(outcome.failed)} trial{'' if len(outcome.failed) == 1 else 's'}"
        console.print(f"{count} failed; the same command tries again.", style="red", highlight=False)
    tables = outcome.results.report / "tables"
    said = f"Everything: {page}" if page else f"Tables: {tables}; a page: python -m bench report {suite}"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    return ExitCode.TRIALS_FAILED if outcome.failed else ExitCode.OK
