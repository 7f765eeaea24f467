"""Runs pairs of trials, one process at a time, and keeps what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.devices.device import Slot
from bench.journal.results import Attempt, SuiteResults
from bench.machine.notes import Notes
from bench.plan.decide import PlannedTrial, Prediction
from bench.regress.pairs import Kind, PairedRuns, PairJournal, Run, first_side
from bench.regress.sides import NAMES, Side, SideName
from bench.runner.local import LocalOtherUsers
from bench.runner.scheduler import Scheduler, Watcher
from bench.runner.signals import Interruption
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings
from bench.trials.trial import Trial


class NoRecording:
    """A `bench.runner.scheduler.Recording` that sends nothing: what is compared here stays in its folder."""

    def filenos(self) -> list[int]:
        """See `bench.runner.scheduler.Recording`."""
        return []

    def pump(self) -> list[dict[str, Any]]:
        """See `bench.runner.scheduler.Recording`."""
        return []

    def send(self, attempt: Attempt) -> None:
        """See `bench.runner.scheduler.Recording`."""

    def settle(self, interrupted: int) -> None:
        """See `bench.runner.scheduler.Recording`."""


class SideWatcher:
    """Passes on how a run goes, with its side in the slot's name.

    Args:
        watcher: Is told.
        title: Of the side.
    """

    def __init__(self, watcher: Watcher, title: str):
        self.watcher, self.title = watcher, title

    def trial_started(self, planned: PlannedTrial, slot: Slot) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.trial_started(planned, self._named(slot))

    def event(self, planned: PlannedTrial, slot: Slot, event: dict[str, Any]) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.event(planned, self._named(slot), event)

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: dict[str, Any], again: bool) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.trial_ended(planned, self._named(slot), record, again)

    def _named(self, slot: Slot) -> Slot:
        return of_side(slot, self.title)


def of_side(slot: Slot, title: str) -> Slot:
    """A slot under the name of a side, for people."""
    return replace(slot, name=f"{title}, {slot.name}")


@dataclass
class PairRunner:
    """Runs pairs.

    Attributes:
        sides: Both sides; the candidate alone where the baseline was recorded before.
        results: Where the attempts of each are recorded.
        journal: Where pairs are kept.
        slot: Where everything runs, one process at a time.
        limits: How long a trial may take.
        telemetry: How trials are sampled.
        watcher: Is told how it goes.
        other_users: Who else uses the machine.
        interruption: Signals that ask to stop.
        notes: What the journal of a trial says of the machine.
    """

    sides: Mapping[SideName, Side]
    results: Mapping[SideName, SuiteResults]
    journal: PairJournal
    slot: Slot
    limits: Limits
    telemetry: TelemetrySettings
    watcher: Watcher
    other_users: LocalOtherUsers
    interruption: Interruption
    notes: Notes | None = None

    @property
    def places(self) -> list[Slot]:
        """The slot of each side that runs, by name; one of them is in use at a time."""
        return [of_side(self.slot, name) for name in NAMES if name in self.sides]

    def planned(self, name: SideName, trial: Trial, expected: Prediction | None) -> PlannedTrial:
        """A fresh attempt at a trial, as a side runs it."""
        own = self.sides[name].trial(trial, self.slot.model)
        return PlannedTrial(own, "again", "every run of a comparison is a fresh one", True, expected)

    def run_pair(
        self, kind: Kind, trial: Trial, number: int, expected: Prediction | None = None
    ) -> PairedRuns:
        """Run a trial on both sides, one right after the other.

        Args:
            kind: Of which sides.
            trial: The trial.
            number: Of the pair among the trial's, from 0; says which side goes first.
            expected: How long a run takes.

        Returns:
            The pair, which is in the journal.

        Raises:
            InterruptedRun: A signal came; the pair is not kept.
        """
        first = first_side(number)
        runs = {}
        for name in NAMES if first == NAMES[0] else NAMES[::-1]:
            runs[name] = self.run_one("baseline" if kind == "aa" else name, trial, expected)
        return self.keep(kind, trial, first, runs["baseline"], runs["candidate"])

    def keep(self, kind: Kind, trial: Trial, first: SideName, baseline: Run, candidate: Run) -> PairedRuns:
        """Put two runs of a trial, one right after the other, into the journal as a pair; see `PairedRuns`."""
        runs: dict[SideName, Run] = {"baseline": baseline, "candidate": candidate}
        records = {name: run.of(self.results).record_json() or {} for name, run in runs.items()}
        pair = PairedRuns(
            kind,
            trial.key,
            (self.sides["baseline"].key, self.sides["baseline" if kind == "aa" else "candidate"].key),
            first,
            baseline,
            candidate,
            sum(seconds_of(record) for record in records.values()),
            "done" if all(record.get("status") == "done" for record in records.values()) else "failed",
            tuple(f"{name}: {reason}" for name in NAMES for reason in records[name].get("disturbed") or ()),
        )
        self.journal.append(pair)
        return pair

    def run_one(self, name: SideName, trial: Trial, expected: Prediction | None = None) -> Run:
        """Run a trial on one side; see `run_pair`."""
        planned = self.planned(name, trial, expected)
        results = self.results[name]
        Scheduler(
            results,
            self.sides[name].engine(self.slot, self.other_users, self.telemetry, self.notes),
            self.limits,
            SideWatcher(self.watcher, name),
            NoRecording(),
            self.interruption,
        ).run([planned])
        last = results.attempts(planned.trial.id)[-1]
        return Run(name, planned.trial.id, last.number)


def seconds_of(record: Mapping[str, Any]) -> float:
    """Wall time of an attempt's phases, in seconds."""
    return sum(figures.get("wall_s", 0.0) for figures in (record.get("phases") or {}).values())
