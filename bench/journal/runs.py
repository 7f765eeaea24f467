"""The journal of a suite's runs, `runs.jsonl`: when `bench run` began and how it ended."""

import fcntl
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import DamagedAttempt, InterruptedRun
from bench.journal.events import Event, every, read_journal
from bench.journal.results import SuiteResults
from bench.worker.jsonl import EventWriter

ENDS = ("done", "failed", "interrupted")
"""How a run may end: all trials asked for are done, some are not, or it was stopped."""


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """A run of the suite began."""

    at: str | None = None
    """UTC, ISO 8601."""
    pid: int = 0
    trials: tuple[str, ...] = ()
    """Ids of the trials that were asked for."""
    exclusive: bool = False
    """Nothing else may run beside its trials."""
    file: str = ""
    """Name of the suite's file."""
    path: str = ""
    """Where the file is."""
    description: str = ""
    """Of the suite."""
    margin: float | None = None
    """Of the suite's answer, a share; None in older journals."""
    host: str = ""
    commit: str = ""
    driver: str = ""


class RunEnded(Event, frozen=True, kw_only=True, tag="run_ended"):
    """A run of the suite ended."""

    at: str
    state: str
    """One of `ENDS`."""


RunEvent = RunStarted | RunEnded

_DECODER: msgspec.json.Decoder[RunEvent] = msgspec.json.Decoder(RunEvent)


@dataclass
class RunNote:
    """What a run says of itself before it ends."""

    failed: bool = False
    """Some of the trials that were asked for are not done."""


@contextmanager
def noted_run(
    results: SuiteResults, trials: Sequence[str], exclusive: bool, **about: Any
) -> Iterator[RunNote]:
    """Note the beginning and the end of a run; the caller holds the lock of the results folder.

    A run whose harness is killed has no end: `state_of_runs` takes that for an interruption.

    Args:
        results: The suite's results.
        trials: The ids of the trials that were asked for.
        exclusive: Nothing else may run beside its trials.
        about: Further facts: the suite's description, its file.
    """
    journal = EventWriter(runs_file(results))
    journal.write(
        "run_started",
        at=_now(),
        pid=os.getpid(),
        trials=list(trials),
        exclusive=exclusive,
        **about,
    )
    note, state = RunNote(), "failed"
    try:
        yield note
        state = "failed" if note.failed else "done"
    except (InterruptedRun, KeyboardInterrupt):
        state = "interrupted"
        raise
    finally:
        journal.write("run_ended", at=_now(), state=state)
        journal.close()


def runs_file(results: SuiteResults) -> Path:
    """The journal of a suite's runs."""
    return results.folder / "runs.jsonl"


def run_events(results: SuiteResults) -> list[RunEvent]:
    """What is noted of the runs of a suite, in its order; nothing where the note is damaged: no result is in it."""
    return _noted(runs_file(results))


def last_start(results: SuiteResults) -> RunStarted | None:
    """How the last run of a suite began; None where no run was noted."""
    return next((event for event in reversed(run_events(results)) if isinstance(event, RunStarted)), None)


def other_file(results: SuiteResults, path: Path) -> str:
    """A sentence where another suite file has its results in the same folder; empty where none has.

    Names of suites become names of folders, and two names may become one.
    """
    mine = path.resolve()
    for event in reversed(run_events(results)):
        if isinstance(event, RunStarted) and event.path:
            other = Path(event.path)
            if other == mine or not other.exists():
                return ""
            return (
                f"{results.folder} also has the results of {other}. "
                "Give one of the two suites another name ([suite] name)."
            )
    return ""


def state_of_runs(results: SuiteResults) -> str | None:
    """How the last run stands: `running`, or one of `ENDS`; None where no run was noted."""
    events = run_events(results)
    if not events:
        return None
    latest = events[-1]
    if isinstance(latest, RunEnded):
        return latest.state
    return "running" if running_process(results) == latest.pid else "interrupted"


def suite_file_of(results: SuiteResults) -> Path | None:
    """The file of the suite, as the last run found it; None where there is no such file any more."""
    paths = [Path(run.path) for run in every(run_events(results), RunStarted) if run.path]
    return paths[-1] if paths and paths[-1].is_file() else None


def running_process(results: SuiteResults) -> int | None:
    """The process that runs a suite in the results folder; None where there is none."""
    path = results.results / ".lock"
    try:
        holder = path.read_text().strip()
        # Asked first: to try the lock of a folder that is free could get into the way of a run that starts.
        os.kill(int(holder), 0)
        file = os.open(path, os.O_RDONLY)
    except PermissionError:  # another user's process; the lock tells
        file = os.open(path, os.O_RDONLY)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(holder)
    finally:
        os.close(file)
    return None


def wait_for_end(process: int) -> None:
    """Wait until a process that runs a suite is gone."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


def measures_alone(results: Path) -> bool:
    """Whether the last run of any suite of a results folder that has not ended asks to run alone."""
    for journal in results.glob("*/runs.jsonl"):
        events = _noted(journal)
        if events and isinstance(events[-1], RunStarted) and events[-1].exclusive:
            return True
    return False


def _noted(journal: Path) -> list[RunEvent]:
    try:
        return read_journal(_DECODER, journal)
    except DamagedAttempt:
        return []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
