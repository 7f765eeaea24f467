"""How fast the memory of a trial grew while it trained: a leak grows with the steps. Pure statistics."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from bench.journal.events import Epoch, Heartbeat, PhaseEnded, PhaseStarted
from bench.journal.history import Stretch
from bench.trials.measured import Growth

T = TypeVar("T")

WARM_UP = 1 / 3
"""Share of the readings at the start that are left out: allocators and caches fill there."""

SECTIONS = 7
"""Equal sections of what is left; the growth is judged by the differences of their levels."""

WANDERING = 1.2
"""Levels of memory that wanders share readings of its way, so that their differences depend on one another: the
error is so much larger."""

LEAST = 2 * SECTIONS
"""Fewest readings that are left."""

TOO_FEW = "too few readings of memory after its start: it takes 20 epochs, or as many seconds of training"


@dataclass(frozen=True)
class Reading:
    """Memory at a moment of training."""

    steps: int
    """Steps that were done."""
    host: int | None
    """Resident memory of the process, bytes."""
    device: int | None = None
    """Memory in use on the first GPU by the framework's allocator, bytes."""


def growth_of(stretch: Stretch) -> tuple[Growth | None, Growth | None, str]:
    """Growth on the host and on the device in the last attempt, and why there is none on the host.

    The readings are those at the ends of epochs, which are all at the same point of training; where there are too
    few, those of heartbeats, once a second.
    """
    epochs, heartbeats = readings_of(stretch)
    chosen = epochs if len(_after_warm_up(epochs)) >= LEAST else heartbeats
    host = growth([(one.steps, one.host) for one in chosen if one.host is not None])
    device = growth([(one.steps, one.device) for one in epochs if one.device is not None])
    return host, device, "" if host else TOO_FEW


def readings_of(stretch: Stretch) -> tuple[list[Reading], list[Reading]]:
    """The readings at the ends of epochs, and those of heartbeats within the phase `train`."""
    epochs: list[Reading] = []
    heartbeats: list[Reading] = []
    steps, training = 0, False
    for event in stretch.events:
        if isinstance(event, PhaseStarted | PhaseEnded) and event.phase == "train":
            training = isinstance(event, PhaseStarted)
        elif isinstance(event, Epoch):
            steps += event.steps
            if event.resident is not None or event.device is not None:
                epochs.append(Reading(steps, event.resident, event.device))
        elif isinstance(event, Heartbeat) and training and event.resident is not None:
            heartbeats.append(Reading(event.done, event.resident))
    return epochs, heartbeats


def _after_warm_up(readings: Sequence[T]) -> Sequence[T]:
    return readings[math.floor(len(readings) * WARM_UP) :]


def growth(readings: Sequence[tuple[int, int]]) -> Growth | None:
    """The growth over the steps, with its 95 % interval.

    After the warm-up the readings are cut into sections, and the level of each is its median. The growth is the
    mean of the differences between neighboring levels, and its interval is Student's t over them. That holds for
    memory that wanders (each level remembers all before it) as well as for one that scatters around a line, where
    it is too wide. A single jump is no growth.

    Args:
        readings: Steps that were done, and bytes; in order.

    Returns:
        None for fewer than `LEAST` after the warm-up, or steps that do not advance.
    """
    from scipy.special import stdtrit

    kept = _after_warm_up(readings)
    if len(kept) < LEAST:
        return None
    edges = [number * len(kept) // SECTIONS for number in range(SECTIONS + 1)]
    sections = [kept[begin:end] for begin, end in pairwise(edges)]
    levels = [statistics.median(size for _, size in section) for section in sections]
    places = [statistics.median(steps for steps, _ in section) for section in sections]
    apart = (places[-1] - places[0]) / (SECTIONS - 1)
    if apart <= 0:
        return None
    differences = [after - before for before, after in pairwise(levels)]
    mean = statistics.fmean(differences)
    error = WANDERING * statistics.stdev(differences) / math.sqrt(len(differences))
    half = float(stdtrit(len(differences) - 1, 0.975)) * error
    scale = 1000 / apart / 1e6
    return Growth(
        mb_per_1000_steps=mean * scale,
        low=(mean - half) * scale,
        high=(mean + half) * scale,
        base_bytes=round(levels[0]),
        steps=kept[-1][0] - kept[0][0],
        readings=len(kept),
    )
