"""Waiting for cores because others used them, not because the trial's own threads did.

Threads of one trial always wait for each other: a quiet LeNet5 on two cores spends a third of its thread time
in the run queue. So each trial is compared with itself. Others had the cores when its threads waited much
longer than in its calmest times *and* did less work. More waiting with more work is the trial's own doing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from bench.records.summary import Span
from bench.telemetry.trace import Trace
from bench.trials.measured import Contention

CALM = 0.2
"""Quantile of waiting that represents the trial's calm times. It is low: a disturbance may last most of a phase."""

MORE_WAITING = 0.15
"""Waiting counts as a disturbance if its share is higher than in calm times by this much. Quiet trials stayed
within 0.03; a busy loop on one of two cores added 0.25 to 0.3."""

LESS_WORK = 0.85
"""And if the processor time is below this share of that in calm times. A busy loop on one of two cores left 0.6
to 0.7."""

FEWEST = 8
"""Fewest readings, one per second, that can be compared."""

IDLE = 0.2
"""Below this processor time per second the trial needed no core, and waiting says nothing."""

APART_S = 0.9
"""Least time between two readings; closer ones, as at the edges of phases, are too coarse."""


class Second(NamedTuple):
    """What a trial's threads did between two readings."""

    seconds: float
    """Between the readings."""
    used: float
    """Processor time per second."""
    waiting: float
    """Waiting as a share of the thread time, which is used and waited; see `seconds_of`."""


def seconds_of(trace: Trace, spans: Sequence[Span]) -> list[Second]:
    """The readings within some spans, about a second apart.

    Where the kernel does not count the waiting of threads, the machine's pressure replaces it: the share of
    the time in which any process waited. Where it tells neither, there are no readings.
    """
    used, waits = trace.counters.get("cpu_s"), trace.counters.get("run_queue_wait_s")
    pressure = trace.counters.get("pressure_s")
    clock = waits or pressure
    found: list[Second] = []
    if used is None or clock is None:
        return found
    for began, ended in spans:
        for t0, t1 in pairwise(_apart(t for t in clock.times if began <= t <= ended)):
            work, waited = used.grown(t0, t1), clock.grown(t0, t1)
            if work is None or waited is None:
                continue
            passed = (t1 - t0) / 1e9
            whole = work + waited if waits else passed
            found.append(Second(passed, work / passed, waited / whole if whole > 0 else 0.0))
    return found


def _apart(times: Iterable[int]) -> Iterator[int]:
    """Those that lie far enough after the last one."""
    last = None
    for t in times:
        if last is None or t - last >= APART_S * 1e9:
            yield t
            last = t


def contention(readings: Sequence[Second]) -> Contention | None:
    """Compare a phase with its own calm times; None where it is too short, or used no cores."""
    readings = [one for one in readings if one.used >= IDLE or one.waiting > 0.5]
    if len(readings) < FEWEST:
        return None
    by_waiting = sorted(readings, key=lambda one: one.waiting)
    quiet = by_waiting[: max(2, round(CALM * len(readings)))]
    calm = quiet[-1].waiting
    work = sorted(one.used for one in quiet)[len(quiet) // 2]
    held_up = [one for one in readings if one.waiting > calm + MORE_WAITING and one.used < LESS_WORK * work]
    share = sum(one.seconds for one in held_up) / sum(one.seconds for one in readings)
    return Contention(calm=calm, share=share)
