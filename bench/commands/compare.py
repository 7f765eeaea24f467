"""`compare A B`: is B worse than A, in speed or in learning?"""

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
    from bench.compare.thresholds import Thresholds
    from bench.compare.verdict import Verdict

_SIDE = "Results of a suite, its file or name, baseline:NAME, or mlflow:EXPERIMENT."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; what may be worse.")],
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    change: ChangeOption = DEFAULT_CHANGE,
    margin: MarginOption = DEFAULT_MARGIN,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> int:
    """Judge B against A. Trials match if they were asked for alike.

    By default, files go to compare/A-vs-B in the results folder. Exit codes: 0, 1 a regression, 3 trials
    failed that had not failed before, 4 not enough evidence.
    """
    from bench.commands.target import short_name
    from bench.compare.compare import compare_sides
    from bench.trials.layout import COMPARISONS

    thresholds = thresholds_of(change, margin)
    folder = output or results / COMPARISONS / f"{short_name(a)}-vs-{short_name(b)}"
    verdict = compare_sides(side_of(a, results), side_of(b, results), results, thresholds, only, folder)
    return show(verdict, folder, as_json)


def side_of(text: str, results: Path) -> str:
    """One side as `bench.compare.compare.read_side` takes it; a suite's file or name become its results.

    Raises:
        InputError: There is nothing of that name.
    """
    from bench.commands.target import find_target
    from bench.compare.baseline import saved
    from bench.compare.reading import BASELINE, MLFLOW

    if text.startswith((BASELINE, MLFLOW)) or Path(text).is_dir():
        return text
    try:
        return str(find_target(text, results).folder)
    except InputError as error:
        if text in (one.name for one in saved(results)):
            raise InputError(error.what, f"did you mean {BASELINE}{text}?") from None
        raise


def thresholds_of(change: float, margin: float) -> "Thresholds":
    """The thresholds of a verdict.

    Args:
        change: `--change`, percent.
        margin: `--margin`, percentage points.

    Raises:
        InputError: One of them is out of range.
    """
    from bench.compare.thresholds import Thresholds

    for value, option in ((change, "--change"), (margin, "--margin")):
        if not 0 < value < 100:
            raise InputError(f"{option} is {value:g}", "Give a number between 0 and 100.")
    return Thresholds(change=change / 100, margin=margin / 100)


def show(verdict: "Verdict", folder: Path, as_json: bool) -> ExitCode:
    """Print a verdict and write its files; its exit code.

    Args:
        verdict: Of `compare` or `regress`.
        folder: Where its files go.
        as_json: Print the document that `regression.json` holds as well, see `bench.compare.output.files.document`.
    """
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, messages
    from bench.compare.output.files import document, write_verdict
    from bench.compare.output.format import print_verdict

    # Printed first: it must be seen even where nothing can be written.
    if as_json:
        print_document(document(verdict))
    else:
        print_verdict(Terminal(), verdict)
    messages().say(f"Written: {', '.join(map(str, write_verdict(verdict, folder)))}")
    return verdict.exit_code
