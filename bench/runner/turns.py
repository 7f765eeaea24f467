"""Two workers of which one runs at a time: whose turn it is; see `bench.worker.turns`."""

import os

from bench.worker.jsonl import RawEvent
from bench.worker.turns import OVER


class TurnPipe:
    """Tells one worker that it is its turn."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()
        self._open = True

    def give(self) -> None:
        """It is the worker's turn."""
        if self._open:
            os.write(self._write_end, b".")

    def leave_alone(self) -> None:
        """From now on it is always the worker's turn."""
        if self._open:
            self._open = False
            os.close(self._write_end)

    def close(self) -> None:
        """The worker is over, or will not start."""
        self.leave_alone()
        os.close(self.read_end)


class Turns:
    """Of two workers, the first of which begins. Close it when both are over."""

    def __init__(self) -> None:
        self.pipes = (TurnPipe(), TurnPipe())
        self.second_may_start = False
        """The first worker passed its turn on, or is over."""
        self.given: set[int] = set()
        """Whose turn has come since somebody asked; it may not have said so itself yet."""

    def hear(self, number: int, event: RawEvent) -> None:
        """A worker says something.

        Args:
            number: Of the worker, 0 or 1.
            event: What it says.
        """
        if event.get("event") != OVER:
            return
        self.given.discard(number)
        if number == 0 and not self.second_may_start:
            self.second_may_start = True  # and has its turn when it starts
        else:
            self.pipes[1 - number].give()
            self.given.add(1 - number)

    def ended(self, number: int) -> None:
        """A worker is over, and the other one alone."""
        self.second_may_start = True
        self.pipes[1 - number].leave_alone()
        self.given.add(1 - number)

    def close(self) -> None:
        """Both are over."""
        for pipe in self.pipes:
            pipe.close()
