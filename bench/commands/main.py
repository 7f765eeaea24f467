"""Dispatch a verb; turn every way to end into an exit code and one message."""

import io
import os
import sys
import traceback
from pathlib import Path

import typer

from bench.commands import (
    baseline,
    compare,
    data,
    doctor,
    history,
    init,
    plan,
    predict,
    regress,
    report,
    run,
    sync,
    ui,
)
from bench.commands.options import add_verb
from bench.commands.output import is_verbose, print_error, set_level
from bench.errors import DiskError, ExitCode, InputError, InterruptedRun, ResultsError, command, exit_code_of
from bench.version import __version__

HELP = "Benchmark image classifiers trained with Keras and TensorFlow."

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # [data] is a table of a suite here, no markup
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
)
add_verb(app, init.init)
add_verb(app, run.run)
add_verb(app, plan.plan)
add_verb(app, report.report)
add_verb(app, predict.predict)
add_verb(app, compare.compare)
add_verb(app, regress.regress)
add_verb(app, history.history)
app.add_typer(baseline.app, name="baseline")
app.add_typer(data.app, name="data")
add_verb(app, doctor.doctor)
add_verb(app, sync.sync)
add_verb(app, ui.ui)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"leukobench {__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def options(
    version: bool = typer.Option(False, "--version", callback=_version, help="Print the version."),
) -> None:
    """Handle the options of the whole program."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command line.

    Returns:
        The exit code, see `bench.errors.ExitCode`.
    """
    if sys.platform != "linux":
        print_error("leukobench runs on Linux only: it measures through Linux interfaces", "Use WSL 2.")
        return ExitCode.WRONG_INPUT
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a narrow encoding is no reason to stop
    set_level()
    try:
        code = app(args=arguments, prog_name=command(), standalone_mode=False)
        if code == ExitCode.SIGINT:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
        return ExitCode.OK if code is None else int(code)
    except (KeyboardInterrupt, typer.Abort):
        print_error("interrupted")
        return ExitCode.SIGINT
    except SystemExit as ended:
        if ended.code != 1:  # of completion in shells
            raise
        return ExitCode.OK  # the reader of what Typer prints is gone; 1 would be a verdict
    except InterruptedRun as interruption:
        resume = "Repeat the command without --fresh to resume."
        fresh = "--fresh" in (sys.argv if arguments is None else arguments)
        print_error(
            "interrupted; finished work is recorded", resume if fresh else "Repeat the command to resume."
        )
        return exit_code_of(interruption)
    except Exception as error:
        return _explain(error)


def _open_closed() -> None:
    """A stream that was closed before the start (`>&-`) is None; what is written to it goes nowhere."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115


def _explain(error: Exception) -> int:
    """Print what a person needs to know of an error; its exit code."""
    told = DiskError.of(error) if isinstance(error, OSError) else error
    if isinstance(told, InputError | ResultsError):
        if is_verbose():
            traceback.print_exc()
        print_error(told.what, told.way_out)
        return exit_code_of(told)
    # Typer's own errors (a wrong option) describe themselves; their class moved between versions.
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        if context is not None and not context.args and type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())  # a command without its arguments asks for help
            return ExitCode.WRONG_INPUT
        # The class of an error that checked an option tells people nothing.
        said = error.format_message().replace("Value error, ", "")
        print_error(said, f"See {context.command_path} --help." if context else "")
        return ExitCode.WRONG_INPUT
    traceback.print_exc()
    print_error("this is a bug of leukobench", "Please report the lines above.")
    return ExitCode.OUR_FAILURE
