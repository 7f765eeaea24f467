"""Run a whole suite: the work behind `python -m bench run`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.devices.device import Slot
from bench.devices.lease import lease
from bench.devices.machine import find_machine
from bench.journal.results import SuiteResults
from bench.journal.runs import noted_run
from bench.machine.notes import notes_of, origin
from bench.plan.decide import PlannedTrial, make_plan
from bench.plan.predict import Predictor
from bench.runner.local import LocalEngine
from bench.runner.other_users import local_surroundings
from bench.runner.recovery import tidy_up
from bench.runner.scheduler import Scheduler, Watcher
from bench.runner.signals import interruptible
from bench.suite.open import open_suite
from bench.suite.resolve import ResolvedSuite
from bench.tracking.markers import is_behind
from bench.tracking.process import RecordingProcess
from bench.trials.backends import require_backends
from bench.trials.pretrained import fetch
from bench.trials.sampling import trials_without
from bench.trials.trial import Trial


class Speaker(Watcher, Protocol):
    """A watcher that also says things and is told of the plan."""

    say: Callable[[str], None]

    def plan(self, planned: list[PlannedTrial], slots: Sequence[Slot]) -> None:
        """What will be run, and where."""


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind.

    Attributes:
        results: Where it lies.
        suite_ids: Every trial of the suite.
        trial_ids: The trials that were asked for.
        failed: Those of them that are not done.
    """

    results: SuiteResults
    suite_ids: list[str]
    trial_ids: list[str]
    failed: list[str]


@dataclass(frozen=True)
class RunOptions:
    """What the command line may say of a run.

    Attributes:
        devices: Goes before `use` of `[devices]`, see `bench.devices.machine.choose_slots`.
        data: Folder of images; goes before the suite's.
        weights: Folder of pretrained weights; goes before the suite's.
        only: Only trials that match, see `bench.plan.decide.make_plan`.
        fresh: Run trials from their beginning, those that are done too.
    """

    devices: str | None = None
    data: Path | None = None
    weights: Path | None = None
    only: str | None = None
    fresh: bool = False


def run_suite(
    path: Path, results_folder: Path, speaker: Speaker, options: RunOptions = RunOptions()
) -> Outcome:
    """Run every trial of a suite that is not done.

    Args:
        path: The suite file.
        results_folder: Where results are kept.
        speaker: Is told how it goes.
        options: Of the command line.

    Raises:
        InputError: The input is wrong; nothing was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came; what ran is recorded.
    """
    suite = open_suite(path, results_folder / "cache", options.devices, options.data, options.weights)
    results = SuiteResults(results_folder, suite.resolved.name)
    asked = make_plan(suite.resolved.trials, results, options.fresh, options.only)
    require_backends([one.trial for one in asked], suite.devices.slots[0].replicas)
    if suite.resolved.downloads:
        fetch(suite.resolved.downloads)
        suite = suite.again()
    resolved = suite.resolved
    with (
        interruptible() as interruption,
        results.lock(),
        lease(suite.devices, results_folder, resolved.name) as leased,
    ):
        slots = leased.slots[:1] if suite.exclusive else leased.slots
        tidy_up(results)
        predictor = Predictor(results_folder, slots[0].kind)
        plan = make_plan(resolved.trials, results, options.fresh, options.only)
        prepare_data(resolved, (one.trial for one in plan if one.runs), speaker.say)
        plan = make_plan(resolved.trials, results, options.fresh, options.only, predictor)
        done = sum(not planned.runs for planned in plan)
        trials = f"{len(plan)} trial{'' if len(plan) == 1 else 's'}"
        speaker.say(f"{resolved.name}: {trials}, {done} done before, on {_where(slots)}")
        for warning in resolved.warnings:
            speaker.say(warning)
        for note in (suite.devices.note, leased.note):
            if note:
                speaker.say(note)
        speaker.plan(plan, slots)
        trial_ids = [planned.trial.id for planned in plan]
        behind = is_behind(results, any(planned.runs for planned in plan))
        with (
            RecordingProcess(results, speaker.say) as recording,
            local_surroundings(slots, suite.limits.quiet_s, speaker.say) as surroundings,
            noted_run(results, trial_ids, suite.exclusive, **_about(resolved)) as note,
        ):
            if behind:
                recording.catch_up()
            Scheduler(
                results,
                LocalEngine(
                    telemetry=suite.telemetry,
                    without=trials_without(resolved.trials, suite.telemetry.off_every),
                    notes=notes_of(results_folder, find_machine()),
                ),
                slots,
                suite.limits,
                speaker,
                recording,
                surroundings,
                interruption,
                suite.exclusive,
            ).run(plan)
            latest = {trial_id: results.latest(trial_id) for trial_id in trial_ids}
            failed = [trial_id for trial_id, found in latest.items() if found is None or not found[1].done]
            note.failed = bool(failed)
    return Outcome(results, [trial.id for trial in resolved.trials], trial_ids, failed)


def _about(resolved: ResolvedSuite) -> dict[str, str]:
    """What the journal of runs keeps of a suite."""
    about = {
        "file": resolved.path.name,
        "path": str(resolved.path.resolve()),
        "description": resolved.description,
    }
    return about | origin(gpu=False)


def _where(slots: Sequence[Slot]) -> str:
    """`2 slots of NVIDIA A100` and the like."""
    count = f"{len(slots)} slots of " if len(slots) > 1 else ""
    return f"{count}{slots[0].model}"


def prepare_data(resolved: ResolvedSuite, trials: Iterable[Trial], say: Callable[[str], None]) -> None:
    """Make the data sets of the trials that will run, each once."""
    needed = {trial.settings.data.digest for trial in trials}
    missing = [one for one in resolved.datasets if one.digest in needed and not one.ready]
    for number, dataset in enumerate(missing, start=1):
        say(f"Preparing images: {dataset.source}, set {number} of {len(missing)}")
        dataset.prepare()
