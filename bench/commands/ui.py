"""`ui`: MLflow in the browser, on what is recorded here."""

from typing import Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, ResultsOption


def ui(
    results: ResultsOption = DEFAULT_RESULTS,
    port: Annotated[
        int | None, typer.Option("--port", metavar="PORT", help="Where to listen; a free port without it.")
    ] = None,
) -> None:
    """Show the recorded runs in a browser on this machine."""
    from bench.commands.terminal import Terminal, say_at_once

    say_at_once("Loading MLflow ...")
    from bench.errors import InterruptedRun, ResultsError
    from bench.runner.signals import interruptible
    from bench.tracking.server import served

    console = Terminal()
    try:
        with interruptible(), served(results, port) as server:
            console.print(f"MLflow shows {results} at {server.address}  (Ctrl-C ends it)", markup=False)
            server.wait()
    except InterruptedRun:
        return  # that is how it ends
    raise ResultsError("MLflow's server ended by itself")
