"""Summarize a trace of training steps: pure functions over its planes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from wbc.observer import Figures
from wbc.profiling.kinds import KINDS, WAIT_FOR_INPUT, is_operation, kind_of, kind_of_kernel
from wbc.profiling.xspace import Event, Line, Plane

STEP = "train"
"""The name under which each step is traced."""

TOP = 100
"""Number of operations in the list of the slowest: more than most networks have that take a percent."""

_HOST, _GPU, _STREAM = "/host:CPU", "/device:GPU:", "Stream #"
_PICO = 1e-12

Span = tuple[int, int]
"""Begin and end, in picoseconds."""


def summarize(
    planes: Sequence[Plane], layers: Mapping[str, str], optimizer: str = "", on_gpu: bool = False
) -> Figures:
    """Where the time of the traced steps went.

    If a GPU did the work, operations are its kernels. Otherwise they are those of the host's threads.

    Args:
        planes: The planes of the trace.
        layers: Name of a layer -> its kind, see `wbc.profiling.kinds`.
        optimizer: Name of the optimizer.
        on_gpu: A GPU did the work. Without its kernels the trace shows the host's part only.

    Returns:
        `steps`: number of steps.
        `wall_s`: seconds from the start of the first step to the end of the last.
        `input_stall`: fraction of the steps' time in which they waited for their batches; None if the trace
        does not show that.
        `kinds`: kind -> share of the self time of all operations. Self time excludes nested operations;
        waiting is not an operation.
        `top`: the operations with the most self time (`op`, `self_s`, `share`).
        `kernel_busy`: fraction of `wall_s` with at least one active kernel, mean over GPUs; None without GPU.
        `copies_s`: seconds of copies between host and GPUs; None without GPU.

    Raises:
        ValueError: The trace has no step, or no kernel although a GPU did the work.
    """
    host = [line for plane in planes if plane.name.startswith(_HOST) for line in plane.lines]
    steps = [event for line in host for event in line.events if event.name == STEP]
    if not steps:
        raise ValueError("the trace has no training step")
    window = min(step.start for step in steps), max(step.end for step in steps)
    gpus = [_streams(plane) for plane in planes if plane.name.startswith(_GPU)]
    gpus = [within for events in gpus if (within := _within(events, window))]
    if on_gpu and not gpus:
        raise ValueError(
            "the trace shows no kernel of the GPU that did the work: CUPTI, which records them, could not be "
            "loaded or may not count (a setting of the NVIDIA driver)"
        )
    if gpus:
        seconds, kind = _of_kernels(gpus), _kernel_kinds(gpus, layers, optimizer)
    else:
        seconds = sum((_self_times(line, window) for line in host), Counter[str]())
        kind = {name: kind_of(name, layers, optimizer) for name in seconds}
    whole = sum(seconds.values()) or 1
    kinds: Counter[str] = Counter()
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
    """The fraction of the steps in which they got batches. Simultaneous threads count once."""
    if not waits:
        return None
    spans = [(step.start, step.end) for step in steps]
    waited = _covered(span for wait in waits for step in spans for span in _spans([wait], step))
    return waited / sum(end - start for start, end in spans)


def _self_times(line: Line, window: Span) -> Counter[str]:
    """Operation -> picoseconds in one thread, without the operations that it calls."""
    own: Counter[str] = Counter()
    calling: list[tuple[int, str]] = []
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
    """The kernels and copies of a GPU. Its other lines repeat them in summary."""
    return [event for line in plane.lines if line.name.startswith(_STREAM) for event in line.events]


def _of_kernels(gpus: Sequence[Sequence[Event]]) -> Counter[str]:
    seconds: Counter[str] = Counter()
    for events in gpus:
        for event in events:
            seconds[_label(event)] += event.duration
    return seconds


def _kernel_kinds(
    gpus: Sequence[Sequence[Event]], layers: Mapping[str, str], optimizer: str
) -> dict[str, str]:
    return {
        _label(event): kind_of_kernel(event.name, event.texts.get("tf_op"), layers, optimizer)
        for events in gpus
        for event in events
    }


def _label(event: Event) -> str:
    """The operation that a kernel belongs to, if it is known and not a copy; otherwise the kernel."""
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
    """Begin and end of each event, clipped to the window."""
    spans = [(max(event.start, window[0]), min(event.end, window[1])) for event in events]
    return [span for span in spans if span[0] < span[1]]


def _covered(spans: Iterable[Span]) -> int:
    """The time that at least one of the spans covers."""
    covered = 0
    until: int | None = None
    for start, end in sorted(spans):
        if until is None or start > until:
            covered += end - start
            until = end
        elif end > until:
            covered += end - until
            until = end
    return covered
