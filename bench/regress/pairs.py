"""Pairs of attempts, one right after the other: how they are run, and the journal that keeps them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bench.compare.differences import ANYWHERE, Fingerprint
from bench.devices.device import Slot
from bench.errors import InputError
from bench.journal.results import Attempt, SuiteResults
from bench.machine.notes import Notes
from bench.plan.decide import PlannedTrial, Prediction
from bench.records.disturbance import from_outside
from bench.regress.sides import NAMES, Side, SideName
from bench.regress.turn import Turn
from bench.runner.local import LocalOtherUsers
from bench.runner.scheduler import Scheduler, Watcher
from bench.runner.signals import Interruption
from bench.trials.limits import Limits
from bench.trials.record import Record
from bench.trials.sampling import TelemetrySettings
from bench.trials.trial import Trial
from bench.worker.jsonl import EventWriter, RawEvent

Kind = Literal["ab", "aa"]
"""`ab`: baseline and candidate. `aa`: the baseline twice, which shows the noise of the machine."""

FORMAT = 1
"""Of `pairs.jsonl`, whose first line carries it. Format 1 is the first one."""

Results = Mapping[SideName, SuiteResults]
"""Where the attempts of each side are."""


class Run(Struct, frozen=True):
    """An attempt at a trial, by its place."""

    side: SideName
    """Under whose results it is."""
    trial_id: str
    """The trial as that side runs it."""
    attempt: int
    """Number of the attempt."""

    def of(self, results: Results) -> Attempt:
        """The attempt itself."""
        return results[self.side].attempt(self.trial_id, self.attempt)


class PairedRuns(Struct, frozen=True, tag_field="event", tag="pair"):
    """Two attempts that ran one right after the other."""

    kind: Kind
    trial_key: str
    sides: tuple[str, str]
    """Keys of the two sides (`bench.regress.sides.Side.key`); for `aa` the baseline's twice."""
    first: SideName
    """Which of the two ran first."""
    baseline: Run
    candidate: Run
    """Of `aa` the other attempt of the baseline."""
    seconds: float
    """What both took."""
    status: Literal["done", "failed"]
    """`failed` if either is."""
    disturbed: tuple[str, ...] = ()
    """What disturbed them from outside: sentences."""

    @property
    def done(self) -> bool:
        """Whether both runs are done."""
        return self.status == "done"

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both attempts, the baseline's first."""
        return self.baseline, self.candidate


class _Begun(Struct, frozen=True, tag_field="event", tag="begun"):
    """The first line of a journal."""

    format: int


class _SingleRun(Struct, frozen=True, tag_field="event", tag="run"):
    """A run without a partner, against a saved baseline."""

    side_key: str
    run: Run


class _Afresh(Struct, frozen=True, tag_field="event", tag="afresh"):
    """Nothing before it counts."""


_Event = _Begun | PairedRuns | _SingleRun | _Afresh

_DECODER: msgspec.json.Decoder[_Event] = msgspec.json.Decoder(_Event)


class PairJournal:
    """Appends to `pairs.jsonl`, and reads what is there.

    Args:
        folder: Of the comparison.
    """

    def __init__(self, folder: Path):
        self.path = folder / "pairs.jsonl"

    def append(self, pair: PairedRuns) -> None:
        """Keep a pair, once both of its records are written."""
        self._write(pair)

    def append_run(self, side_key: str, run: Run) -> None:
        """Keep a run without a partner, once its record is written.

        Args:
            side_key: Key of its side.
            run: The run.
        """
        self._write(_SingleRun(side_key, run))

    def read(
        self, sides: tuple[str, str], results: Results, place: Fingerprint = ANYWHERE
    ) -> list[PairedRuns]:
        """The pairs of these two sides whose attempts are still there, oldest first.

        Args:
            sides: Keys of both.
            results: Where their attempts are.
            place: Where they must have run.

        Raises:
            InputError: The journal has another format.
        """
        wanted = {"ab": sides, "aa": (sides[0], sides[0])}
        return [
            event
            for event in self._events()
            if isinstance(event, PairedRuns)
            and event.sides == wanted[event.kind]
            and all(_counts(run, results, place) for run in event.runs)
        ]

    def runs(self, side_key: str, results: Results, place: Fingerprint = ANYWHERE) -> list[Run]:
        """The single runs of a side whose attempts are still there, oldest first; see `read`."""
        return [
            event.run
            for event in self._events()
            if isinstance(event, _SingleRun)
            and event.side_key == side_key
            and _counts(event.run, results, place)
        ]

    def begin_afresh(self) -> None:
        """Forget every pair that came before; their attempts stay where they are."""
        if self.path.exists():
            self._write(_Afresh())

    def _write(self, event: _Event) -> None:
        new = not self.path.exists()
        if not new and not self.path.read_bytes().endswith(b"\n"):
            # Of a machine that went down. That line is lost, but the next one must not be.
            with self.path.open("ab") as file:
                file.write(b"\n")
        writer = EventWriter(self.path)
        try:
            for one in (_Begun(FORMAT), event) if new else (event,):
                writer.write(**msgspec.to_builtins(one))
        finally:
            writer.close()

    def _events(self) -> list[_Event]:
        """What was written since the last fresh start; lines that are torn are left out."""
        events: list[_Event] = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            try:
                event = _DECODER.decode(line)
            except msgspec.DecodeError:
                continue
            if isinstance(event, _Begun) and event.format != FORMAT:
                raise InputError(
                    f"{self.path} has format {event.format}; this version of leukobench reads format {FORMAT}",
                    "Give --name another name, or remove the folder.",
                )
            if isinstance(event, _Afresh):
                events.clear()
            else:
                events.append(event)
        return events


def first_side(number: int, drawn_for: str = "") -> SideName:
    """Which side runs first in a trial's pair, counted from 0.

    Of every two pairs the first order is drawn, and the second is the other one, so that drift cancels. A
    verdict needs nothing but that chance decides which side runs first.

    Args:
        number: Of the pair.
        drawn_for: What the draw is for: the same text gives the same order after a resume.
    """
    drawn = hashlib.sha256(f"{drawn_for} {number // 2}".encode()).digest()[0] % 2
    return NAMES[(drawn + number) % 2]


def seconds_of(record: Record) -> float:
    """Wall time of all phases of an attempt, in seconds."""
    return sum(phase.wall_s for _, phase in record.phases.items())


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
        side: Whose run it is.
    """

    def __init__(self, watcher: Watcher, side: SideName):
        self.watcher, self.side = watcher, side

    def say(self, message: str, /) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.say(message)

    def trial_started(self, planned: PlannedTrial, slot: Slot) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.trial_started(planned, of_side(slot, self.side))

    def event(self, planned: PlannedTrial, slot: Slot, event: RawEvent) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.event(planned, of_side(slot, self.side), event)

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: Record, again: bool) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self.watcher.trial_ended(planned, of_side(slot, self.side), record, again)


def of_side(slot: Slot, side: SideName) -> Slot:
    """A slot with the side in its name, for people."""
    return replace(slot, name=f"{side}, {slot.name}")


@dataclass(frozen=True)
class PairRunner:
    """Runs pairs of trials, one process at a time."""

    sides: Mapping[SideName, Side]
    """Both sides; the candidate alone against a saved baseline."""
    results: Results
    turn: Turn
    """The place from which both sides run."""
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
            number: Of the pair among the trial's, from 0; it says which side runs first.
            expected: How long a run takes.

        Returns:
            The pair, which is in the journal.

        Raises:
            InterruptedRun: A signal came; the pair is not kept.
        """
        first = first_side(number, f"{kind} {self.sides[NAMES[-1]].key} {trial.key}")
        runs = {}
        for name in NAMES if first == NAMES[0] else NAMES[::-1]:
            runs[name] = self.run_one("baseline" if kind == "aa" else name, trial, expected)
        return self.keep(kind, trial, first, runs["baseline"], runs["candidate"])

    def keep(self, kind: Kind, trial: Trial, first: SideName, baseline: Run, candidate: Run) -> PairedRuns:
        """Put two runs of a trial, one right after the other, into the journal as a pair; see `PairedRuns`."""
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

    def run_one(self, name: SideName, trial: Trial, expected: Prediction | None = None) -> Run:
        """Run a trial on one side; see `run_pair`."""
        planned = self.planned(name, trial, expected)
        results = self.results[name]
        Scheduler(
            results,
            self.turn.engine(self.sides[name], self.slot, self.other_users, self.telemetry, self.notes),
            self.limits,
            SideWatcher(self.watcher, name),
            NoRecording(),
            self.interruption,
        ).run([planned])
        last = results.attempts(planned.trial.id)[-1]
        return Run(name, planned.trial.id, last.number)

    def record_of(self, run: Run) -> Record:
        """The record of a run that is over."""
        record = run.of(self.results).record()
        assert record is not None, "the scheduler writes a record for every attempt"
        return record


def _counts(run: Run, results: Results, place: Fingerprint) -> bool:
    """Whether a run still has a record, and ran in such a place as far as the record tells."""
    try:
        record = run.of(results).record()
    except InputError:  # of another format
        return False
    return record is not None and not place.difference(Fingerprint.of_record(record))
