"""The results folder: where everything of a suite lies, and who may write there."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import ResultsError
from bench.journal.shape import is_sound
from bench.trials.trial import Trial
from bench.worker.files import write_json
from bench.worker.jsonl import read_events


@dataclass(frozen=True)
class Attempt:
    """One try at a trial, and its folder."""

    folder: Path

    @property
    def number(self) -> int:
        """Counted from 1."""
        return int(self.folder.name.removeprefix("attempt-"))

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

    def trial(self) -> dict:
        """The trial as it was started."""
        return json.loads((self.folder / "trial.json").read_text())

    def is_over(self) -> bool:
        """Whether there is a record; whether it can be read is not asked."""
        return self.result.exists()

    def record(self) -> dict | None:
        """The record, or None while the attempt is not over."""
        try:
            record = json.loads(self.result.read_text())
        except (
            FileNotFoundError,
            ValueError,
            RecursionError,
        ):  # a damaged one is made again from the journals
            return None
        return record if is_sound(record) else None

    def worker_events(self) -> list[dict]:
        """The events of the worker."""
        return read_events(self.events)


class SuiteResults:
    """The results of one suite: `<results>/<suite>/`."""

    def __init__(self, results: Path, suite: str):
        self.results, self.suite = results, suite
        self.folder = results / suite
        self.trials = self.folder / "trials"
        self.report = self.folder / "report"

    def attempts(self, trial_id: str) -> list[Attempt]:
        """The attempts at a trial, oldest first."""
        return sorted(
            (
                Attempt(folder)
                for folder in (self.trials / trial_id).glob("attempt-*")
                if folder.name.removeprefix("attempt-").isdecimal()
            ),
            key=lambda attempt: attempt.number,
        )

    def all_attempts(self) -> list[Attempt]:
        """Every attempt of the suite, by trial and number."""
        if not self.trials.is_dir():
            return []
        return [attempt for trial in sorted(self.trials.iterdir()) for attempt in self.attempts(trial.name)]

    def new_attempt(self, trial: Trial, checkpointing: dict[str, Any] | None = None) -> Attempt:
        """Make the folder of the next attempt at a trial, with `trial.json` in it.

        Args:
            trial: The trial.
            checkpointing: Where and how often the worker keeps checkpoints, see
                `wbc.training.checkpoint.Checkpointing`; the attempt's number becomes their tag.
        """
        number = max((attempt.number for attempt in self.attempts(trial.id)), default=0) + 1
        attempt = Attempt(self.trials / trial.id / f"attempt-{number}")
        attempt.folder.mkdir(parents=True)
        content = trial.to_json()
        if checkpointing is not None:
            content["specification"]["checkpoint"] = {**checkpointing, "tag": str(number)}
        write_json(attempt.folder / "trial.json", content)
        return attempt

    def checkpoint(self, trial_id: str) -> Path:
        """Where a trial's attempts leave off and go on."""
        return self.trials / trial_id / "checkpoint"

    def discard_checkpoint(self, trial_id: str) -> None:
        """Forget how far a trial got."""
        shutil.rmtree(self.checkpoint(trial_id), ignore_errors=True)

    def checkpointed(self) -> list[str]:
        """The trials that have a checkpoint."""
        return [folder.parent.name for folder in self.trials.glob("*/checkpoint")]

    def partial_files(self) -> list[Path]:
        """Files and folders that a killed process left half-written."""
        return [path for depth in ("*", "*/*", "*/*/*") for path in self.trials.glob(f"{depth}.partial")]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out of the results folder; the kernel frees the lock when its holder dies.

        Raises:
            ResultsError: Another run holds it, or the folder cannot be written to.
        """
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
                raise ResultsError(
                    f"{self.results} is in use by another run (process {holder}). "
                    "Wait for it, or give --results another folder."
                ) from None
            os.truncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(file)
