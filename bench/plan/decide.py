"""What a run would do with every cell, and why."""

import fnmatch
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.journal.results import SuiteResults
from bench.suite.cell import Cell, flatten
from wbc.errors import InputError

MOST_CHANGES = 3
"""A cell that differs from every earlier one in more settings than these is new, not changed."""


@dataclass(frozen=True)
class Prediction:
    """How long a cell will take.

    Attributes:
        seconds: From the start of its process to its end.
        basis: What the figure rests on, in words.
    """

    seconds: float
    basis: str


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its fate.

    Attributes:
        cell: The cell.
        status: `done`, `new`, `changed` (an earlier cell differs in few settings), `failed`, `unfinished`
            (interrupted; it goes on where it has a checkpoint), or `again` (done, and asked for afresh).
            All but `done` are run.
        why: In words.
        afresh: It is run from its beginning, checkpoint or not.
        prediction: How long it will take; None for a cell that is not run.
    """

    cell: Cell
    status: str
    why: str
    afresh: bool = False
    prediction: Prediction | None = field(default=None, compare=False)

    @property
    def runs(self) -> bool:
        """Whether a run would start it."""
        return self.status != "done"

    @property
    def seconds(self) -> float:
        """Predicted seconds; 0 where none are known."""
        return self.prediction.seconds if self.prediction else 0.0


def make_plan(
    cells: list[Cell],
    results: SuiteResults,
    fresh: bool = False,
    only: str | None = None,
    predict: Callable[[Cell], Prediction] | None = None,
) -> list[PlannedCell]:
    """Decide on every cell.

    Args:
        cells: The cells of the suite.
        results: Where earlier attempts are.
        fresh: Run every cell from its beginning, done or not, as new attempts.
        only: A pattern (`vgg*`, `*-scratch-*`) or a part of the cells' ids.
        predict: Predicts how long a cell takes.

    Raises:
        InputError: No cell matches the pattern.
    """
    chosen = choose(cells, only, "--only")
    earlier = _Earlier(results, {cell.id for cell in cells})
    plan = []
    for cell in chosen:
        status, why = _decide(cell, results, earlier)
        if fresh and status == "done":
            status, why = "again", f"done before ({why}), asked for afresh"
        prediction = predict(cell) if predict and status != "done" else None
        plan.append(PlannedCell(cell, status, why, fresh, prediction))
    return plan


def choose(cells: list[Cell], pattern: str | None, option: str) -> list[Cell]:
    """The cells whose ids match a pattern or have it as a part.

    Raises:
        InputError: None does; names the option that the pattern came from.
    """
    chosen = [cell for cell in cells if pattern is None or _matches(cell.id, pattern)]
    if not chosen:
        raise InputError(
            f"no cell matches {option} {pattern}",
            f"The first is {cells[0].id}; plan without {option} shows all.",
        )
    return chosen


def differences(new: Cell, old: dict[str, Any]) -> list[str]:
    """How a cell differs from an earlier one (its `cell.json`): `optimizer.name Adam, was SGD`."""
    ours = new.flat()
    theirs = flatten({**old["settings"], **old["runtime"]})
    return [
        f"{key} {_short(ours.get(key, 'not set'))}, was {_short(theirs.get(key, 'not set'))}"
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    ]


def _matches(cell_id: str, pattern: str) -> bool:
    return fnmatch.fnmatch(cell_id, pattern.lower()) or pattern.lower() in cell_id


def _decide(cell: Cell, results: SuiteResults, earlier: "_Earlier") -> tuple[str, str]:
    attempts = results.attempts(cell.id)
    records = [record for attempt in attempts if (record := attempt.record())]
    done = [record for record in records if record["status"] == "done"]
    if done:
        return "done", f"attempt {done[-1]['attempt']}"
    if not attempts:
        changes = earlier.nearest(cell)
        return ("changed", "; ".join(changes)) if changes else ("new", "never run")
    goes_on = "; goes on from its checkpoint" if results.checkpoint(cell.id).exists() else ""
    if not records or attempts[-1].record() is None:
        return "unfinished", f"an attempt has no result: running, or its harness was killed{goes_on}"
    failure = records[-1]["failure"]
    if failure["kind"] == "interrupted":
        return "unfinished", f"{failure['message']}{goes_on}"
    return "failed", f"{failure['kind']}: {failure['message']}{goes_on}"


class _Earlier:
    """Cells in the results folder that the suite does not ask for any more."""

    def __init__(self, results: SuiteResults, wanted: Iterable[str]):
        self._results, self._wanted = results, set(wanted)
        self._known: list[dict[str, Any]] | None = None

    def nearest(self, cell: Cell) -> list[str]:
        """How a cell differs from the most similar earlier one; nothing if there is no similar one."""
        near = [
            changes
            for old in self._cells()
            if old["network"] == cell.network and old["settings"].get("mode") == cell.settings.get("mode")
            if len(changes := differences(cell, old)) <= MOST_CHANGES
            # Another seed is another repeat, not a changed cell.
            if not any(change.split()[0].endswith("seed") for change in changes)
        ]
        return min(near, key=len, default=[])

    def _cells(self) -> list[dict[str, Any]]:
        if self._known is None:
            folders = self._results.cells.iterdir() if self._results.cells.is_dir() else ()
            orphans = [folder.name for folder in folders if folder.name not in self._wanted]
            attempts = [
                attempts[-1] for name in sorted(orphans) if (attempts := self._results.attempts(name))
            ]
            self._known = []
            for attempt in attempts:
                try:
                    self._known.append(attempt.cell())
                except (OSError, json.JSONDecodeError):
                    continue
        return self._known


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
