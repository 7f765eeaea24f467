"""Markers of attempts that a store has. They save asking the store, and hold for the attempt they were set for."""

from hashlib import sha256
from pathlib import Path

import msgspec

from bench.journal.results import Attempt, SuiteResults
from bench.journal.runs import state_of_runs
from bench.tracking.store import apply_settings, identity
from bench.worker.files import write_text


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a marker says."""

    store: str
    """See `bench.tracking.store.identity`."""
    bytes: int
    """Size of the record that was sent, and when it was written: of another record the marker says nothing."""
    written_ns: int


def digest_of(attempt: Attempt) -> str:
    """What an attempt is in any store, wherever its folder is: a SHA-256 of its journals.

    A copy of a finished attempt is the same attempt. Attempts with equal numbers that ran in two copies of a
    results folder are two, because the clock is in every line.
    """
    found = sha256()
    for path in (attempt.events, attempt.runner_events):
        content = path.read_bytes() if path.exists() else b""
        found.update(len(content).to_bytes(8, "big") + content)
    return found.hexdigest()


def unsent(results: SuiteResults, store: str | None) -> list[Attempt]:
    """Attempts that are over and that a store does not have yet.

    Args:
        results: The suite's results.
        store: Its `bench.tracking.store.identity`. A store that does not exist yet has nothing. None, where
            nobody has asked a server yet: any marker is trusted.
    """
    return [
        attempt for attempt in results.all_attempts() if attempt.is_over() and not is_sent(attempt, store)
    ]


def is_sent(attempt: Attempt, store: str | None) -> bool:
    """Whether a store is known to have an attempt; see `unsent`."""
    try:
        marker = msgspec.json.decode(_path(attempt).read_bytes(), type=_Marker)
        record = attempt.result.stat()
    except (OSError, msgspec.DecodeError):
        return False
    if (marker.bytes, marker.written_ns) != (record.st_size, record.st_mtime_ns):
        return False
    return bool(marker.store) and store in (None, marker.store)


def mark_sent(attempt: Attempt, store: str) -> None:
    """Remember that a store has an attempt."""
    record = attempt.result.stat()
    marker = _Marker(store=store, bytes=record.st_size, written_ns=record.st_mtime_ns)
    write_text(_path(attempt), msgspec.json.encode(marker).decode())


def is_behind(results: SuiteResults, runs: bool) -> bool:
    """Whether there may be something to catch up with, found without loading MLflow.

    Args:
        results: The suite's results.
        runs: Whether trials are about to run: then MLflow is loaded anyway, and a server is asked.
    """
    store = identity(results.results, apply_settings(results.results), results.suite)
    if store is None and runs:
        return bool(results.all_attempts())
    return bool(unsent(results, store)) or state_of_runs(results) == "interrupted"


def _path(attempt: Attempt) -> Path:
    return attempt.folder.parent / f".{attempt.folder.name}.sent"
