"""Make the whole report of a suite: tables, figures and the page."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.compare.noninferiority import MARGIN
from bench.errors import InputError
from bench.journal.damage import warnings_of
from bench.journal.results import SuiteResults
from bench.pages.render import write_page
from bench.report.figures.figure import Figure
from bench.report.gather import Contents, gather
from bench.report.page import plotly_js, write_report_page
from bench.report.tables.table import write_tables
from bench.worker.files import write_text

FILE = "report.html"


def make_report(
    results: SuiteResults,
    trial_ids: Iterable[str],
    reference: str | None = None,
    description: str = "",
    notes: Sequence[str] = (),
    command: str = "",
    now: datetime | None = None,
    to: Path | None = None,
    margin: float = MARGIN,
) -> Contents:
    """Write tables, figures and `report.html`.

    Args:
        results: Of the suite.
        trial_ids: Its trials, in the order of tables.
        reference: Published figures to set ours beside, see `bench.report.tables.reference.REFERENCES`.
        description: Of the suite.
        notes: Sentences for the page.
        command: That asked for it.
        now: When it is made.
        to: The folder that they go into; None: the suite's own.
        margin: Accuracies that differ by less count as equal in the answer, a share.

    Returns:
        What was written.

    Raises:
        InputError: The folder is there, with something in it that is no report.
    """
    folder = results.report if to is None else _checked(to)
    notes = (*notes, *warnings_of(results))
    contents = gather(results, trial_ids, reference, description, notes, command, margin=margin)
    write_tables(contents.tables.values(), folder)
    figures = [figure for own in contents.figures.values() for figure in own if not figure.small]
    write_figures(figures, folder)
    made_at = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    write_report_page(contents, made_at, folder / FILE)
    return contents


def write_figures(figures: Sequence[Figure], report: Path) -> list[Path]:
    """Each large figure as a page of its own, beside one copy of Plotly's script; older ones are removed."""
    folder = report / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "plotly.min.js"
    if not script.exists():
        write_text(script, plotly_js())
    written = []
    for figure in figures:
        path = folder / f"{figure.name}.html"
        write_page(path, "figure", figure=figure)
        written.append(path)
    for path in folder.glob("*.html"):
        if path not in written:
            path.unlink(missing_ok=True)
    return written


def _checked(folder: Path) -> Path:
    """A folder of the user's. Files of an earlier report are removed there, so it must be new, empty or one."""
    if folder.exists() and not (folder / FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not a report", "Name a new folder, or that of a report.")
    return folder
