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
    """Judge B against A: trials are matched by what was asked for.

    Exit codes: 0, 1 a regression, 3 trials failed that had not been done before, 4 not enough evidence.
    """
    from bench.commands.terminal import Terminal
    from bench.commands.verdicts import show, thresholds_of
    from bench.compare.compare import compare_sides

    verdict = compare_sides(a, b, results, thresholds_of(change, margin))
    return show(Terminal(), verdict, to or results / "compare" / f"{_short(a)}-vs-{_short(b)}")


def _short(side: str) -> str:
    """A side's name in the name of a folder."""
    parts = [part for part in re.split(r"[^A-Za-z0-9.+]+", side) if part.strip(".")]
    return "-".join(parts[-3:])[-60:] or "side"
