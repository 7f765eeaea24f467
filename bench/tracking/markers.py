"""Markers of attempts that a store has: they spare the question."""

from pathlib import Path

from bench.journal.results import Attempt, SuiteResults
from bench.journal.runs import state_of_runs
from bench.tracking.store import apply_settings, identity


def unsent(results: SuiteResults, store: str | None) -> list[Attempt]:
    """Attempts that are over and that a store does not have yet.

    Args:
        results: The suite's results.
        store: Its `bench.tracking.store.identity`; a store that is not there yet has nothing. Where nobody
            has asked it yet, any mark is trusted.
    """
    return [
        attempt
        for attempt in results.all_attempts()
        if attempt.result.exists() and not is_sent(attempt, store)
    ]


def is_sent(attempt: Attempt, store: str | None) -> bool:
    """Whether a store is known to have an attempt; see `unsent`."""
    marked = _marked(attempt)
    return bool(marked) if store is None else marked == store and bool(store)


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


def is_behind(results: SuiteResults, runs: bool) -> bool:
    """Whether there may be something to catch up with, said without loading MLflow.

    Args:
        results: The suite's results.
        runs: Whether trials are about to run: then MLflow is loaded anyway, and a server is asked.
    """
    store = identity(results.results, apply_settings(results.results), results.suite)
    if store is None and runs:
        return bool(results.all_attempts())
    return bool(unsent(results, store)) or state_of_runs(results) == "interrupted"
