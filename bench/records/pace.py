"""How steadily the steps of an attempt went, from its journals."""

from collections.abc import Sequence
from typing import Any

from bench.journal.history import Event, Stretch
from bench.records.steady import LEAST, Block, steady


def pace_of(stretches: Sequence[Stretch]) -> tuple[dict[str, Any] | None, str]:
    """The steady window of an attempt, and why there is none.

    Of the last stage of training, and of the last stretch in which that settled; a stretch that was cut off
    after a checkpoint has left its epochs only.

    Returns:
        As `bench.records.steady.steady`, with `compile_s`: the first step, wall seconds; None where that was
        not told. Or None and the reason.
    """
    stages = [stage for stretch in stretches for stage in _stages(stretch.events)]
    if not stages:
        return None, "nothing was trained in steps whose times are in the journal"
    least = 0
    for stretch in reversed(stretches):
        blocks = _blocks(stretch.events, max(stages))
        if found := steady(blocks):
            return {**found, "compile_s": stretch.phases.get("compile", {}).get("first_step_s")}, ""
        least = max(least, len(blocks))
    if least < LEAST + 3:
        steps = f"{least} {'stretch' if least == 1 else 'stretches'} of steps"
        return None, f"training was too short to settle: {steps} after the first step"
    return None, "the rolling median of the steps' times did not settle"


def _stages(events: Sequence[Event]) -> list[int]:
    return [event["stage"] for event in events if "stage" in event]


def _blocks(events: Sequence[Event], stage: int) -> list[Block]:
    """The blocks of a stage; of a stretch without, its epochs."""
    for event in events:
        if event["event"] == "blocks" and event["stage"] == stage:
            return [Block(*values) for values in event["blocks"]]
    began = next((event["t"] for event in events if _begins_training(event)), 0)
    blocks, steps = [], 0
    for event in events:
        if event["event"] != "epoch" or event.get("stage") != stage or not event["steps"]:
            continue
        start = (event["t"] - began) / 1e9 - event["validation_s"] - event["steps_s"]
        figures = (event[name] for name in ("steps", "images", "steps_s", "data_wait_s"))
        blocks.append(Block(start, steps, *figures))
        steps += event["steps"]
    return blocks


def _begins_training(event: Event) -> bool:
    return event["event"] == "phase_started" and event["phase"] == "train"
