"""The turns of two workers that train beside each other, of which one runs at a time. Standard library only.

A worker passes its turn on between phases, epochs, batches of predictions and calls, once it has had it for a
while: `turn_over` in its journal. Then it sleeps until its parent gives it the next one: `turn_begins`. The time
between is none of the trial's; its journal is written as if there had been none.
"""

import os
import time
from collections.abc import Callable

from bench.worker.jsonl import EventWriter

OVER, BEGINS = "turn_over", "turn_begins"
"""Events of a worker."""

TURN_S = 1.0
"""Shortest turn, seconds. Short against the minutes in which a machine gets slower or faster, long against what is
lost at its beginning: caches are the other's."""

SHORT_TURN_S = {"features": 0.25, "train": 0.25, "evaluate": 0.25, "latency": 0.1}
"""Of phases whose times are judged and that may take a second or less: the pace of a machine varies within it, too."""


class TurnTaker:
    """Of a worker that shares its place; it has its turn when it starts.

    Args:
        events: Its journal.
        descriptor: Readable when it is its turn; closed when it is alone.
        clock: Returns nanoseconds, monotonic.
    """

    def __init__(
        self, events: EventWriter, descriptor: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._events, self._descriptor, self._clock = events, descriptor, clock
        self._alone = False
        self._since = clock()
        os.set_inheritable(descriptor, False)

    def pass_on(self, phase: str) -> float:
        """Let the other one run if this one had its turn for long enough.

        Args:
            phase: That is under way; it says how long.

        Returns:
            Seconds until the next turn.
        """
        began = self._clock()
        if self._alone or began - self._since < SHORT_TURN_S.get(phase, TURN_S) * 1e9:
            return 0.0
        if not self._events.write(OVER):  # the parent did not hear it
            return 0.0
        self._alone = not os.read(self._descriptor, 1)
        self._since = self._clock()
        passed = self._since - began
        self._events.left_out_ns += passed
        self._events.write(BEGINS, left_out=passed)
        return passed / 1e9
