"""What a trace of training steps says: pure functions over its planes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wbc.profiling.kinds import KINDS, WAIT_FOR_INPUT, is_operation, kind_of, kind_of_kernel
from wbc.profiling.xspace import Event, Line, Plane

STEP = "train"
"""The name under which each step is traced."""

TOP = 10

_HOST, _GPU, _STREAM = "/host:CPU", "/device:GPU:", "Stream #"
_PICO = 1e-12

Span = tuple[int, int]
"""Begin and end."""


def summarise(planes: Sequence[Plane], layers: Mapping[str, str], optimiser: str = "") -> dict[str, Any]:
    """What the traced steps came to.

    Where a GPU did the work, operations are its kernels; elsewhere they are what the host's threads did.

    Args:
        planes: Of the trace.
        layers: Name of a layer -> its kind, see `wbc.profiling.kinds`.
        optimiser: Name of the optimiser.

    Returns:
        `steps`; `wall_s`, from the first step's beginning to the last one's end; `input_stall`, the share of
        the steps' time in which they got their batches (None where the trace does not show them get any);
        `kinds`, kind -> share of all operations' self time
        (its own, without that of operations inside; waiting is no operation), those that are there; `top`,
        the operations with the most self time (`op`, `self_s`, `share`); `kernel_busy`, the share of `wall_s`
        with at least one kernel active (the mean over GPUs) and `copies_s`, seconds of copies between host
        and GPUs: None without one.

    Raises:
        ValueError: No step is in the trace.
    """
    host = [line for plane in planes if plane.name.startswith(_HOST) for line in plane.lines]
    steps = [event for line in host for event in line.events if event.name == STEP]
    if not steps:
        raise ValueError("no training step is in the trace")
    window = min(step.start for step in steps), max(step.end for step in steps)
    gpus = [_streams(plane) for plane in planes if plane.name.startswith(_GPU)]
    gpus = [within for events in gpus if (within := _within(events, window))]
    if gpus:
        seconds, kind = _of_kernels(gpus), _kernel_kinds(gpus, layers, optimiser)
    else:
        seconds = sum((_self_times(line, window) for line in host), Counter())
        kind = {name: kind_of(name, layers, optimiser) for name in seconds}
    whole = sum(seconds.values()) or 1
    kinds = Counter()
    for name, value in seconds.items():
        kinds[kind[name]] += value
    waits = [event for line in host for event in line.events if event.name == WAIT_FOR_INPUT]
    wall = window[1] - window[0]
    busy = [_covered(_spans(filter(_is_kernel, events), window)) / wall for events in gpus]
    copies = sum(event.duration for events in gpus for event in events if _is_copy(event))
    return {
        "steps": len(steps),
        "wall_s": wall * _PICO,
        "input_stall": _stall(waits, steps),
        "kinds": {name: kinds[name] / whole for name in KINDS if name in kinds},
        "top": [
            {"op": name, "self_s": value * _PICO, "share": value / whole}
            for name, value in seconds.most_common(TOP)
        ],
        "kernel_busy": sum(busy) / len(busy) if busy else None,
        "copies_s": copies * _PICO if gpus else None,
    }


def _stall(waits: Sequence[Event], steps: Sequence[Event]) -> float | None:
    """The share of the steps in which batches were got; at the same time by several threads counts once."""
    if not waits:
        return None
    spans = [(step.start, step.end) for step in steps]
    waited = _covered(span for wait in waits for step in spans for span in _spans([wait], step))
    return waited / sum(end - start for start, end in spans)


def _self_times(line: Line, window: Span) -> Counter:
    """Operation -> picoseconds of its own in one thread; those that it calls are taken off."""
    own, calling = Counter(), []
    for event in sorted(_within(line.events, window), key=lambda event: (event.start, -event.duration)):
        if not is_operation(event.name):
            continue
        name = _short(event.name)
        while calling and calling[-1][0] <= event.start:
            calling.pop()
        if calling:
            own[calling[-1][1]] -= event.duration
        own[name] += event.duration
        calling.append((event.end, name))
    return own


def _streams(plane: Plane) -> list[Event]:
    """What a GPU did; its other lines tell the same once more, put together."""
    return [event for line in plane.lines if line.name.startswith(_STREAM) for event in line.events]


def _of_kernels(gpus: Sequence[Sequence[Event]]) -> Counter:
    seconds = Counter()
    for events in gpus:
        for event in events:
            seconds[_label(event)] += event.duration
    return seconds


def _kernel_kinds(
    gpus: Sequence[Sequence[Event]], layers: Mapping[str, str], optimiser: str
) -> dict[str, str]:
    return {
        _label(event): kind_of_kernel(event.name, event.texts.get("tf_op"), layers, optimiser)
        for events in gpus
        for event in events
    }


def _label(event: Event) -> str:
    """The operation for which a kernel ran, where that is known and no copy; else the kernel."""
    operation = event.texts.get("tf_op", "")
    return _short(operation) if is_operation(operation) and _is_kernel(event) else event.name


def _short(operation: str) -> str:
    return operation.removeprefix("StatefulPartitionedCall/")


def _is_kernel(event: Event) -> bool:
    return not event.name.startswith(("Memcpy", "Memset"))


def _is_copy(event: Event) -> bool:
    return event.name.startswith(("MemcpyH2D", "MemcpyD2H", "MemcpyHtoD", "MemcpyDtoH"))


def _within(events: Iterable[Event], window: Span) -> list[Event]:
    return [event for event in events if event.start < window[1] and event.end > window[0]]


def _spans(events: Iterable[Event], window: Span) -> list[Span]:
    """From when to when, as far as the window goes."""
    spans = [(max(event.start, window[0]), min(event.end, window[1])) for event in events]
    return [span for span in spans if span[0] < span[1]]


def _covered(spans: Iterable[Span]) -> int:
    """How much time at least one of the spans covers."""
    covered, until = 0, None
    for start, end in sorted(spans):
        if until is None or start > until:
            covered += end - start
            until = end
        elif end > until:
            covered += end - until
            until = end
    return covered
