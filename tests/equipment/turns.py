"""When workers that take turns worked, as their journals tell."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from bench.worker.jsonl import read_lines
from bench.worker.turns import BEGINS, OVER


def turns_of(attempt: Path) -> list[tuple[int, int]]:
    """When a worker worked, in nanoseconds of the machine's clock."""
    events = read_lines(attempt / "events.jsonl")
    left_out, began, turns = 0, events[0]["t"], []
    for event in events:
        if event["event"] == OVER:
            turns.append((began, event["t"] + left_out))
        elif event["event"] == BEGINS:
            left_out += event["left_out"]
            began = event["t"] + left_out
    if events[-1]["event"] == OVER:  # it was ended in its sleep
        return turns
    return [*turns, (began, events[-1]["t"] + left_out)]


def one_at_a_time(attempts: Iterable[Path]) -> bool:
    """Whether no two of them worked at once."""
    spans = sorted(span for attempt in attempts for span in turns_of(attempt))
    return all(ended <= began for (_, ended), (began, _) in pairwise(spans))
