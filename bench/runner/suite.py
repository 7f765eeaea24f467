"""Run a whole suite: the work behind `python -m bench run`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.journal.results import SuiteResults
from bench.plan import PlannedCell, make_plan
from bench.pretrained import fetch
from bench.report.frame import latest_record
from bench.runner.local import LocalEngine
from bench.runner.scheduler import Watcher, run_cells, tidy_up
from bench.runner.signals import interruptible
from bench.runtime import find_device, find_runtime
from bench.suite.resolve import ResolvedSuite, resolve_suite
from bench.tracking.projection import Tracker


class Speaker(Watcher, Protocol):
    """A watcher that also says things."""

    say: Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind.

    Attributes:
        results: Where it lies.
        cell_ids: The cells that were asked for.
        failed: Those of them that are not done.
    """

    results: SuiteResults
    cell_ids: list[str]
    failed: list[str]


def run_suite(
    path: Path,
    results_folder: Path,
    speaker: Speaker,
    data: Path | None = None,
    weights: Path | None = None,
    only: str | None = None,
    fresh: bool = False,
) -> Outcome:
    """Run every cell of a suite that is not done.

    Args:
        path: The suite file.
        results_folder: Where results are kept.
        speaker: Is told how it goes.
        data: Folder of images; goes before the suite's.
        weights: Folder of pretrained weights; goes before the suite's.
        only: Only cells that match, see `bench.plan.make_plan`.
        fresh: Run done cells again.

    Raises:
        InputError: The input is wrong; nothing was started.
        ResultsError: The results folder cannot be used.
        InterruptedRun: A signal came; what ran is recorded.
    """
    device = find_device()
    runtime = find_runtime(device)

    def resolve() -> ResolvedSuite:
        return resolve_suite(path, runtime, results_folder / "cache", data, weights)

    resolved = resolve()
    if resolved.downloads:
        fetch(resolved.downloads)
        resolved = resolve()
    results = SuiteResults(results_folder, resolved.name)
    make_plan(resolved.cells, results, fresh, only)
    with interruptible(), results.lock():
        tidy_up(results)
        plan = make_plan(resolved.cells, results, fresh, only)
        _prepare(resolved, plan, speaker)
        speaker.say(
            f"{resolved.name}: {len(plan)} cells, "
            f"{sum(planned.status == 'done' for planned in plan)} done before, on {device.model}"
        )
        tracker = Tracker(results, speaker.say)
        tracker.catch_up()
        run_cells(plan, results, LocalEngine(), device, speaker, tracker.record)
    cell_ids = [planned.cell.id for planned in plan]
    failed = [cell_id for cell_id in cell_ids if latest_record(results, cell_id)["status"] != "done"]
    return Outcome(results, cell_ids, failed)


def _prepare(resolved: ResolvedSuite, plan: list[PlannedCell], speaker: Speaker) -> None:
    """Make the data sets of the cells that will run."""
    needed = {one.cell.settings["data"]["digest"] for one in plan if one.status != "done"}
    missing = [one for one in resolved.datasets if one.digest in needed and not one.ready]
    for number, dataset in enumerate(missing, start=1):
        speaker.say(f"Preparing images: {dataset.source}, set {number} of {len(missing)}")
        dataset.prepare()
