"""Compare two environments: the work behind `python -m bench regress`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bench.compare.fingerprint import of_slot
from bench.devices.device import Slot
from bench.devices.lease import lease
from bench.devices.machine import Choice, find_machine
from bench.errors import InputError, ResultsError
from bench.journal.results import SuiteResults
from bench.machine.notes import notes_of
from bench.plan.decide import PlannedTrial
from bench.regress.environments import Environments
from bench.regress.execute import PairRunner
from bench.regress.layout import REGRESS, Comparison, check_name, open_comparison
from bench.regress.pair_schedule import Budget, Course
from bench.regress.side_request import Ask
from bench.regress.sides import SideName
from bench.runner.local import local_other_users
from bench.runner.scheduler import Watcher
from bench.runner.signals import interruptible
from bench.runner.suite import prepare_data, recover
from bench.suite.resolve import ResolvedSuite, resolve_suite


class Speaker(Watcher, Protocol):
    """A watcher that also says things and is told what will run."""

    say: Callable[[str], None]

    def plan(self, planned: list[PlannedTrial], slots: Sequence[Slot], at_once: int | None = None) -> None:
        """What will be run, where, and how many at a time."""


@dataclass(frozen=True)
class RegressOptions:
    """What the command line may say of a comparison.

    Attributes:
        envs: Where environments are kept; None: beside the results.
        python: What makes environments, as `uv venv --python` takes it; None: the running interpreter.
        name: Of the comparison; None: made from suite and sides.
        repeats: Pairs of each trial; None: until the verdict is clear.
        budget_s: Seconds that the runs may take; None: any. Each trial gets its first pairs in any case.
        fresh: Pairs that are there already do not count.
        devices: Goes before `use` of `[devices]`; trials run on the first slot.
        data: Folder of images; goes before the suite's.
        weights: Folder of pretrained weights; goes before the suite's.
        only: Only trials whose ids match.
    """

    envs: Path | None = None
    python: str | None = None
    name: str | None = None
    repeats: int | None = None
    budget_s: float | None = None
    fresh: bool = False
    devices: str | None = None
    data: Path | None = None
    weights: Path | None = None
    only: str | None = None


@dataclass(frozen=True)
class Session:
    """A comparison that may run pairs now: the results folder and the device are held.

    Attributes:
        comparison: Sides, trials and places.
        runner: Runs pairs.
        course: Says which.
        place: Fingerprint (`bench.compare.fingerprint`) of where they run; what ran elsewhere does not count.
    """

    comparison: Comparison
    runner: PairRunner
    course: Course
    place: Mapping[str, Any]


@contextmanager
def session(
    path: Path,
    asks: dict[SideName, Ask],
    results_folder: Path,
    speaker: Speaker,
    options: RegressOptions = RegressOptions(),
) -> Iterator[Session]:
    """Make everything ready to run a suite's trials on two sides; data are prepared once, for both.

    Args:
        path: The suite file.
        asks: What the sides are; without a baseline, one was recorded before.
        results_folder: Where results are kept.
        speaker: Is told how it goes.
        options: Of the command line.

    Raises:
        InputError: The input is wrong, or a side cannot be had; no trial was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came; finished pairs are kept.
    """
    check_name(options.name)
    for name, ask in asks.items():
        ask.check(name)
    if len(asks) == 2 and not any(ask.says_something for ask in asks.values()):
        raise InputError(
            "nothing is said of either side, so there is nothing to compare",
            "Give --baseline tensorflow==2.20.0 --candidate tensorflow==2.21.0 or the like.",
        )
    if options.python and not any(ask.requirements for ask in asks.values()):
        raise InputError(
            f"--python-version {options.python} says what makes environments, and no side asks for one",
            "Give --baseline or --candidate a requirement, or name interpreters with --baseline-python and "
            "--candidate-python.",
        )
    cache = results_folder / "cache"
    suite = resolve_suite(path, cache, options.devices, options.data, options.weights, options.only)
    if suite.downloads:
        suite = suite.with_weights()
    trials = suite.chosen
    environments = Environments(options.envs or results_folder / "environments", speaker.say, options.python)
    lock = SuiteResults(results_folder, REGRESS).lock()
    with (
        interruptible() as interruption,
        lock,
        one_slot(suite.devices, results_folder) as slot,
    ):
        comparison = open_comparison(
            suite, trials, asks, results_folder, environments, options.name, speaker.say
        )
        for results in comparison.results.values():
            recover(results)
        prepare_data(suite.datasets, trials, speaker.say)
        for sentence in introduction(comparison, suite, slot):
            speaker.say(sentence)
        machine = find_machine()
        with local_other_users([slot], suite.limits.quiet_s, speaker.say) as other_users:
            runner = PairRunner(
                comparison.sides,
                comparison.results,
                comparison.journal,
                slot,
                suite.limits,
                suite.telemetry,
                speaker,
                other_users,
                interruption,
                notes_of(results_folder, machine),
            )
            if options.fresh:
                comparison.journal.begin_afresh()
            place = of_slot(slot, machine)
            earlier = comparison.journal.read(comparison.keys, comparison.results, place)
            course = Course(runner, earlier, speaker, Budget(options.budget_s), trials)
            yield Session(comparison, runner, course, place)


@contextmanager
def one_slot(devices: Choice, results_folder: Path) -> Iterator[Slot]:
    """Hold the first of the chosen slots that is free; the others stay free for others.

    Raises:
        ResultsError: All are in use.
    """
    with ExitStack() as held:
        for position, slot in enumerate(devices.slots, start=1):
            try:
                held.enter_context(lease(replace(devices, slots=(slot,)), results_folder, REGRESS))
            except ResultsError:
                if position == len(devices.slots):
                    raise
            else:
                break
        yield slot


def introduction(comparison: Comparison, suite: ResolvedSuite, slot: Slot) -> list[str]:
    """What is compared, on what, and what differs: sentences to be said before anything runs."""
    labels = " against ".join(side.label for side in comparison.sides.values())
    count = len(comparison.trials)
    lines = [f"{comparison.name}: {labels}, {count} trial{'' if count == 1 else 's'}, on {slot.model}"]
    differing = comparison.differences()
    if len(comparison.sides) < 2:
        lines.append("The baseline was recorded before; the candidate alone is run.")
    elif differing:
        shown = (f"{name} {old or 'none'} -> {new or 'none'}" for name, (old, new) in differing.items())
        lines.append(f"What differs: {', '.join(shown)}.")
    else:
        lines.append("Nothing differs between the sides: A is compared with A.")
    lines += suite.warnings
    lines += [suite.devices.note] if suite.devices.note else []
    for side in comparison.sides.values():
        lines += side.lacks(comparison.trials)
    return lines
