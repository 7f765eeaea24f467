"""What the verbs that judge have in common: sizes that count, and how a verdict is shown and kept."""

from pathlib import Path

from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import ExitCode, InputError


def thresholds_of(change: float, margin: float) -> Thresholds:
    """What to judge by.

    Args:
        change: `--change`, in percent.
        margin: `--margin`, in points.

    Raises:
        InputError: One of them is no such share.
    """
    for value, option in ((change, "--change"), (margin, "--margin")):
        if not 0 < value < 100:
            raise InputError(f"{option} is {value:g}", "It lies between 0 and 100.")
    return Thresholds(change=change / 100, margin=margin / 100)


def show(console, verdict: Verdict, folder: Path) -> ExitCode:
    """Print a verdict, write its files to a folder, and say where they are; its exit code."""
    from bench.compare.output.files import write_verdict
    from bench.compare.output.table import print_verdict

    print_verdict(console, verdict)  # first: it must be seen even where nothing can be written
    written = write_verdict(verdict, folder)
    console.print(f"Written: {', '.join(map(str, written))}", markup=False, highlight=False, soft_wrap=True)
    return verdict.exit_code
