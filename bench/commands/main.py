"""Dispatch a verb; turn every way to end into an exit code and one message."""

import errno
import io
import sys
import traceback

import typer

from bench import __version__
from bench.commands import baseline, compare, data, doctor, plan, regress, report, run, sync, ui
from bench.errors import ExitCode, InputError, InterruptedRun, ResultsError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # [data] is a table of a suite here, no markup
    help="Benchmark image classifiers trained with Keras and TensorFlow.",
)
app.command()(run.run)
app.command()(plan.plan)
app.command()(report.report)
app.command()(compare.compare)
app.command()(doctor.doctor)
app.add_typer(baseline.app, name="baseline")
app.command()(regress.regress)
app.command()(sync.sync)
app.command()(ui.ui)
app.add_typer(data.app, name="data")


_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNUSABLE = (
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EEXIST,  # a file where a folder is to be made
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.EIO,
    errno.ESTALE,
)
"""Troubles of a disk or of whoever cleared it up, which no traceback explains."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"leukobench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Benchmark image classifiers trained with Keras and TensorFlow."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command line.

    Returns:
        The exit code, see `bench.errors.ExitCode`.
    """
    if sys.platform != "linux":
        print("leukobench measures through Linux' own interfaces: it runs on Linux only (WSL 2 too). Sorry!")
        return ExitCode.WRONG_INPUT
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a narrow encoding is no reason to stop
    try:
        code = app(args=arguments, prog_name="python -m bench", standalone_mode=False)
        return ExitCode.OK if code is None else code
    except InputError as error:
        return _say(str(error), ExitCode.WRONG_INPUT)
    except ResultsError as error:
        return _say(str(error), ExitCode.OUR_FAILURE)
    except InterruptedRun as interruption:
        return _say(
            "Interrupted; what ran is recorded. The same command, without --fresh, goes on from here.",
            interruption.exit_code,
        )
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.SIGINT
    except OSError as error:
        if error.errno in _FULL:
            where = f" ({error.filename})" if error.filename else ""
            return _say(
                f"cannot write{where}: {error.strerror}\n"
                "Make room; the same command, without --fresh, goes on from here.",
                ExitCode.OUR_FAILURE,
            )
        if error.errno in _UNUSABLE:
            where = f"{error.filename}: " if error.filename else ""
            return _say(f"a file or folder cannot be used: {where}{error.strerror}", ExitCode.OUR_FAILURE)
        return _unexpected()
    except Exception as error:
        # Typer's own errors (a wrong option) know how to show themselves; their class moved between versions.
        if hasattr(error, "format_message"):
            return _say(error.format_message(), ExitCode.WRONG_INPUT)
        return _unexpected()


def _say(message: str, code: ExitCode) -> int:
    print(message, file=sys.stderr)
    return code


def _unexpected() -> int:
    traceback.print_exc()
    return _say(
        "This is a mistake of leukobench, not yours; please report the lines above.", ExitCode.OUR_FAILURE
    )
