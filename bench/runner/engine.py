"""What a run knows of the place where it runs: its slots, how workers are started there, who else is there."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from bench.devices.device import Slot
from bench.devices.lease import Leased
from bench.devices.machine import Choice
from bench.journal.results import Attempt
from bench.suite.resolve import ResolvedSuite
from bench.trials.origin import Neighbors
from bench.worker.jsonl import Facts, RawEvent

QUEUED = "queued"
"""Event of a worker that waits for its place. While it does, no limit counts."""


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


class Site(Protocol):
    """Where a suite runs: this machine, or several."""

    def choose(
        self, wanted: str | Sequence[str], gpus_per_trial: int, *, backends: Collection[str], accelerator: str
    ) -> Choice:
        """The slots there, see `bench.devices.machine.choose_slots`."""

    def hold(self, choice: Choice, results: Path, suite: str) -> AbstractContextManager[Leased]:
        """Hold the chosen slots, see `bench.devices.lease.lease`."""

    def engine(
        self, slots: Sequence[Slot], suite: ResolvedSuite, results: Path, say: Callable[[str], None]
    ) -> AbstractContextManager[Engine]:
        """An engine for some of the slots, with what the suite says of telemetry and of other users."""
