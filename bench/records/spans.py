"""When the phases of a trial were, from the worker's events."""

from typing import Any

Span = tuple[int, int]
"""Began and ended, in nanoseconds of the monotonic clock."""


def spans_of(events: list[dict[str, Any]], until: int | None = None) -> dict[str, list[Span]]:
    """Phase -> its spans, for some phases come more than once.

    Args:
        events: Of the worker, in their order.
        until: When a phase that did not end was over; None: at the last event.
    """
    spans: dict[str, list[Span]] = {}
    begun: dict[str, int] = {}
    for event in events:
        if event["event"] == "phase_started":
            begun[event["phase"]] = event["t"]
        elif event["event"] == "phase_ended" and event["phase"] in begun:
            spans.setdefault(event["phase"], []).append((begun.pop(event["phase"]), event["t"]))
    over = events[-1]["t"] if events and until is None else until
    for phase, began in begun.items():
        if over is not None and over > began:
            spans.setdefault(phase, []).append((began, over))
    return spans
