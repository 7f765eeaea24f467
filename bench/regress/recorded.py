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

UNPAIRED = (
    "The baseline was recorded at another time: what changed on the machine since then is in the ratios too. "
    "For small changes measure both sides, in turn."
)
CUT_SHORT = "The budget was spent before every cell ran as often as was wanted."
_GIVEN_UP = 10**9


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
    wanted = {cell.key: repeats or max(1, known[cell.key]) for cell in session.comparison.cells}
    left_aside = _attempts(session) if fresh else {}
    cut_short = _run_missing(session, wanted, left_aside)
    attempts = [one for found in _attempts(session, left_aside).values() for one in found]
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
        notes=[UNPAIRED, *([CUT_SHORT] if cut_short else [])],
    )


def _run_missing(session: Session, wanted: dict[str, int], left_aside: dict[str, list[Attempt]]) -> bool:
    """Run what is missing, every cell once before any of them twice.

    Cells without a run get one whatever the budget; a cell that failed is left alone.

    Returns:
        Whether the budget ended it.
    """
    budget, took = session.course.budget, dict.fromkeys(wanted, 0.0)
    done = {key: sum(map(_done, there)) for key, there in _attempts(session, left_aside).items()}
    while todo := [cell for cell in session.comparison.cells if done[cell.key] < wanted[cell.key]]:
        for cell in sorted(todo, key=lambda cell: done[cell.key]):
            if done[cell.key] and not budget.left_for(took[cell.key]):
                return True
            began = budget.clock()
            ran = session.runner.run_one("candidate", cell)
            took[cell.key] = budget.clock() - began
            done[cell.key] = done[cell.key] + 1 if _done(ran.of(session.comparison.results)) else _GIVEN_UP
    return False


def _attempts(session: Session, but: dict[str, list[Attempt]] | None = None) -> dict[str, list[Attempt]]:
    """Key of a cell -> the candidate's attempts at it."""
    results = session.comparison.results["candidate"]
    found = {}
    for cell in session.comparison.cells:
        there = results.attempts(session.runner.planned("candidate", cell, None).cell.id)
        found[cell.key] = [one for one in there if one not in (but or {}).get(cell.key, ())]
    return found


def _done(attempt: Attempt) -> bool:
    return (attempt.record() or {}).get("status") == "done"
