"""`run SUITE`: run every cell that is not done, record it, print the tables."""

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
        typer.Option("--fresh", help="Run cells from their beginning, finished ones too, as new attempts."),
    ] = False,
) -> int:
    """Run every cell of a suite that is not done yet, and print its tables."""
    from bench.commands.progress import Progress
    from bench.commands.report import print_tables, write_page
    from bench.commands.terminal import Terminal
    from bench.errors import ExitCode
    from bench.runner.suite import RunOptions, run_suite
    from bench.tracking.settings import ui_command

    console = Terminal()
    with Progress(console) as progress:
        outcome = run_suite(suite, results, progress, RunOptions(devices, data, weights, only, fresh))
    print_tables(console, outcome.results, outcome.suite_ids, shown=outcome.cell_ids)
    page = write_page(console, outcome.results, outcome.suite_ids, suite)
    console.print(
        f"Records are in {outcome.results.cells}, tables in {outcome.results.report / 'tables'}.\n"
        + (f"Look at it all: {page}\n" if page else f"A page to look at: python -m bench report {suite}\n")
        + f"Compare runs in the browser: {ui_command(results)}",
        markup=False,
    )
    if outcome.failed:
        count = f"{len(outcome.failed)} cell{'' if len(outcome.failed) == 1 else 's'}"
        console.print(f"{count} failed; the same command tries again.", style="red")
    return ExitCode.CELLS_FAILED if outcome.failed else ExitCode.OK
