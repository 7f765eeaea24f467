"""What the scheduler knows of an engine: where trials run, how workers are started, who else is there."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bench.devices.device import Slot
from bench.journal.results import Attempt
from bench.trials.origin import Neighbors
from bench.worker.jsonl import Facts, RawEvent


class Worker(Protocol):
    """The worker of one attempt. The scheduler waits for its file descriptors and never polls."""

    def filenos(self) -> list[int]:
        """Descriptors that become readable when there are events, or when the worker has ended."""

    def events(self) -> list[RawEvent]:
        """The events since the last call. Some may be dropped; the journal has all."""

    def reap(self) -> bool:
        """Clean up if the worker has ended: its end is in the journal then, and none of its processes is left.

        Returns:
            Whether it has ended. Further calls change nothing.
        """

    def note(self, event: str, **content: Any) -> None:
        """Write an event of the harness into the attempt's own journal."""

    def stop(self, why: str, message: str) -> None:
        """Ask the worker to stop; the first reason is recorded."""

    def kill(self) -> None:
        """End the worker at once."""


class OtherUsers(Protocol):
    """Whoever else uses the devices."""

    def neighbors(self, slot: Slot) -> Neighbors | None:
        """Other users of a slot's devices; None if there are none."""

    def wait_until_quiet(self, slot: Slot, sleep: Callable[[float], None]) -> Facts:
        """Wait until nobody else computes there, but not forever.

        Returns:
            `noise` (what is still not quiet) and `waited_s`, for the journal.
        """


class Engine(Protocol):
    """Starts attempts, on this machine or elsewhere."""

    @property
    def slots(self) -> Sequence[Slot]:
        """Where trials run, one at a time in each."""

    @property
    def other_users(self) -> OtherUsers:
        """Who else uses the slots."""

    def start(self, attempt: Attempt, slot: Slot) -> Worker:
        """Start the worker of an attempt; it writes `started` and `ended` into `runner.jsonl`.

        A worker that fails raises no error here.
        """
