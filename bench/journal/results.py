"""The results folder: where everything of a suite lies, and who may write there."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DamagedAttempt, DamagedFile, InUse, ResultsError
from bench.journal.events import WorkerEvent, worker_events
from bench.trials.layout import MACHINE, why_unusable
from bench.trials.record import Record, decode_record
from bench.trials.trial import Trial, decode_trial
from bench.worker.files import PARTIAL, is_being_written, write_json

_ATTEMPT = "attempt-"
"""How the folder of an attempt begins; its number follows."""

_NUMBERED = re.compile(f"{_ATTEMPT}[1-9][0-9]*")
_SENT = re.compile(rf"\.{_NUMBERED.pattern}\.sent")
_OURS = re.compile(
    rf"{_NUMBERED.pattern}|damaged-{_NUMBERED.pattern}|{_SENT.pattern}|checkpoint|.*{re.escape(PARTIAL)}"
)
"""Names in the folder of a trial."""


@dataclass(frozen=True)
class Attempt:
    """One try at a trial, and its folder."""

    folder: Path

    @property
    def number(self) -> int:
        """Counted from 1."""
        return int(self.folder.name.removeprefix(_ATTEMPT))

    @property
    def trial_id(self) -> str:
        """The id of its trial."""
        return self.folder.parent.name

    @property
    def events(self) -> Path:
        """What the worker writes."""
        return self.folder / "events.jsonl"

    @property
    def runner_events(self) -> Path:
        """What the parent writes."""
        return self.folder / "runner.jsonl"

    @property
    def telemetry(self) -> Path:
        """What the sampler writes."""
        return self.folder / "telemetry.jsonl"

    @property
    def log(self) -> Path:
        """Standard output and error of the worker."""
        return self.folder / "worker.log"

    @property
    def predictions(self) -> Path:
        """Probabilities of every test image."""
        return self.folder / "predictions.csv"

    @property
    def result(self) -> Path:
        """The record, once the attempt is over."""
        return self.folder / "result.json"

    def trial(self) -> Trial:
        """The trial as it was started.

        Raises:
            DamagedAttempt: It cannot be read.
        """
        path = self.folder / "trial.json"
        try:
            return decode_trial(path.read_bytes(), path)
        except OSError as error:
            raise DamagedAttempt(f"{path} cannot be read: {error.strerror}") from None

    def is_over(self) -> bool:
        """Whether there is a record; whether it can be read is not asked."""
        return self.result.exists()

    @classmethod
    def at(cls, trial: Path, number: int) -> "Attempt":
        """An attempt in the folder of its trial, whether it is there or not."""
        return cls(trial / f"{_ATTEMPT}{number}")

    @property
    def tag(self) -> str:
        """How its checkpoint and its features name it: `<trial>/attempt-<number>`."""
        return f"{self.trial_id}/{self.folder.name}"

    def tagged(self, tag: str) -> "Attempt":
        """The attempt of the same suite that has a tag; journals of older versions give a number of this trial."""
        if tag.isdecimal():
            return Attempt.at(self.folder.parent, int(tag))
        return Attempt(self.folder.parents[1] / tag)

    def record(self) -> Record | None:
        """The record; None while the attempt is not over, and where it is damaged: a run makes it again from
        the journals.

        Raises:
            InputError: It has another format.
        """
        try:
            return self.read_record()
        except DamagedAttempt:
            return None

    def read_record(self) -> Record | None:
        """The record, or None while the attempt is not over.

        Raises:
            DamagedAttempt: It is damaged; the message names file and field.
            InputError: It has another format.
        """
        try:
            content = self.result.read_bytes()
        except FileNotFoundError:
            return None
        except IsADirectoryError:
            raise DamagedFile(self.result, "it is a folder") from None
        return decode_record(content, self.result)

    def damage(self) -> str:
        """What is wrong with the record: the field and what it should hold; empty where nothing is."""
        try:
            self.read_record()
        except DamagedFile as error:
            return error.reason
        return ""

    def worker_events(self) -> list[WorkerEvent]:
        """The events of the worker, see `bench.journal.events.worker_events`."""
        return worker_events(self.events)


class SuiteResults:
    """The results of one suite: `<results>/<suite>/`."""

    def __init__(self, results: Path, suite: str):
        self.results, self.suite = results, suite
        self.folder = results / suite
        self.trials = self.folder / "trials"
        self.report = self.folder / "report"

    def attempts(self, trial_id: str) -> list[Attempt]:
        """The attempts at a trial, oldest first."""
        folders = (self.trials / trial_id).glob(f"{_ATTEMPT}*")
        found = [
            Attempt(folder) for folder in folders if _NUMBERED.fullmatch(folder.name) and folder.is_dir()
        ]
        return sorted(found, key=lambda attempt: attempt.number)

    def attempt(self, trial_id: str, number: int) -> Attempt:
        """An attempt at a trial, whether it is there or not."""
        return Attempt.at(self.trials / trial_id, number)

    def trial_ids(self) -> list[str]:
        """The trials that there is a folder of."""
        if not self.trials.is_dir():
            return []
        return sorted(folder.name for folder in self.trials.iterdir() if folder.is_dir())

    def strays(self) -> str:
        """A sentence where the folders of the trials hold what nobody of us put there; else empty."""
        if not self.trials.is_dir():
            return ""
        found = [path for path in self.trials.iterdir() if not path.is_dir() and path.suffix != PARTIAL]
        for trial_id in self.trial_ids():
            for path in (self.trials / trial_id).iterdir():
                numbered = _NUMBERED.fullmatch(path.name) and not path.is_dir()
                if numbered or not _OURS.fullmatch(path.name):
                    found.append(path)
        if not found:
            return ""
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return f"{min(found)}{more} does not belong to the results and is passed over."

    def all_attempts(self) -> list[Attempt]:
        """Every attempt of the suite, by trial and number."""
        return [attempt for trial_id in self.trial_ids() for attempt in self.attempts(trial_id)]

    def new_attempt(self, trial: Trial, checkpointing: dict[str, Any] | None = None) -> Attempt:
        """Make the folder of the next attempt at a trial, with `trial.json` in it.

        Args:
            trial: The trial.
            checkpointing: Where and how often the worker keeps checkpoints, see
                `wbc.training.checkpoint.Checkpointing`; they get the attempt's tag.
        """
        number = max((attempt.number for attempt in self.attempts(trial.id)), default=0) + 1
        attempt = self.attempt(trial.id, number)
        attempt.folder.mkdir(parents=True)
        content = trial.to_json()
        if checkpointing is not None:
            content["specification"]["checkpoint"] = {**checkpointing, "tag": attempt.tag}
        write_json(attempt.folder / "trial.json", content)
        return attempt

    def latest(self, trial_id: str) -> tuple[Attempt, Record] | None:
        """The attempt that stands for a trial, with its record; see `latest_of`."""
        return latest_of(self.attempts(trial_id))

    def is_done(self, trial_id: str) -> bool:
        """Whether an attempt at a trial is done."""
        latest = self.latest(trial_id)
        return latest is not None and latest[1].done

    def checkpoint(self, trial_id: str) -> Path:
        """The checkpoint from which a trial's next attempt resumes."""
        return self.trials / trial_id / "checkpoint"

    def discard_checkpoint(self, trial_id: str) -> None:
        """Forget how far a trial got."""
        shutil.rmtree(self.checkpoint(trial_id), ignore_errors=True)

    def hand_over_checkpoint(self, trial_id: str, successor: str) -> None:
        """Let another trial begin where a trial ended, unless it got somewhere itself."""
        there = self.checkpoint(successor)
        if self.checkpoint(trial_id).exists() and not there.exists():
            there.parent.mkdir(exist_ok=True)
            self.checkpoint(trial_id).replace(there)

    def checkpointed(self) -> list[str]:
        """The trials that have a checkpoint."""
        return [folder.parent.name for folder in self.trials.glob("*/checkpoint")]

    def partial_files(self) -> list[Path]:
        """Files and folders that a killed process left half-written; none that another process is writing now."""
        found = [path for depth in ("*", "*/*", "*/*/*") for path in self.trials.glob(f"{depth}{PARTIAL}")]
        folders = (self.folder, self.results, self.results / MACHINE)
        shared = [*self.report.rglob(f"*{PARTIAL}")]
        shared += [path for folder in folders for path in folder.glob(f"*{PARTIAL}") if path.is_file()]
        return found + [path for path in shared if not is_being_written(path)]

    def require_writable(self) -> None:
        """Make sure that a run could write here. Nothing is made.

        Raises:
            ResultsError: It could not.
        """
        for folder in (self.results, self.trials):
            if reason := why_unusable(folder, written=True):
                raise ResultsError(f"cannot write to {folder}: {reason}", "Give --results another folder.")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out of the results folder; the kernel frees the lock when its holder dies.

        Raises:
            InUse: Another run holds it.
            ResultsError: The folder cannot be written to.
        """
        self.require_writable()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.results / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ResultsError(f"cannot write to {self.results}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(file, 32, 0).decode(errors="replace").strip()
                raise InUse(
                    f"{self.results} is in use by another run (process {holder})",
                    "Wait for it, or give --results another folder.",
                ) from None
            os.truncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(file)


def attempts_of_all(results: Path, prefix: str) -> list[Attempt]:
    """The attempts of every suite in a results folder at trials whose ids begin with `prefix`."""
    folders = sorted(results.glob(f"*/trials/{prefix}*"))
    suites = ((SuiteResults(results, folder.parts[-3]), folder.name) for folder in folders)
    return [attempt for suite, trial_id in suites for attempt in suite.attempts(trial_id)]


def latest_of(attempts: Sequence[Attempt]) -> tuple[Attempt, Record] | None:
    """The attempt that stands for a trial, with its record.

    The last one that is done; where none is, the last one that is over; None where none is over. So a failed
    attempt to run a trial again does not hide its result.

    Args:
        attempts: At one trial, oldest first.
    """
    over = None
    for attempt in reversed(attempts):
        record = attempt.record()
        if record is not None and record.done:
            return attempt, record
        if record is not None and over is None:
            over = attempt, record
    return over
