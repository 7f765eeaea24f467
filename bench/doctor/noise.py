"""How noisy this machine is: how much longer than at its best the same piece of work takes.

The method is the fixed work quantum of Petrini, Kerbyson and Pakin: The Case of the Missing Supercomputer
Performance, 2003.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.telemetry.kernel import PRESSURE, STAT, core_times, pressure_s

_QUANTUM = bytes(1 << 20)


@dataclass(frozen=True)
class Noise:
    """What a short measurement of one core showed."""

    mean: float
    """How much longer than the quickest piece the pieces took on average; 0.05 is 5 %."""
    worst: float
    """The same for the slowest piece of a hundred."""
    pressure: float | None
    """Share of the time in which some process, also this one, waited for a core; None if it is unknown."""
    steal: float | None
    """Share of the cores' time that the host of a virtual machine gave to others; None if it is unknown."""


def measure_noise(
    seconds: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
    work: Callable[[], object] = lambda: hashlib.sha256(_QUANTUM),
) -> Noise:
    """Measure for some seconds; at least a hundred pieces of work."""
    before, began = _counters(), clock()
    pieces: list[float] = []
    now = began
    while now - began < seconds or len(pieces) < 100:
        work()
        later = clock()
        pieces.append(later - now)
        now = later
    after, elapsed = _counters(), now - began
    best = min(pieces)
    slow = sorted(pieces)[int(0.99 * len(pieces))]
    pressure, steal = (
        max(0.0, (end - start) / elapsed) if start is not None and end is not None else None
        for start, end in zip(before, after, strict=True)
    )
    return Noise(sum(pieces) / len(pieces) / best - 1, slow / best - 1, pressure, steal)


def _counters() -> tuple[float | None, float | None]:
    """Seconds of pressure, and of steal for each core, since the machine started."""
    pressure = steal = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        pressure = pressure_s(PRESSURE.read_text())
    with contextlib.suppress(OSError, ValueError, IndexError):
        machine, _ = core_times(STAT.read_text(), set())
        steal = machine.steal / (os.cpu_count() or 1)
    return pressure, steal
