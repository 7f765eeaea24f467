"""`history`: how a suite changed from version to version, from the comparisons that were kept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    DEFAULT_CHANGE,
    DEFAULT_MARGIN,
    DEFAULT_RESULTS,
    ChangeOption,
    JsonOption,
    MarginOption,
    OnlyOption,
    OutputOption,
    ResultsOption,
)
from bench.errors import ExitCode, InputError

if TYPE_CHECKING:
    from bench.compare.steps import History


def history(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="RESULTS", help="The results folder that has the comparisons, as --results."),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    change: ChangeOption = DEFAULT_CHANGE,
    margin: MarginOption = DEFAULT_MARGIN,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> int:
    """Draw how each suite changed from version to version.

    The comparisons of `regress` make a chain, where the candidate of one is the baseline of the next. Nothing is
    run. By default, files go to history/SUITE in the results folder. Exit codes: 0, 1 a step for the worse, 3 trials
    failed, 4 not enough evidence.
    """
    from bench.commands.compare import thresholds_of
    from bench.regress.kept import histories
    from bench.trials.layout import HISTORY

    thresholds = thresholds_of(change, margin)
    results = folder or results
    if not results.is_dir():
        raise InputError(f"there is no results folder {results}", "Give the folder that `regress` wrote to.")
    found = histories(results, thresholds, only)
    pages = output or results / HISTORY
    alone = output is not None and len(found) == 1
    return show([(one, pages if alone else pages / one.suite) for one in found], as_json)


def show(found: "list[tuple[History, Path]]", as_json: bool) -> ExitCode:
    """Print histories and write their files; the exit code.

    Args:
        found: Each with the folder of its files.
        as_json: Print a list of the documents that `history.json` holds.
    """
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, messages
    from bench.compare.output.history import document, print_history, write_history

    if as_json:
        print_document([document(one) for one, _ in found])
    else:
        for one, _ in found:
            print_history(Terminal(), one)
    for one, folder in found:
        messages().say(f"Written: {', '.join(map(str, write_history(one, folder)))}")
    codes = {one.exit_code for one, _ in found}
    order = (ExitCode.REGRESSION, ExitCode.TRIALS_FAILED, ExitCode.NOT_ENOUGH_EVIDENCE)
    return next((code for code in order if code in codes), ExitCode.OK)
