"""Runs the cells of a plan, one after another."""

import shutil
from collections.abc import Callable, Sequence
from typing import Protocol

from bench.errors import InterruptedRun
from bench.journal.record import finish
from bench.journal.results import Attempt, SuiteResults
from bench.plan import PlannedCell
from bench.runner.engine import Engine
from bench.runtime import Device


class Watcher(Protocol):
    """Is told how a run goes on."""

    def cell_started(self, planned: PlannedCell, number: int, total: int) -> None:
        """Cell `number` (from 1) of `total` starts."""

    def event(self, planned: PlannedCell, event: dict) -> None:
        """The worker reports something."""

    def cell_ended(self, planned: PlannedCell, record: dict) -> None:
        """The cell is over."""


def run_cells(
    plan: Sequence[PlannedCell],
    results: SuiteResults,
    engine: Engine,
    device: Device,
    watcher: Watcher,
    recorded: Callable[[Attempt], None],
) -> None:
    """Run every cell of the plan that is not done; each gets a record, whatever becomes of it.

    Args:
        plan: The cells.
        results: Where they are recorded; locked by the caller.
        engine: Starts the workers.
        device: Where they run.
        watcher: Is told how it goes.
        recorded: Called after each attempt, once its record is written.

    Raises:
        InterruptedRun: A signal came; the attempt under way is recorded as interrupted.
    """
    todo = [planned for planned in plan if planned.status != "done"]
    for number, planned in enumerate(todo, start=1):
        attempt = results.new_attempt(planned.cell)
        watcher.cell_started(planned, number, len(todo))
        try:
            engine.run(attempt, device, lambda event, planned=planned: watcher.event(planned, event))
        except InterruptedRun:
            finish(attempt)
            recorded(attempt)
            raise
        watcher.cell_ended(planned, finish(attempt))
        recorded(attempt)


def tidy_up(results: SuiteResults) -> list[Attempt]:
    """Write the record of attempts whose harness was killed before it could; the caller holds the lock."""
    abandoned = [attempt for attempt in results.all_attempts() if not attempt.result.exists()]
    for attempt in abandoned:
        if (attempt.folder / "cell.json").exists():
            finish(attempt)
        else:  # killed while the folder was being made: nothing ran
            shutil.rmtree(attempt.folder)
    return abandoned
