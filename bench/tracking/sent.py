"""Markers of attempts that MLflow has: they spare the question."""

from bench.journal.results import Attempt, SuiteResults


def unsent(results: SuiteResults) -> list[Attempt]:
    """Attempts that are over and that MLflow does not have yet."""
    return [
        attempt
        for attempt in results.all_attempts()
        if attempt.result.exists() and not _marker(attempt).exists()
    ]


def mark_sent(attempt: Attempt) -> None:
    """Remember that MLflow has an attempt."""
    _marker(attempt).touch()


def _marker(attempt: Attempt):
    return attempt.folder.parent / f".{attempt.folder.name}.sent"
