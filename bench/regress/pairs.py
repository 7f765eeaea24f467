"""Pairs of attempts, and the journal that keeps them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bench.compare.differences import ANYWHERE, Fingerprint
from bench.errors import InputError
from bench.journal.results import Attempt, SuiteResults
from bench.regress.sides import NAMES, SideName
from bench.trials.record import Record
from bench.worker.jsonl import EventWriter

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
    """Two attempts that ran one right after the other, or in turns."""

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


def _counts(run: Run, results: Results, place: Fingerprint) -> bool:
    """Whether a run still has a record, and ran in such a place as far as the record tells."""
    try:
        record = run.of(results).record()
    except InputError:  # of another format
        return False
    return record is not None and not place.difference(Fingerprint.of_record(record))
