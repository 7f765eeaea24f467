"""What the recording process does with the names that it is given."""

from collections.abc import Callable

from bench.errors import DamagedAttempt
from bench.journal.results import Attempt, SuiteResults
from bench.tracking.markers import unsent
from bench.tracking.store import without_password

EVERYTHING = "*"
"""In place of an attempt's name: all that the store does not have."""

_CHANCES = 3
"""So many times a server that answers may fail; then it is left to the next run."""


class Recorder:
    """Sends what it is told to; a server that is dead must not cost a time-out an attempt.

    Args:
        results: The suite's results.
        make: Opens the projection; loads MLflow, so not before there is something to send.
        is_back: Whether a server that failed answers again; asked quickly.
    """

    def __init__(self, results: SuiteResults, make: Callable, is_back: Callable[[], bool]):
        self.results, self._make, self._is_back = results, make, is_back
        self._projection = None
        self._failures = 0

    def record(self, name: str) -> str | None:
        """Send an attempt, or everything.

        Returns:
            None where it is sent; else why it is not, empty where that was said before.
        """
        again = self._failures > 0
        if again and (self._failures >= _CHANCES or not self._is_back()):
            return ""
        try:
            if self._projection is None:
                self._projection = self._make(self.results)
            damaged = [
                why
                for attempt in self._attempts(EVERYTHING if again else name)
                if (why := self._send(attempt))
            ]
        except Exception as error:
            self._projection = None
            self._failures += 1
            if again:
                return ""
            return without_password(" ".join(str(error).split()))[:200] or type(error).__name__
        if again:
            self._failures = 0
        return damaged[0] if damaged else None

    def end(self) -> None:
        """The suite is over: its own run says how."""
        if self._projection is not None:
            self._projection.settle()

    def _send(self, attempt: Attempt) -> str:
        """Send one; what is wrong with its files, or empty: it must not keep others from being sent."""
        try:
            self._projection.send(attempt)
        except DamagedAttempt as error:
            return str(error)
        return ""

    def _attempts(self, name: str) -> list[Attempt]:
        if name == EVERYTHING:
            return unsent(self.results, self._projection.store)
        trial_id, _, number = name.rpartition("/")
        return [Attempt(self.results.trials / trial_id / f"attempt-{number}")]
