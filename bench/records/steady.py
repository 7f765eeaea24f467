"""Throughput of training once it is steady, from the blocks of steps in the journals. Pure statistics."""

import math
import statistics
from collections.abc import Sequence

from bench.journal.events import Blocks, Epoch, PhaseStarted, WorkerEvent
from bench.journal.history import Stretch
from bench.trials.measured import Steady
from wbc.observer import Block

TOLERANCE = 0.05
"""Largest distance of the rolling median from the median of all that follows."""

LEAST = 6
"""Fewest values whose median has a 95 % interval."""

GROUPS = 30
"""Blocks are combined into about this many groups. Slow times last longer than a block, and neighbors that are
slow together would make the interval too narrow."""


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
            return found, ""
        most = max(most, len(blocks))
    if most < LEAST + 3:
        steps = f"{most} {'stretch' if most == 1 else 'stretches'} of steps"
        return None, f"training was too short to settle: {steps} after the first step"
    return None, "the rolling median of the steps' times did not settle"


def steady(blocks: Sequence[Block], compile_s: float | None = None) -> Steady | None:
    """What training came to in its steady window.

    Args:
        blocks: In their order, of about equally many steps each; the first step of training is in none.
        compile_s: The first step, wall seconds; None where that was not told.

    Returns:
        None where too few blocks are left after training settled.
    """
    begin = settled([block.pace for block in blocks])
    if begin is None:
        return None
    window = blocks[begin:]
    groups = _grouped(window)
    rates = sorted(1 / group.pace for group in groups)
    low, high = median_interval(rates)
    waited = sum(block.wait_s for block in window)
    return Steady(
        images_per_s=statistics.median(rates),
        low=low,
        high=high,
        step_s=statistics.median(group.seconds / group.steps for group in groups),
        steps=sum(block.steps for block in window),
        settled_s=window[0].start_s,
        settled_step=window[0].first_step,
        blocks=len(groups),
        data_wait_s=waited,
        data_wait_share=waited / sum(block.seconds for block in window),
        compile_s=compile_s,
    )


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
