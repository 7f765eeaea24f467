"""What a run would do with every cell, and why."""

import fnmatch
from dataclasses import dataclass

from bench.journal.results import SuiteResults
from bench.suite.cell import Cell
from wbc.errors import InputError


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its fate.

    Attributes:
        cell: The cell.
        status: `run`, `retry` or `done`.
        why: In words.
    """

    cell: Cell
    status: str
    why: str


def make_plan(
    cells: list[Cell], results: SuiteResults, fresh: bool = False, only: str | None = None
) -> list[PlannedCell]:
    """Decide on every cell.

    Args:
        cells: The cells of the suite.
        results: Where earlier attempts are.
        fresh: Run done cells again, as new attempts.
        only: A pattern (`vgg*`, `*-scratch-*`) or a part of the cells' ids.

    Raises:
        InputError: No cell matches the pattern.
    """
    chosen = [cell for cell in cells if only is None or _matches(cell.id, only)]
    if not chosen:
        raise InputError(
            f"no cell matches --only {only}", f"The first is {cells[0].id}; plan without --only shows all."
        )
    return [_decide(cell, results, fresh) for cell in chosen]


def _matches(cell_id: str, pattern: str) -> bool:
    return fnmatch.fnmatch(cell_id, pattern.lower()) or pattern.lower() in cell_id


def _decide(cell: Cell, results: SuiteResults, fresh: bool) -> PlannedCell:
    attempts = results.attempts(cell.id)
    records = [record for attempt in attempts if (record := attempt.record())]
    done = [record for record in records if record["status"] == "done"]
    if done and fresh:
        return PlannedCell(cell, "run", f"done before (attempt {done[-1]['attempt']}), asked for afresh")
    if done:
        return PlannedCell(cell, "done", f"attempt {done[-1]['attempt']}")
    if not attempts:
        return PlannedCell(cell, "run", "new")
    if not records:
        return PlannedCell(cell, "retry", "an attempt has no result: running, or its harness was killed")
    failure = records[-1]["failure"]
    return PlannedCell(cell, "retry", f"{failure['kind']}: {failure['message']}")
