"""A candidate against a baseline that was recorded before: the same cells, but not in pairs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from bench.compare.baseline import machine_of
from bench.compare.judge import judge
from bench.compare.matching import match
from bench.compare.reading import Side, in_order, measured
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import InputError
from bench.journal.results import Attempt
from bench.regress.comparison import Session
from bench.suite.cell import Cell

UNPAIRED = (
    "The baseline was recorded at another time: what changed on the machine since then is in the ratios too. "
    "For small changes measure both sides, in turn."
)


def against_recorded(
    session: Session,
    baseline: Side,
    repeats: int | None,
    fresh: bool,
    thresholds: Thresholds,
    say: Callable[[str], None],
) -> Verdict:
    """Run the candidate as often as the baseline was, and judge.

    Args:
        session: Ready to run.
        baseline: What was recorded.
        repeats: Runs of each cell; None: as many as the baseline has.
        fresh: Runs that are there already do not count.
        thresholds: What is judged by.
        say: Is told what cannot be compared.

    Raises:
        InputError: The baseline has none of the cells.
        InterruptedRun: A signal came; finished runs are kept.
    """
    known = Counter(one.key for one in baseline.measurements if one.done)
    cells = [cell for cell in session.comparison.cells if known[cell.key]]
    if not cells:
        raise InputError(
            f"{baseline.name} has none of the suite's cells",
            "Their settings, seeds and images must be the same; `compare` says what differs.",
        )
    left_out = len(session.comparison.cells) - len(cells)
    if left_out:
        say(f"{baseline.name} lacks {left_out} of the suite's cells; the candidate runs them once.")
    attempts: list[Attempt] = []
    for cell in session.comparison.cells:
        attempts += _runs(session, cell, repeats or max(1, known[cell.key]), fresh)
    candidate = Side("candidate", in_order(measured(attempts), session.comparison.folder))
    if baseline.machine:
        candidate = replace(candidate, machine=machine_of(candidate.measurements))
    keys = {cell.key for cell in session.comparison.cells}
    asked = replace(baseline, measurements=tuple(one for one in baseline.measurements if one.key in keys))
    return judge(
        match(asked, candidate),
        thresholds,
        baseline=baseline.name,
        candidate=session.comparison.sides["candidate"].label,
        notes=[UNPAIRED],
    )


def _runs(session: Session, cell: Cell, wanted: int, fresh: bool) -> list[Attempt]:
    """The candidate's attempts at a cell, after as many were made as are missing."""
    results = session.comparison.results["candidate"]
    cell_id = session.runner.planned("candidate", cell, None).cell.id
    before = results.attempts(cell_id)
    there = [] if fresh else before
    missing = wanted - sum(_done(attempt) for attempt in there)
    for _ in range(missing):
        run = session.runner.run_one("candidate", cell)
        if not _done(run.of(session.comparison.results)):
            break
    return [one for one in results.attempts(cell_id) if not fresh or one not in before]


def _done(attempt: Attempt) -> bool:
    return (attempt.record() or {}).get("status") == "done"
