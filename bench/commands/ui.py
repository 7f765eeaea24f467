"""`ui`: MLflow in the browser, on what is recorded here."""

from typing import Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, ResultsOption


def ui(
    results: ResultsOption = DEFAULT_RESULTS,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", help="Port to listen on; a free one by default."),
    ] = None,
) -> None:
    """Show the recorded runs in a browser on this machine."""
    from bench.commands.output import say_at_once
    from bench.commands.terminal import Terminal, warn

    say_at_once("Loading MLflow ...")
    from bench.errors import InterruptedRun, ResultsError
    from bench.journal.damage import warnings_of
    from bench.journal.results import SuiteResults
    from bench.runner.signals import interruptible
    from bench.tracking.saved_view import saved_views
    from bench.tracking.server import served
    from bench.tracking.sync import recorded_suites

    for suite in recorded_suites(results):
        warn(warnings_of(SuiteResults(results, suite)))
    try:
        with interruptible(), served(results, port) as server:
            console = Terminal()
            console.say(f"MLflow shows {results} at {server.address}  (Ctrl-C ends it)")
            for suite, address in saved_views(results, server.address).items():
                console.say(f"  {suite}: {address}")
            server.wait()
    except InterruptedRun:
        return  # the usual end
    raise ResultsError("MLflow's server ended by itself")
