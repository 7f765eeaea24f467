"""`sync [SUITE]`: send to MLflow what it does not have."""

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, ResultsOption


def sync(
    suite: Annotated[
        str | None, typer.Argument(metavar="[SUITE]", help="A suite's name or file; all suites without it.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Ask the store for every run, instead of trusting what is marked as sent."
        ),
    ] = False,
) -> None:
    """Send MLflow the records that it does not have."""
    from bench.commands.terminal import Terminal, say_at_once

    say_at_once("Loading MLflow ...")
    import os

    from bench.errors import ResultsError
    from bench.tracking.sync import sync

    console = Terminal()
    os.nice(10)  # beside it, trials may be measured

    with console.status("Sending to MLflow") as status:
        done = sync(
            results,
            None if suite is None else _named(suite),
            check,
            say=console.print,
            progress=lambda name, number, total: status.update(f"{name}: attempt {number} of {total}"),
        )
    for one in done:
        attempts = f"{one.attempts} attempt{'' if one.attempts == 1 else 's'}"
        console.print(f"{one.suite}: {attempts}, {one.sent or 'none'} sent now", markup=False)
    if damaged := [line for one in done for line in one.damaged]:
        raise ResultsError("\n".join(damaged))


def _named(suite: str) -> str:
    """The suite's name; what is a file is read for it."""
    if not suite.endswith(".toml"):
        return suite
    from bench.suite.resolve import name_of_suite

    return name_of_suite(Path(suite))
