"""`compare A B`: is B worse than A, in speed or in learning?"""

import re
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, ResultsOption

_WHAT = "Results of a suite (results/demo), baseline:NAME, or mlflow:EXPERIMENT."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT)],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise: what may be worse.")],
    results: ResultsOption = DEFAULT_RESULTS,
    change: Annotated[
        float, typer.Option("--change", metavar="PERCENT", help="Smallest change of a time that counts.")
    ] = 5.0,
    margin: Annotated[
        float, typer.Option("--margin", metavar="POINTS", help="Accuracies this close are the same.")
    ] = 2.0,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR", help="Where files go; else compare/A-vs-B in the results folder."
        ),
    ] = None,
) -> int:
    """Judge B against A: cells are matched by what was asked for.

    Exit codes: 0, 1 a regression, 3 cells failed on both sides, 4 not enough evidence.
    """
    from bench.commands.terminal import Terminal
    from bench.compare.compare import compare_sides
    from bench.compare.output.files import write_verdict
    from bench.compare.output.table import print_verdict
    from bench.compare.thresholds import Thresholds
    from bench.errors import InputError

    for value, option in ((change, "--change"), (margin, "--margin")):
        if not 0 < value < 100:
            raise InputError(f"{option} is {value:g}", "It lies between 0 and 100.")
    thresholds = Thresholds(change=change / 100, margin=margin / 100)
    console = Terminal()
    verdict = compare_sides(a, b, results, thresholds)
    print_verdict(console, verdict)  # first: it must be seen even where nothing can be written
    folder = to or results / "compare" / f"{_short(a)}-vs-{_short(b)}"
    written = write_verdict(verdict, folder)
    console.print(f"Written: {', '.join(map(str, written))}", markup=False, highlight=False, soft_wrap=True)
    return verdict.exit_code


def _short(side: str) -> str:
    """A side's name in the name of a folder."""
    parts = [part for part in re.split(r"[^A-Za-z0-9.+]+", side) if part.strip(".")]
    return "-".join(parts[-3:])[-60:] or "side"
