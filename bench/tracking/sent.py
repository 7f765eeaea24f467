"""Markers of attempts that a store has: they spare the question."""

from pathlib import Path

from bench.journal.results import Attempt, SuiteResults


def unsent(results: SuiteResults, store: str) -> list[Attempt]:
    """Attempts that are over and that a store does not have yet.

    Args:
        results: The suite's results.
        store: Its `bench.tracking.store.identity`; a store that is not there yet has nothing.
    """
    return [
        attempt
        for attempt in results.all_attempts()
        if attempt.result.exists() and (not store or _marked(attempt) != store)
    ]


def mark_sent(attempt: Attempt, store: str) -> None:
    """Remember that a store has an attempt."""
    _marker(attempt).write_text(store)


def _marked(attempt: Attempt) -> str | None:
    try:
        return _marker(attempt).read_text()
    except OSError:
        return None


def _marker(attempt: Attempt) -> Path:
    return attempt.folder.parent / f".{attempt.folder.name}.sent"
