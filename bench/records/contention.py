"""Waiting for cores beyond what the trial's own threads make each other wait.

Threads of one trial wait for each other all the time: a quiet LeNet5 on two cores spends a third of its thread
time in the run queue. So the trial is compared with itself: a time in which its threads waited much longer
than in its calmest times *and* got less work done is one in which somebody else had the cores. More waiting
with more work is the trial's own doing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from bench.records.summary import Span
from bench.telemetry.trace import Trace
from bench.trials.measured import Contention

CALM = 0.2
"""The quantile of waiting that stands for the trial's calm times; a disturbance may take most of a phase."""

MORE_WAITING = 0.15
"""So much more of the thread time is waiting than in calm times. Quiet trials kept within 0.03 here, a burner
on one of two cores added 0.25 to 0.3."""

LESS_WORK = 0.85
"""So little of the calm times' processor time. A burner on one of two cores left 0.6 to 0.7."""

FEWEST = 8
"""Readings, one a second, without which there is nothing to compare."""

IDLE = 0.2
"""Below this processor time a second the trial wanted no core, and waiting says nothing."""


APART_S = 0.9
"""Readings that are closer, as at the edges of phases, say too little."""


class Second(NamedTuple):
    """What a trial's threads did between two readings.

    Attributes:
        seconds: Between them.
        used: Processor time a second.
        waiting: Share of the thread time (used and waited) that was waiting; see `seconds_of`.
    """

    seconds: float
    used: float
    waiting: float


def seconds_of(trace: Trace, spans: Sequence[Span]) -> list[Second]:
    """The readings within some spans, about a second apart.

    Where the kernel does not count the waiting of threads, the pressure on the machine stands in for it: the
    share of the time in which any process waited. Where it tells neither, there are none.
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
