"""`sync [SUITE]`: send MLflow the records that it does not have."""

from dataclasses import dataclass
from typing import Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, JsonOption, OnlyOption, ResultsOption


@dataclass(frozen=True)
class SyncDocument:
    """What `sync --json` prints of each suite, in a list."""

    suite: str
    attempts: int
    """Attempts that are over."""
    sent: int
    """Those of them that were sent now."""
    damaged: list[str]
    """What is wrong with attempts that cannot be read or sent, and what does not belong there."""


def sync(
    suite: Annotated[
        str | None,
        typer.Argument(
            metavar="[SUITE]",
            help="A suite file, the name of a suite or its results folder; all suites by default.",
        ),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Ask MLflow for every run, also for those that are marked as sent."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send MLflow the records that it does not have."""
    from bench.commands.output import print_document, say_at_once

    say_at_once("Loading MLflow ...")
    import os

    from bench.commands.target import find_target
    from bench.commands.terminal import Terminal, messages, warn
    from bench.tracking.sync import sync

    name = None
    if suite is not None:
        target = find_target(suite, results)
        name, results = target.name, target.results
    notes = messages()
    os.nice(10)  # trials may be measured at the same time

    with notes.status("Sending to MLflow") as status:
        done = sync(
            results,
            name,
            check,
            say=notes.print,
            progress=lambda name, number, total: status.update(f"{name}: attempt {number} of {total}"),
            only=only,
        )
    if as_json:
        print_document([SyncDocument(one.suite, one.attempts, one.sent, list(one.damaged)) for one in done])
    else:
        for one in done:
            attempts = f"{one.attempts} attempt{'' if one.attempts == 1 else 's'}"
            Terminal().say(f"{one.suite}: {attempts}, {one.sent or 'none'} sent now")
    warn(line for one in done for line in one.damaged)
