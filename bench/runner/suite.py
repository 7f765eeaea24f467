"""Run a whole suite, from its file to its records: the work behind `bench run`."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from bench.devices.device import Slot
from bench.devices.machine import plural
from bench.errors import DamagedAttempt, InputError
from bench.journal.damage import warnings_of
from bench.journal.results import Attempt, SuiteResults
from bench.journal.runs import noted_run, other_file
from bench.machine.notes import origin
from bench.plan.decide import PlannedTrial, make_plan
from bench.plan.predict import Predictor
from bench.plan.prefixes import successors
from bench.records.fold import finish
from bench.runner.engine import Site
from bench.runner.local import ThisMachine
from bench.runner.scheduler import Scheduler, Watcher
from bench.runner.signals import interruptible
from bench.suite.resolve import resolve_suite
from bench.tracking.markers import is_behind
from bench.tracking.process import RecordingProcess
from bench.tracking.store import copy_note, damage_note
from bench.trials.datasets import prepare_data
from bench.trials.layout import CACHE
from bench.trials.runtime import require_backends

_DAMAGED = (DamagedAttempt, IsADirectoryError, ValueError, LookupError, ArithmeticError)
"""What reading journals raises after a disk, or somebody with an editor, has damaged them."""


class Speaker(Watcher, Protocol):
    """A watcher that also prints messages and is told the plan."""

    def say(self, message: str, /) -> None:
        """Print a message."""

    def plan(self, planned: list[PlannedTrial], slots: Sequence[Slot]) -> None:
        """What will be run, and where."""


Engines = Literal["local", "ray"]
"""Where trials can run: on this machine, or on the nodes of a Ray cluster."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line may say of a run."""

    devices: str | None = None
    """Overrides `use` of `[devices]`, see `bench.devices.machine.choose_slots`."""
    data: Path | None = None
    """Folder of images; overrides the suite's."""
    weights: Path | None = None
    """Folder of pretrained weights; overrides the suite's."""
    only: str | None = None
    """Only trials that match, see `bench.plan.decide.choose`."""
    fresh: bool = False
    """Run trials from their beginning, finished ones too."""
    engine: Engines = "local"
    """Where trials run: on this machine, or on the nodes of a Ray cluster."""
    address: str | None = None
    """`HOST:PORT` of the cluster's head node; None starts a cluster on this machine."""


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind."""

    results: SuiteResults
    """Where it is recorded."""
    suite_ids: list[str]
    """Every trial of the suite."""
    trial_ids: list[str]
    """The trials that were asked for."""
    failed: list[str]
    """Those of them that are not done."""
    cautions: tuple[str, ...] = ()
    """What is odd about the images, in sentences."""


def run_suite(
    path: Path,
    results_folder: Path,
    speaker: Speaker,
    options: RunOptions = RunOptions(),
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Run every trial of a suite that is not done.

    Args:
        path: The suite file, or the name of a suite that comes with leukobench.
        results_folder: Where results are kept.
        speaker: Is told how it progresses.
        options: Of the command line.
        report: Is called when the last trial is over, while MLflow still gets what ran.

    Raises:
        InputError: The input is wrong; nothing was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came; what ran is recorded.
    """
    with _site(options) as site:
        return _run_suite(path, results_folder, speaker, options, report, site)


def _run_suite(
    path: Path,
    results_folder: Path,
    speaker: Speaker,
    options: RunOptions,
    report: Callable[[Outcome], None],
    site: Site,
) -> Outcome:
    # Resolve: look up everything that the suite names. Nothing is written while the input is wrong.
    cache = results_folder / CACHE
    suite = resolve_suite(
        path, cache, options.devices, options.data, options.weights, options.only, choose_devices=site.choose
    )
    require_backends(suite.chosen, suite.devices.slots[0].replicas, suite.devices.slots[0].kind)
    if suite.downloads:
        suite = suite.with_weights()
    results = SuiteResults(results_folder, suite.name)
    with (
        interruptible() as interruption,
        results.lock(),
        site.hold(suite.devices, results_folder, suite.name) as leased,
    ):
        slots = leased.slots[:1] if suite.limits.exclusive else leased.slots
        # Plan: decide what runs, make its images, predict how long it takes.
        recover(results, speaker.say)
        shared = other_file(results, suite.path)
        plan = make_plan(suite.chosen, results, suite.trials, options.fresh)
        prepare_data(suite.datasets, [one.trial for one in plan if one.runs], speaker.say)
        plan = Predictor(results_folder, slots[0].kind).predict(plan)
        waiting = sum(planned.runs for planned in plan)
        where = f"{len(slots)} slots of {slots[0].model}" if len(slots) > 1 else slots[0].model
        speaker.say(
            f"{suite.name}: {plural(len(plan), 'trial')}, {len(plan) - waiting} done before, on {where}"
        )
        told = (
            suite.devices.note,
            leased.note,
            copy_note(results_folder),
            damage_note(results_folder),
            shared,
        )
        for sentence in filter(None, (*suite.warnings, *told, *warnings_of(results))):
            speaker.say(sentence)
        speaker.plan(plan, slots)
        # Run: the scheduler folds the journals of each attempt that is over, and hands its record to MLflow.
        trial_ids = [planned.trial.id for planned in plan]
        about = {
            "file": suite.path.name,
            "path": str(suite.path.resolve()),
            "description": suite.description,
            "margin": suite.margin,
        }
        behind = is_behind(results, waiting > 0)
        with RecordingProcess(results, speaker.say) as recording:
            with (
                noted_run(results, trial_ids, suite.limits.exclusive, **about, **origin(gpu=False)) as note,
                site.engine(slots, suite, results_folder, speaker.say) as engine,
            ):
                if behind:
                    recording.catch_up()
                following = successors(suite.chosen) if suite.share_prefix else {}
                Scheduler(
                    results, engine, suite.limits, speaker, recording, interruption, successors=following
                ).run(plan)
                failed = [trial_id for trial_id in trial_ids if not results.is_done(trial_id)]
                note.failed = bool(failed)
            cautions = tuple(dataset.warning for dataset in suite.datasets if dataset.warning)
            outcome = Outcome(results, [trial.id for trial in suite.trials], trial_ids, failed, cautions)
            failure = _failure_of(lambda: report(outcome))
        if failure is not None:  # all is sent before that is said
            raise failure
    return outcome


def _failure_of(call: Callable[[], None]) -> Exception | None:
    try:
        call()
    except Exception as failure:
        return failure
    return None


def _site(options: RunOptions) -> AbstractContextManager[Site]:
    if options.engine not in (known := get_args(Engines)):  # Python's callers: the command line checks it
        raise InputError(f"there is no engine {options.engine!r}", f"There is: {', '.join(known)}.")
    if options.engine == "local":
        if options.address:
            raise InputError("--address needs --engine ray")
        return nullcontext(ThisMachine())
    from bench.runner.cluster.session import connect  # needs Ray, which is not installed everywhere

    return connect(options.address)


def recover(results: SuiteResults, say: Callable[[str], None]) -> list[Attempt]:
    """Clean up after a harness that was killed; the caller holds the lock.

    Attempts without a record get one, and so do those whose record is damaged. Half-written files go, and so
    do checkpoints of trials that are done.

    Args:
        results: The suite's results.
        say: Is told what is damaged.

    Returns:
        The attempts that had no record.
    """
    abandoned = [attempt for attempt in results.all_attempts() if attempt.record() is None]
    for attempt in abandoned:
        if not (attempt.folder / "trial.json").exists():  # killed while the folder was made: nothing ran
            shutil.rmtree(attempt.folder)
            continue
        damage = attempt.damage()
        try:
            finish(attempt)
        except _DAMAGED as error:  # kept for people to look at, but not as an attempt
            aside = attempt.folder.with_name(f"damaged-{attempt.folder.name}")
            attempt.folder.replace(aside)
            say(f"{error}. The attempt is set aside as {aside.name}.")
            continue
        if damage:
            say(f"{attempt.result} was damaged ({damage}); it is made again from the journals.")
    for partial in results.partial_files():
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
    for trial_id in results.checkpointed():
        if results.is_done(trial_id):
            results.discard_checkpoint(trial_id)
    return abandoned
