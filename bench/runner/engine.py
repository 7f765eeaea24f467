"""The seam between the scheduler and what starts a worker."""

from collections.abc import Callable
from typing import Protocol

from bench.journal.results import Attempt
from bench.runtime import Device

OnEvent = Callable[[dict], None]
"""Called with each event of the worker as it comes; some may be dropped, the journal has them all."""


class Engine(Protocol):
    """Runs attempts."""

    def run(self, attempt: Attempt, device: Device, on_event: OnEvent) -> None:
        """Run an attempt to its end.

        Writes `started` and `ended` into the attempt's `runner.jsonl`. A failing worker is no error.

        Raises:
            InterruptedRun: A signal came; the worker is stopped and the journal says so.
        """
