"""Runs pairs of trials on this machine: in turns on a processor, one run right after the other elsewhere."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace

from bench.devices.device import Slot
from bench.errors import ResultsError
from bench.journal.results import Attempt
from bench.machine.notes import Notes
from bench.plan.decide import PlannedTrial, Prediction
from bench.plan.needs import free_memory
from bench.records.disturbance import from_outside
from bench.regress.pairs import Kind, PairedRuns, PairJournal, Results, Run, first_side, seconds_of
from bench.regress.side_links import SideLinks
from bench.regress.sides import NAMES, Side, SideName
from bench.runner.local import LocalOtherUsers
from bench.runner.scheduler import Scheduler, Watcher, wait_for
from bench.runner.signals import Interruption
from bench.runner.turns import TurnPipe, Turns
from bench.trials.limits import RETRIED, Limits
from bench.trials.record import Record
from bench.trials.sampling import TelemetrySettings
from bench.trials.trial import Trial
from bench.worker.jsonl import RawEvent

_DONE = object()
AGAIN = "baseline again"
"""The second run of A against A, for people."""


class NoRecording:
    """A `bench.runner.scheduler.Recording` that sends nothing: a comparison stays in its folder."""

    def filenos(self) -> list[int]:
        """See `bench.runner.scheduler.Recording`."""
        return []

    def pump(self) -> list[RawEvent]:
        """See `bench.runner.scheduler.Recording`."""
        return []

    def prepare(self) -> None:
        """See `bench.runner.scheduler.Recording`."""

    def send(self, attempt: Attempt) -> None:
        """See `bench.runner.scheduler.Recording`."""

    def settle(self, interrupted: int) -> None:
        """See `bench.runner.scheduler.Recording`."""


class SideWatcher:
    """Passes on the progress of a run, with the side in the name of the slot.

    Args:
        watcher: Is told.
        label: Of the side, for people.
    """

    def __init__(self, watcher: Watcher, label: str):
        self.watcher, self.label = watcher, label

    def say(self, message: str, /) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.say(message)

    def trial_started(self, planned: PlannedTrial, slot: Slot) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.trial_started(planned, labeled(slot, self.label))

    def event(self, planned: PlannedTrial, slot: Slot, event: RawEvent) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.event(planned, labeled(slot, self.label), event)

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: Record, again: bool) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.trial_ended(planned, labeled(slot, self.label), record, again)


class _InTurns(SideWatcher):
    """Tells whose turn it is as well, and keeps what became of its run.

    Args:
        watcher: Is told.
        side: Whose run it is.
        turns: Of both runs.
        number: Of this one, 0 or 1.
        label: See `SideWatcher`.
        repeated: Kinds of failure for which the pair is run again.
        failed: Those that came, of both runs.
    """

    ended: tuple[Run, Record]

    def __init__(
        self,
        watcher: Watcher,
        side: SideName,
        turns: Turns,
        number: int,
        label: str,
        repeated: Collection[str],
        failed: set[str],
    ):
        super().__init__(watcher, label)
        self.side, self.turns, self.number = side, turns, number
        self.repeated, self.failed = repeated, failed

    def event(self, planned: PlannedTrial, slot: Slot, event: RawEvent) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.turns.hear(self.number, event)
        super().event(planned, slot, event)

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: Record, again: bool) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        if not again:
            self.ended = Run(self.side, planned.trial.id, record.attempt), record
            if record.failure is not None and record.failure.kind in self.repeated:
                self.failed.add(record.failure.kind)
            again = bool(self.failed)
            if not again:  # else the other one, which may sleep, is stopped
                self.turns.ended(self.number)
        super().trial_ended(planned, slot, record, again)


def labeled(slot: Slot, label: str) -> Slot:
    """A slot with a label in its name, for people."""
    return replace(slot, name=f"{label}, {slot.name}")


@dataclass(frozen=True)
class PairRunner:
    """Runs pairs of trials, of which one works at a time."""

    sides: Mapping[SideName, Side]
    """Both sides; the candidate alone against a saved baseline."""
    results: Results
    links: tuple[SideLinks, SideLinks]
    """What sides see of their place; the second ones where two are under way together."""
    journal: PairJournal
    slot: Slot
    """Where everything runs."""
    limits: Limits
    telemetry: TelemetrySettings
    watcher: Watcher
    other_users: LocalOtherUsers
    interruption: Interruption
    notes: Notes | None = None
    """What the journal of a trial says about the machine."""
    _too_large: set[str] = field(default_factory=set)
    """Keys of trials whose two runs did not fit into memory together; they take no turns any more."""

    @property
    def places(self) -> list[Slot]:
        """The slot of each side that runs, by name; one of them works at a time."""
        return [labeled(self.slot, name) for name in NAMES if name in self.sides]

    def planned(self, name: SideName, trial: Trial, expected: Prediction | None) -> PlannedTrial:
        """A fresh attempt at a trial, as a side runs it."""
        own = self.sides[name].trial(trial, self.slot.model)
        return PlannedTrial(own, "again", "every run of a comparison is a fresh one", True, expected)

    @property
    def takes_turns(self) -> bool:
        """Whether the runs of a pair are under way together, of which one works at a time.

        Only on a processor: two workers would share the memory of a GPU, and look like strangers to each other there.
        """
        return self.slot.kind == "cpu" and all(side.takes_turns for side in self.sides.values())

    def run_pair(
        self, kind: Kind, trial: Trial, number: int, expected: Prediction | None = None
    ) -> PairedRuns:
        """Run a trial on both sides: in turns, or one right after the other.

        Args:
            kind: Of which sides.
            trial: The trial.
            number: Of the pair among the trial's, from 0; it says which side runs first.
            expected: How long a run takes.

        Returns:
            The pair, which is in the journal.

        Raises:
            InterruptedRun: A signal came; the pair is not kept.
        """
        first = first_side(number, f"{kind} {self.sides[NAMES[-1]].key} {trial.key}")
        order = NAMES if first == NAMES[0] else NAMES[::-1]
        names: list[SideName] = ["baseline" if kind == "aa" else name for name in order]
        limits = self.limits
        turns = self.takes_turns and self._fits(names, trial)
        runs = self._run_in_turns(names, trial, expected) if turns else None
        if runs is None:
            if turns:  # that was the first try
                limits = replace(limits, retries=max(0, limits.retries - 1))
            runs = [self.run_one(name, trial, expected, limits) for name in names]
        baseline, candidate = runs if first == NAMES[0] else runs[::-1]
        return self.keep(kind, trial, first, baseline, candidate)

    def _fits(self, names: Sequence[SideName], trial: Trial) -> bool:
        """Whether both runs of a pair fit into memory, by the peaks of earlier ones; where none is known, they do."""
        if trial.key in self._too_large:
            return False
        peaks: dict[SideName, int] = {}
        for name in set(names):
            latest = self.results[name].latest(self.planned(name, trial, None).trial.id)
            if latest and latest[1].memory and latest[1].memory.process_peak:
                peaks[name] = latest[1].memory.process_peak
        needed, free = sum(peaks.get(name, max(peaks.values(), default=0)) for name in names), free_memory()
        if needed <= free:
            return True
        self._too_large.add(trial.key)
        self.watcher.say(
            f"{trial.id}: the two runs of a pair take {needed / 1e9:.1f} GB of memory together, and "
            f"{free / 1e9:.1f} GB are free: they run one after the other."
        )
        return False

    def keep(self, kind: Kind, trial: Trial, first: SideName, baseline: Run, candidate: Run) -> PairedRuns:
        """Put two runs of a trial into the journal as a pair; see `PairedRuns`."""
        records = [self.record_of(run) for run in (baseline, candidate)]
        pair = PairedRuns(
            kind=kind,
            trial_key=trial.key,
            sides=(self.sides["baseline"].key, self.sides["baseline" if kind == "aa" else "candidate"].key),
            first=first,
            baseline=baseline,
            candidate=candidate,
            seconds=sum(map(seconds_of, records)),
            status="done" if all(record.done for record in records) else "failed",
            disturbed=tuple(
                f"{name}: {reason}"
                for name, record in zip(NAMES, records, strict=True)
                for reason in from_outside(record.disturbed)
            ),
        )
        self.journal.append(pair)
        return pair

    def run_one(
        self,
        name: SideName,
        trial: Trial,
        expected: Prediction | None = None,
        limits: Limits | None = None,
    ) -> Run:
        """Run a trial on one side, within the limits of the suite or others; see `run_pair`."""
        planned = self.planned(name, trial, expected)
        with self._names_side(name):
            self._scheduler(name, limits or self.limits, SideWatcher(self.watcher, name)).run([planned])
        last = self.results[name].attempts(planned.trial.id)[-1]
        return Run(name, planned.trial.id, last.number)

    def _run_in_turns(
        self, names: Sequence[SideName], trial: Trial, expected: Prediction | None
    ) -> list[Run] | None:
        """Run a trial on two sides, of which one works at a time: what slows the machine slows both.

        Returns:
            Both runs; None where one failed that may go well when it is tried again, or without the other. The other
            one is stopped then: it would be run again as well.
        """
        repeated = RETRIED if self.limits.retries else {"host-oom"}
        failed: set[str] = set()
        limits = replace(self.limits, retries=0, checkpoint_s=None, checkpoint_epochs=None)
        # The machine is quiet before the first one starts; then that one is there.
        limits_of = (limits, replace(limits, exclusive=False))
        with closing(Turns()) as turns, self.interruption.held(), ExitStack() as stack:
            labels = [names[0], AGAIN if names[0] == names[1] else names[1]]
            watchers = [
                _InTurns(self.watcher, name, turns, number, labels[number], repeated, failed)
                for number, name in enumerate(names)
            ]
            schedulers = [
                self._scheduler(watcher.side, limits_of[number], watcher, number, turns.pipes[number])
                for number, watcher in enumerate(watchers)
            ]
            waiting = [
                (number, stack.enter_context(closing(one.rounds([self.planned(name, trial, expected)]))))
                for number, (one, name) in enumerate(zip(schedulers, names, strict=True))
            ]
            active = dict([waiting.pop(0)])
            while waiting or active:
                for number, rounds in list(active.items()):
                    with self._names_side(names[number]):
                        if next(rounds, _DONE) is _DONE:
                            del active[number]
                while turns.given:
                    schedulers[turns.given.pop()].turn_begins()
                if failed:
                    waiting.clear()
                    for number in active:
                        schedulers[number].stop("its pair is run again, because the other run failed")
                if waiting and turns.second_may_start:
                    number, rounds = waiting.pop()
                    active[number] = rounds
                elif active:
                    wait_for(self.interruption, *(schedulers[number] for number in active))
                else:  # a signal came before anything ran
                    break
        if failed:
            self.watcher.say(
                f"{trial.id}: {', '.join(sorted(failed))}; the pair is run again, one after the other."
            )
            return None
        return [watcher.ended[0] for watcher in watchers]

    @contextmanager
    def _names_side(self, name: SideName) -> Iterator[None]:
        """Within it, an interpreter that cannot be started any more is told with the side that it belongs to."""
        try:
            yield
        except OSError as error:
            interpreter = self.sides[name].interpreter
            if os.access(interpreter, os.X_OK):
                raise
            raise ResultsError(
                f"the interpreter of the {name} is gone: {interpreter}",
                "Repeat the command once it is back; one that leukobench made is made again. Finished pairs are kept.",
            ) from error

    def _scheduler(
        self, name: SideName, limits: Limits, watcher: Watcher, place: int = 0, turn: TurnPipe | None = None
    ) -> Scheduler:
        """Of one run of a side."""
        engine = self.links[place].engine(
            self.sides[name], self.slot, self.other_users, self.telemetry, self.notes, turn
        )
        return Scheduler(self.results[name], engine, limits, watcher, NoRecording(), self.interruption)

    def record_of(self, run: Run) -> Record:
        """The record of a run that is over."""
        record = run.of(self.results).record()
        assert record is not None, "the scheduler writes a record for every attempt"
        return record
