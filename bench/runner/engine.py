"""The seam between the scheduler and what starts a worker."""

from typing import Any, Protocol

from bench.devices.device import Slot
from bench.journal.results import Attempt


class Running(Protocol):
    """An attempt under way. The scheduler waits for its file descriptors and never polls."""

    def filenos(self) -> list[int]:
        """Descriptors that become readable when there are events, or when the attempt is over."""

    def events(self) -> list[dict[str, Any]]:
        """The events of the worker since the last call; some may be dropped, the journal has them all."""

    def is_over(self) -> bool:
        """Whether the worker has ended; if so its end is in the journal, and nothing of it is left."""

    def note(self, event: str, **content: Any) -> None:
        """Write an event of the harness into the attempt's own journal."""

    def stop(self, why: str, message: str) -> None:
        """Ask the worker to stop; the first reason given is recorded."""

    def kill(self) -> None:
        """End the worker at once."""


class Engine(Protocol):
    """Starts attempts: on this machine, or elsewhere."""

    def start(self, attempt: Attempt, slot: Slot) -> Running:
        """Start an attempt, which writes `started` and `ended` into `runner.jsonl`.

        A worker that fails is no error.
        """
