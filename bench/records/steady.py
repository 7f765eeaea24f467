"""Throughput of training once it is steady, or that it never was, from the blocks of steps in the journals."""

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from bench.journal.events import Blocks, Epoch, PhaseStarted, WorkerEvent
from bench.journal.history import Stretch
from bench.trials.measured import Steady
from wbc.observer import Block

TOLERANCE = 0.05
"""Largest distance of the rolling median from the median of all that follows."""

LEAST = 6
"""Fewest values whose median has a 95 % interval."""

GROUPS = 30
"""The median is over about this many groups of neighboring blocks."""

BATCHES = 6
MOST_MEMORY, LEAST_DEGREES = 0.95, 3.0
"""Bounds of what an interval assumes, so that one slow stretch does not make it say nothing. Simulated on 12, 30, 60
and 240 blocks, it holds the mean in 82, 90, 94 and 96 % of runs in which a block remembers 0.9 of the last one, and
in 67, 80, 87 and 91 % where that is 0.97 (`tests/unit/test_steady.py` has the longest)."""

JUDGED = 20
"""Fewest blocks of which it is judged whether their pace drifts."""

TENTHS = 10
CLEAR = 4.0
"""How many times its standard error a drift must be. Simulated: of 240 blocks without a drift it is claimed for
at most 1 % where neighbors are independent, and for 4 % where a block remembers nine tenths of the last one."""


def pace_of(stretches: Sequence[Stretch]) -> tuple[Steady | None, str]:
    """The steady window of an attempt, and why there is none.

    It is that of the last stage of training, and of the last stretch in which that settled. A stretch that
    was cut off after a checkpoint has left its epochs only.
    """
    events = [event for stretch in stretches for event in stretch.events]
    stages = [
        event.stage for event in events if isinstance(event, Epoch | Blocks) and event.stage is not None
    ]
    if not stages:
        return None, "nothing was trained in steps whose times are in the journal"
    most = 0
    for stretch in reversed(stretches):
        blocks = _blocks(stretch.events, max(stages))
        compiled = stretch.phases.compile
        if found := steady(blocks, compiled.first_step_s if compiled else None):
            return found, found.reason and f"no steady state: {found.reason}"
        most = max(most, len(blocks))
    steps = f"{most} {'stretch' if most == 1 else 'stretches'} of steps"
    return None, f"training was too short to settle: {steps} after the first step"


def steady(blocks: Sequence[Block], compile_s: float | None = None) -> Steady | None:
    """What training came to in its steady window, and whether its pace was steady there.

    Args:
        blocks: In their order, of about equally many steps each; the first step of training is in none.
        compile_s: The first step, wall seconds; None where that was not told.

    Returns:
        None where there are too few blocks. Without a steady state the window is all of them, if their pace
        settled late or never.
    """
    if len(blocks) < LEAST + 3:
        return None
    begin = settled([block.pace for block in blocks])
    if begin is None:
        begin, why = 0, "the rolling median of the steps' times did not settle"
    elif begin > len(blocks) / 2 and len(blocks) >= JUDGED:
        begin, why = 0, f"its pace settled only after {begin / len(blocks):.0%} of the steps"
    else:
        why = drift([block.pace for block in blocks[begin:]])
    window = blocks[begin:]
    groups = _grouped(window)
    seconds, images = sum(block.seconds for block in window), sum(block.images for block in window)
    half, effective = interval_of_mean([block.pace for block in window])
    spread = math.exp(half * images / seconds)
    waited = sum(block.wait_s for block in window)
    return Steady(
        images_per_s=images / seconds,
        low=images / seconds / spread,
        high=images / seconds * spread,
        median_images_per_s=statistics.median(1 / group.pace for group in groups),
        outcome="no steady state" if why else "steady",
        reason=why,
        effective_blocks=effective,
        step_s=statistics.median(group.seconds / group.steps for group in groups),
        steps=sum(block.steps for block in window),
        settled_s=window[0].start_s,
        settled_step=window[0].first_step,
        blocks=len(window),
        data_wait_s=waited,
        data_wait_share=waited / seconds,
        compile_s=compile_s,
    )


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Half the width of the 95 % interval of a mean of values that depend on their neighbors.

    It is the wider of two: Student's t over `BATCHES` means of neighbors (batch means), and the interval of a
    process in which each value remembers the last one (AR(1)), whose coefficient is corrected for its bias and
    raised by half its standard error.

    Returns:
        That half, and how many independent values would tell as much.
    """
    from scipy.special import stdtrit

    count = len(values)
    mean = statistics.fmean(values)
    away = [value - mean for value in values]
    squares = sum(one * one for one in away)
    if not squares:
        return 0.0, float(count)
    memory = sum(one * two for one, two in pairwise(away)) / squares
    memory += (1 + 3 * memory) / count
    memory += 0.5 * math.sqrt(max(0.0, 1 - memory**2) / count)
    memory = min(max(memory, 0.0), MOST_MEMORY)
    inflation = (1 + memory) / (1 - memory)
    inflation -= 2 * memory * (1 - memory**count) / (count * (1 - memory) ** 2)
    variance = squares / (count - 1) / max(1 - inflation / count, 0.2)
    effective = count / inflation
    remembering = float(stdtrit(max(effective - 1, LEAST_DEGREES), 0.975)) * math.sqrt(variance / effective)
    batches = _means(values, min(BATCHES, count))
    batched = statistics.stdev(batches) / math.sqrt(len(batches))
    return max(remembering, float(stdtrit(len(batches) - 1, 0.975)) * batched), effective


def drift(paces: Sequence[float]) -> str:
    """How the pace changed for good within the window, in words; empty where it did not, or nothing shows it.

    A change counts from `TOLERANCE` on, if it is large against the differences between neighboring tenths of
    the window. Those tell of noise, and hardly of the change itself.
    """
    if len(paces) < JUDGED:
        return ""
    tenths = _means(paces, TENTHS)
    noise = math.sqrt(sum((two - one) ** 2 for one, two in pairwise(tenths)) / (2 * (TENTHS - 1)))
    largest, said = 0.0, ""
    for split in range(1, TENTHS):
        before, after = statistics.fmean(tenths[:split]), statistics.fmean(tenths[split:])
        change = after / before - 1
        shown = abs(after - before) > CLEAR * noise * math.sqrt(1 / split + 1 / (TENTHS - split))
        if abs(change) > TOLERANCE and shown and abs(change) > largest:
            largest = abs(change)
            way = "longer" if change > 0 else "shorter"
            said = f"after {split / TENTHS:.0%} of the window steps take {largest:.0%} {way}"
    return said


def settled(paces: Sequence[float]) -> int | None:
    """Where the steady window begins.

    It begins at the first value before which the rolling median is within `TOLERANCE` of the median of all
    later values: from there on, training gets neither slower nor faster. Slow times later do not move the
    beginning; they widen the interval.

    Returns:
        The index of the first value of the window; None where fewer than `LEAST` would be left.
    """
    width = rolling_width(len(paces))
    for begin in range(width, len(paces) - LEAST + 1):
        rest = statistics.median(paces[begin:])
        if abs(statistics.median(paces[begin - width : begin]) - rest) <= TOLERANCE * rest:
            return begin
    return None


def rolling_width(count: int) -> int:
    """Values in the rolling median of `count`: 3 if there are few, else a twentieth, at least 5."""
    return 3 if count < 16 else max(5, count // 20)


def median_interval(ordered: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a median, from the order of its values alone, for any distribution.

    The narrowest pair of ranks that covers the median with at least 95 % (Conover, Practical Nonparametric
    Statistics, 3.2).

    Args:
        ordered: Ascending, `LEAST` or more.
    """
    count, below, rank = len(ordered), 0.0, 0
    while (below := below + math.comb(count, rank) / 2**count) <= 0.025:
        rank += 1
    assert rank, "too few values"
    return ordered[rank - 1], ordered[count - rank]


def _means(values: Sequence[float], parts: int) -> list[float]:
    """The means of equal parts of neighbors."""
    edges = [number * len(values) // parts for number in range(parts + 1)]
    return [statistics.fmean(values[begin:end]) for begin, end in pairwise(edges)]


def _grouped(blocks: Sequence[Block]) -> list[Block]:
    """Combine neighbors into about `GROUPS` groups; blocks left at the end join the last one."""
    size = max(1, len(blocks) // GROUPS)
    groups: list[Block] = []
    for index, block in enumerate(blocks):
        if index % size == 0 and len(blocks) - index >= size:
            groups.append(block)
        else:
            groups[-1] += block
    return groups


def _blocks(events: Sequence[WorkerEvent], stage: int) -> list[Block]:
    """The blocks of a stage; of a stretch without, its epochs."""
    for event in events:
        if isinstance(event, Blocks) and event.stage == stage:
            return [Block(*values) for values in event.blocks]
    began = next((event.t for event in events if _begins_training(event)), 0)
    blocks, steps = [], 0
    for event in events:
        if not isinstance(event, Epoch) or event.stage != stage or not event.steps:
            continue
        start = (event.t - began) / 1e9 - event.validation_s - event.steps_s
        blocks.append(Block(start, steps, event.steps, event.images, event.steps_s, event.data_wait_s))
        steps += event.steps
    return blocks


def _begins_training(event: WorkerEvent) -> bool:
    return isinstance(event, PhaseStarted) and event.phase == "train"
