"""When trials will run on how many slots: a simulation of the scheduler, longest first."""

import heapq
from collections.abc import Sequence


def makespan(seconds: Sequence[float], slots: int, busy: Sequence[float] = ()) -> float:
    """Time until the last of some trials is over.

    Longest processing time first (Graham 1969): never worse than 4/3 - 1/(3 slots) of the best order, and
    close to the best where there are several trials a slot.

    Args:
        seconds: How long each trial takes.
        slots: How many run at once.
        busy: How much longer slots are taken; those left out are free.
    """
    free = [*busy, *[0.0] * (slots - len(busy))]
    heapq.heapify(free)
    for length in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + length)
    return max(free)


def lower_bound(seconds: Sequence[float], slots: int) -> float:
    """No order is faster than the longest trial, nor than all work shared evenly."""
    return max(max(seconds, default=0.0), sum(seconds) / slots)
