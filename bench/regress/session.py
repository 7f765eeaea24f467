"""A session of `regress`: what is asked for, and everything that is held and ready while pairs run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec

from bench.compare.differences import Fingerprint
from bench.compare.looks import start_anew
from bench.compare.reading import BASELINE
from bench.compare.thresholds import Thresholds
from bench.devices.device import Slot
from bench.devices.lease import lease
from bench.devices.machine import Choice, find_machine
from bench.errors import InputError, ResultsError
from bench.journal.results import SuiteResults
from bench.machine.notes import notes_of
from bench.regress.environments import Environments
from bench.regress.pair_runner import PairRunner
from bench.regress.pairs import PairedRuns, PairJournal, Results
from bench.regress.schedule import Budget, Listener, PairSchedule
from bench.regress.side_links import SideLinks
from bench.regress.side_notes import SIDES, SidesNote, differences
from bench.regress.side_request import THIS_ENVIRONMENT, SideRequest, make_sides
from bench.regress.sides import NAMES, Side, SideName
from bench.runner.local import local_other_users
from bench.runner.scheduler import Watcher
from bench.runner.signals import interruptible
from bench.runner.suite import recover
from bench.suite.resolve import ResolvedSuite, resolve_suite
from bench.trials.datasets import prepare_data
from bench.trials.layout import CACHE, ENVIRONMENTS, REGRESS
from bench.trials.trial import Trial
from bench.worker.files import write_json
from wbc.files import plain_letters


class Speaker(Watcher, Listener, Protocol):
    """A watcher that also shows messages and is told what will run."""


@dataclass(frozen=True)
class RegressRequest:
    """What `regress` is asked for."""

    suite: Path
    """A suite file, or the name of a suite."""
    baseline: SideRequest = THIS_ENVIRONMENT
    candidate: SideRequest = THIS_ENVIRONMENT
    baseline_results: str | None = None
    """Results to take as the baseline, as `compare` takes them; None: the baseline runs."""
    results: Path = Path("results")
    """The results folder."""
    name: str | None = None
    """Of the comparison; None: made from suite and sides."""
    pairs: int | None = None
    """Of each configuration; None: until the verdict is clear."""
    budget_s: float | None = None
    """Seconds that the runs may take; None: any. Each configuration gets its first pairs in any case."""
    whole_budget: bool = False
    """Whether the budget includes what earlier pairs took: what is spent stays spent."""
    fresh: bool = False
    """Earlier pairs do not count."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    devices: str | None = None
    """Overrides `use` of `[devices]`; trials run on the first free slot."""
    data: Path | None = None
    """Folder of images; overrides `path` of `[data]`."""
    weights: Path | None = None
    """Folder of pretrained weights; overrides `path` of `[weights]`."""
    only: str | None = None
    """Only trials whose id matches."""
    environments: Path | None = None
    """Where environments are kept; None: in the results folder."""
    python: str | None = None
    """What makes environments, as `uv venv --python` takes it; None: the running interpreter."""

    @property
    def recorded(self) -> str | None:
        """The results that are the baseline; None where the baseline runs."""
        asked = self.baseline.requirement or ""
        return asked if asked.startswith(BASELINE) else self.baseline_results

    @property
    def sides(self) -> dict[SideName, SideRequest]:
        """What is asked of the sides that run."""
        if self.recorded is not None:
            return {"candidate": self.candidate}
        return {"baseline": self.baseline, "candidate": self.candidate}

    def check(self) -> None:
        """Raise InputError if it contradicts itself, before anything is read or built."""
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", self.name):
            raise InputError(
                f"a comparison cannot be called {self.name!r}",
                "Use letters, digits, dots, + and -; it becomes a folder below results/regress/.",
            )
        if self.recorded is not None:
            self._check_recorded(self.recorded)
        for name, side in self.sides.items():
            side.check(name)
        if self.recorded is None and not any(side.asks_something for side in self.sides.values()):
            raise InputError(
                "both sides are this environment, so there is nothing to compare",
                "Give --baseline tensorflow==2.20.0 --candidate tensorflow==2.21.0 or the like.",
            )
        if self.python and not any(side.requirements for side in self.sides.values()):
            raise InputError(
                f"--python-version {self.python} is for environments that are built, and no side asks for one",
                "Give --baseline or --candidate a requirement, or give interpreters with --baseline-python and "
                "--candidate-python.",
            )

    def _check_recorded(self, recorded: str) -> None:
        given, asked = self.baseline_results, self.baseline
        if recorded == asked.requirement:
            if given is not None:
                raise InputError(
                    f"the baseline is given twice, as {recorded} and as --baseline-results {given}",
                    "Leave one of the two out.",
                )
            asked = replace(asked, requirement=None)
        if asked.asks_something or asked.more:
            raise InputError(
                f"the baseline is {recorded}, so nothing else can be asked of it",
                "Leave out --baseline-with, --baseline-python and --baseline-revision, or the saved results.",
            )


@dataclass(frozen=True)
class Session:
    """A comparison that may run pairs now: the results folder and the device are held."""

    name: str
    """Also of its folder."""
    folder: Path
    """`<results>/regress/<name>`."""
    request: RegressRequest
    sides: Mapping[SideName, Side]
    """Both; the candidate alone against saved results."""
    results: Results
    trials: Sequence[Trial]
    """What runs, as the harness' own environment would run it."""
    journal: PairJournal
    runner: PairRunner
    schedule: PairSchedule
    place: Fingerprint
    """Where pairs run; pairs that ran elsewhere do not count."""
    speaker: Speaker

    @property
    def keys(self) -> tuple[str, str]:
        """Of both sides; the baseline's is empty where it does not run."""
        return keys_of(self.sides)


def keys_of(sides: Mapping[SideName, Side]) -> tuple[str, str]:
    """Keys of both sides; empty for a side that does not run."""
    old, new = (sides[name].key if name in sides else "" for name in NAMES)
    return old, new


@contextmanager
def open_session(
    request: RegressRequest, speaker: Speaker, made: Mapping[SideName, Side] | None = None
) -> Iterator[Session]:
    """Make everything ready to run the trials of a suite on the sides. Data are prepared once, for both.

    Args:
        request: What is asked for.
        speaker: Is told the progress.
        made: The sides, where they are made already.

    Raises:
        InputError: The input is wrong, or a side cannot be made. No trial was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came; finished pairs are kept.
    """
    request.check()
    say, home = speaker.say, request.results
    suite = resolve_suite(
        request.suite,
        home / CACHE,
        request.devices,
        request.data,
        request.weights,
        request.only,
        in_pairs=True,
    )
    if suite.downloads:
        suite = suite.with_weights()
    trials = suite.chosen
    environments = Environments(request.environments or home / ENVIRONMENTS, say, request.python)
    with (
        interruptible() as interruption,
        SuiteResults(home, REGRESS).lock(),
        first_free_slot(suite.devices, home) as slot,
    ):
        on_gpu = suite.devices.slots[0].kind == "gpu"
        sides = made or make_sides(request.sides, environments, home / CACHE, trials, on_gpu)
        name = request.name or name_of(suite.name, request.sides)
        folder = home / REGRESS / name
        folder.mkdir(parents=True, exist_ok=True)
        note = SidesNote(suite=suite.name, **{side: one.note for side, one in sides.items()})
        write_json(folder / SIDES, msgspec.to_builtins(note))
        results: Results = {side: SuiteResults(folder, side) for side in NAMES}
        for one in results.values():
            recover(one, say)
        prepare_data(suite.datasets, trials, say)
        for sentence in introduction(name, sides, trials, suite, slot):
            say(sentence)
        machine = find_machine()
        journal = PairJournal(folder)
        if request.fresh:
            journal.begin_afresh()
            start_anew(folder)
        place = Fingerprint.of_slot(slot, machine)
        with local_other_users([slot], suite.limits.quiet_s, say) as other_users:
            runner = PairRunner(
                sides=sides,
                results=results,
                links=(SideLinks(folder, sides.values(), 1), SideLinks(folder, sides.values(), 2)),
                journal=journal,
                slot=slot,
                limits=suite.limits,
                telemetry=suite.telemetry,
                watcher=speaker,
                other_users=other_users,
                interruption=interruption,
                notes=notes_of(home, machine),
            )
            earlier = journal.read(keys_of(sides), results, place)
            budget = Budget(_left(request, earlier))
            schedule = PairSchedule(runner, earlier, speaker, budget, trials)
            yield Session(
                name, folder, request, sides, results, trials, journal, runner, schedule, place, speaker
            )


@contextmanager
def first_free_slot(devices: Choice, results_folder: Path) -> Iterator[Slot]:
    """Hold the first of the chosen slots that is free; the others stay free for other runs.

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


def introduction(
    name: str, sides: Mapping[SideName, Side], trials: Sequence[Trial], suite: ResolvedSuite, slot: Slot
) -> list[str]:
    """What is compared, on what, and what differs: sentences to say before anything runs."""
    labels = " against ".join(side.label for side in sides.values())
    count = len(trials)
    lines = [f"{name}: {labels}, {count} trial{'' if count == 1 else 's'}, on {slot.model}"]
    differences = side_differences(sides)
    if len(sides) < 2:
        lines.append("The baseline is a saved result; only the candidate runs.")
    elif differences:
        shown = (f"{what} {old or 'none'} -> {new or 'none'}" for what, (old, new) in differences.items())
        lines.append(f"What differs: {', '.join(shown)}.")
    else:
        lines.append("Nothing differs between the sides: A is compared with A.")
    lines += suite.warnings
    lines += [suite.devices.note] if suite.devices.note else []
    for side in sides.values():
        lines += side.lacks(trials)
    return lines


def side_differences(sides: Mapping[SideName, Side]) -> dict[str, tuple[str, str]]:
    """What differs between the sides: packages, Python, the code; name -> both. Nothing with one side."""
    if len(sides) < 2:
        return {}
    return differences(*(sides[name].note for name in NAMES))


def name_of(suite: str, sides: Mapping[SideName, SideRequest]) -> str:
    """`regression-tensorflow-2.20.0-vs-tensorflow-2.21.0` and the like."""
    labels = [sides[side].label if side in sides else "recorded" for side in NAMES]
    plain = [re.sub(r"[^A-Za-z0-9.+]+", "-", plain_letters(label)) for label in labels]
    words = [label.strip("-.")[-60:].strip("-.") for label in plain]
    return f"{suite}-{words[0]}-vs-{words[1]}"


def _left(request: RegressRequest, earlier: Sequence[PairedRuns]) -> float | None:
    """Seconds of the budget that are left."""
    if request.budget_s is None or not request.whole_budget:
        return request.budget_s
    return max(0.0, request.budget_s - sum(pair.seconds for pair in earlier))
