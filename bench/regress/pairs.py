"""Which attempts belong together: the journal of a comparison, and what stands in it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from bench.compare.fingerprint import difference, of_record
from bench.journal.results import Attempt, SuiteResults
from bench.regress.sides import NAMES, SideName
from bench.worker.jsonl import EventWriter, read_events

Kind = Literal["ab", "aa"]
"""`ab`: baseline and candidate. `aa`: the baseline twice, which shows the machine's noise."""

ANYWHERE: Mapping[str, Any] = MappingProxyType({})
"""The fingerprint of no place in particular."""


@dataclass(frozen=True)
class Run:
    """An attempt at a trial, by where it lies.

    Attributes:
        side: Under which side's results.
        trial_id: The trial as that side runs it.
        attempt: Number of the attempt.
    """

    side: SideName
    trial_id: str
    attempt: int

    def of(self, results: Mapping[SideName, SuiteResults]) -> Attempt:
        """The attempt itself."""
        return Attempt(results[self.side].trials / self.trial_id / f"attempt-{self.attempt}")


@dataclass(frozen=True)
class PairedRuns:
    """Two attempts that ran one right after the other.

    Attributes:
        kind: Of what.
        trial_key: The trial.
        sides: Keys of the two sides (`bench.regress.sides.Side.key`); both the baseline's for `aa`.
        first: Which of the two ran first.
        baseline: The attempt of the baseline.
        candidate: The attempt of the candidate; of `aa` the baseline's other one.
        seconds: What both took.
        status: `done`, or `failed` where either is.
        disturbed: What went on beside them: sentences.
    """

    kind: Kind
    trial_key: str
    sides: tuple[str, str]
    first: SideName
    baseline: Run
    candidate: Run
    seconds: float
    status: str
    disturbed: tuple[str, ...] = ()

    def runs(self) -> tuple[Run, Run]:
        """Both attempts, the baseline's first."""
        return self.baseline, self.candidate


class PairJournal:
    """Appends pairs to `pairs.jsonl`, and reads those that are there; single runs, too, against a recording.

    Args:
        folder: Of the comparison.
    """

    def __init__(self, folder: Path):
        self.path = folder / "pairs.jsonl"

    def append(self, pair: PairedRuns) -> None:
        """Keep a pair, once both of its records are written."""
        self._write("pair", **asdict(pair))

    def append_run(self, side: str, run: Run) -> None:
        """Keep a run that has no partner here, once its record is written.

        Args:
            side: Key of its side (`bench.regress.sides.Side.key`).
            run: The run.
        """
        self._write("run", key=side, **asdict(run))

    def runs(
        self,
        side: str,
        results: Mapping[SideName, SuiteResults],
        place: Mapping[str, Any] = ANYWHERE,
    ) -> list[Run]:
        """The single runs of a side whose attempts are still there, oldest first; see `read`."""
        kept = [event for event in self._events() if event["event"] == "run" and event.get("key") == side]
        runs = [Run(event["side"], event["trial_id"], event["attempt"]) for event in kept]
        return [run for run in runs if _there(run, results, place)]

    def read(
        self,
        sides: tuple[str, str],
        results: Mapping[SideName, SuiteResults],
        place: Mapping[str, Any] = ANYWHERE,
    ) -> list[PairedRuns]:
        """The pairs of these two sides whose attempts are still there, oldest first.

        Args:
            sides: Keys of both.
            results: Where their attempts lie.
            place: Fingerprint (`bench.compare.fingerprint`) of where they must have run.
        """
        pairs = [_from_json(event) for event in self._events() if event["event"] == "pair"]
        wanted = {"ab": sides, "aa": (sides[0], sides[0])}
        return [
            pair
            for pair in pairs
            if pair is not None
            and pair.sides == wanted[pair.kind]
            and all(_there(run, results, place) for run in pair.runs())
        ]

    def look(self, sides: tuple[str, str], pairs: int) -> int:
        """Number of the look at the growing pairs of these sides, from 1; kept, for every look has its price.

        Looking again at as many pairs is the same look.
        """
        looks = [
            event
            for event in self._events()
            if event["event"] == "look" and tuple(event.get("sides", ())) == sides
        ]
        if looks and looks[-1]["pairs"] == pairs:
            return looks[-1]["number"]
        number = looks[-1]["number"] + 1 if looks else 1
        self._write("look", sides=sides, pairs=pairs, number=number)
        return number

    def begin_afresh(self) -> None:
        """Forget every pair that came before; their attempts stay where they are."""
        if self.path.exists():
            self._write("afresh")

    def _write(self, event: str, **content: Any) -> None:
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        if torn:  # by a machine that went down; the line is lost, the next one must not be
            with self.path.open("ab") as file:
                file.write(b"\n")
        writer = EventWriter(self.path)
        try:
            writer.write(event, **content)
        finally:
            writer.close()

    def _events(self) -> list[dict[str, Any]]:
        """What was written since the last new beginning."""
        events = read_events(self.path)
        begun = [number for number, event in enumerate(events) if event["event"] == "afresh"]
        return events[begun[-1] :] if begun else events


def first_side(number: int) -> SideName:
    """Which side runs first in a trial's pair, counted from 0: A B, B A, B A, A B, so that drift cancels."""
    return NAMES[0] if number % 4 in (0, 3) else NAMES[1]


def _there(run: Run, results: Mapping[SideName, SuiteResults], place: Mapping[str, Any]) -> bool:
    """Whether a run has a record, and ran in such a place as far as that says."""
    record = run.of(results).record_json()
    return bool(record) and not difference(place, of_record(record))


def _from_json(event: dict[str, Any]) -> PairedRuns | None:
    try:
        content = {name: event[name] for name in PairedRuns.__dataclass_fields__}
        for name in NAMES:
            content[name] = Run(**content[name])
        content["sides"], content["disturbed"] = tuple(content["sides"]), tuple(content["disturbed"])
        return PairedRuns(**content)
    except (KeyError, TypeError):
        return None
