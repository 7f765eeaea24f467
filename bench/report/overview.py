"""One page over all suites of a results folder: what is done, the answer, and a link to the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.pages.render import asset, write_page
from bench.report.answer import decide, in_one_sentence, same_images
from bench.report.frame import configurations_frame, trials_frame
from bench.report.pareto import candidates
from bench.report.report import FILE
from bench.report.selection import select_folder
from bench.trials.layout import OVERVIEW


@dataclass(frozen=True)
class SuiteLine:
    """What the page says of one suite."""

    suite: str
    done: int
    total: int
    """Trials that ever began."""
    last: str
    """When the last of its trials began, UTC; empty where that is unknown."""
    answer: str
    """In a sentence or two; empty where nothing is done."""
    page: Path | None
    """Its report; None where none was made."""


def suite_lines(results: Path) -> list[SuiteLine]:
    """A line for each suite of a results folder, the one that ran last first.

    Raises:
        InputError: The folder holds no results.
    """
    folders = sorted(path.parent for path in results.glob("*/trials"))
    lines = [line for folder in folders if (line := _line(folder)) is not None]
    if not lines:
        raise InputError(
            f"{results} holds no results of a suite", "Run a suite first, or name another --results."
        )
    return sorted(lines, key=lambda line: line.last, reverse=True)


def _line(folder: Path) -> SuiteLine | None:
    try:
        selected = select_folder(folder)
    except InputError:  # a folder of that name that holds no trial
        return None
    results: SuiteResults = selected.results
    trials = trials_frame(results, selected.trial_ids)
    configurations = configurations_frame(trials)
    found = candidates(configurations) if len(configurations) else []
    started = sorted(trials["started_at"].dropna()) if "started_at" in trials else []
    page = results.report / FILE
    return SuiteLine(
        results.suite,
        int((trials["status"] == "done").sum()),
        len(trials),
        started[-1][:16].replace("T", " ") if started else "",
        in_one_sentence(decide(found, same_images(results, trials, found), selected.margin)),
        page if page.is_file() else None,
    )


def write_overview(lines: Sequence[SuiteLine], results: Path, made_at: str) -> Path:
    """Write the page into the results folder; its path.

    Args:
        lines: See `suite_lines`.
        results: The folder.
        made_at: Date and time, as text.
    """
    path = results / OVERVIEW
    links = [
        quote(line.page.relative_to(results.resolve()).as_posix()) if line.page else "" for line in lines
    ]
    write_page(
        path,
        "overview",
        lines=list(zip(lines, links, strict=True)),
        made_at=made_at,
        style=asset("report.css"),
    )
    return path
