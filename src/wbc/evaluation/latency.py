"""How long a trained classifier takes to answer, by the number of images that it is asked at once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.errors import reason_of

BATCHES = (1, 16, 64)
"""Images that are asked for at once."""

WARM_UP = 3
"""First calls of each size, which trace, compile and fill caches. The last of them tells how many calls fit.
Where the second takes more than a third of the budget there is no third."""

BUDGET_S = 0.3
"""Seconds for each size."""

LEAST_CALLS = 3
MOST_CALLS = 400

WANTED = {1: (100, 1.0)}
"""Size -> calls that are wanted for its percentiles, and seconds that they may take."""
USUALLY_WANTED = (20, 1.0)

TOO_SLOW_S = 0.5
"""A size of which one call takes longer is left out: with its first calls it would take seconds."""

NEEDED = {0.5: 1, 0.95: 20, 0.99: 100}
"""Percentile -> fewest calls of which it says something."""


@dataclass(frozen=True)
class Latency:
    """Calls with one number of images: from uint8 pixels to probabilities on the host."""

    batch: int
    """Images of a call."""
    calls: int
    p50_s: float
    p95_s: float | None
    """None: too few calls."""
    p99_s: float | None
    images_per_s: float
    """Images over the time of all calls."""
    first_call_s: float
    """Of the first call, which traces and compiles."""


def measure_latency(
    answer: Callable[[NDArray[np.uint8]], object],
    examples: NDArray[np.uint8],
    clock: Callable[[], float] = time.perf_counter,
    between: Callable[[], object] = lambda: None,
) -> tuple[list[Latency], dict[int, str]]:
    """Time calls of each size in turns, after all sizes are warm.

    Turns, because a machine that is slow for a moment must not slow one size alone.

    Args:
        answer: From images to probabilities, which are on the host when it returns.
        examples: Images to ask for, one or more; they are repeated as needed.
        clock: Returns seconds, monotonic.
        between: Called between two calls that are timed.

    Returns:
        The latencies, and for each size that is left out the reason.
    """

    def call(size: int) -> float:
        began = clock()
        answer(asked[size])
        return clock() - began

    asked = {size: np.resize(examples, (size, *examples.shape[1:])) for size in BATCHES}
    first: dict[int, float] = {}
    calls: dict[int, int] = {}
    left_out: dict[int, str] = {}
    for size in BATCHES:
        try:
            first[size] = call(size)
            usual = call(size)
            if usual > TOO_SLOW_S:
                left_out[size] = f"a call takes {usual:.1f} s, more than {TOO_SLOW_S:g} s"
                continue
            for _ in range(WARM_UP - 2 if usual <= BUDGET_S / LEAST_CALLS else 0):
                usual = min(usual, call(size))
        except Exception as error:  # such as a full device: no reason to lose the trained model
            left_out[size] = reason_of(error)
            continue
        calls[size] = _calls(size, usual)
    seconds: dict[int, list[float]] = {size: [] for size in calls}
    for size in in_turns(calls):
        between()
        seconds[size].append(call(size))
    return [_latency(size, own, first[size]) for size, own in seconds.items()], left_out


def in_turns(calls: Mapping[int, int]) -> Iterator[int]:
    """Sizes as often as they are to be called, spread evenly; each round begins with another one."""
    rounds = max(calls.values(), default=0)
    sizes = list(calls)
    for number in range(rounds):
        begin = number % len(sizes)
        for size in sizes[begin:] + sizes[:begin]:
            if (number + 1) * calls[size] // rounds > number * calls[size] // rounds:
                yield size


def figures_of(latencies: Sequence[Latency], left_out: Mapping[int, str]) -> dict[str, Any]:
    """What the phase `latency` reports: `batches`, and `left_out` with reasons."""
    return {
        "batches": [vars(one) for one in latencies],
        "left_out": {f"batch of {size}": why for size, why in left_out.items()},
    }


def _calls(size: int, usual_s: float) -> int:
    """How many calls to time, from what one of them takes."""
    fitting = BUDGET_S / max(usual_s, 1e-9)
    wanted, most_s = WANTED.get(size, USUALLY_WANTED)
    if wanted * usual_s <= most_s:
        fitting = max(fitting, wanted)
    return int(min(MOST_CALLS, max(LEAST_CALLS, fitting)))


def _latency(size: int, seconds: Sequence[float], first_s: float) -> Latency:
    p50, p95, p99 = (
        float(np.quantile(seconds, share)) if len(seconds) >= least else None
        for share, least in NEEDED.items()
    )
    assert p50 is not None
    return Latency(size, len(seconds), p50, p95, p99, size * len(seconds) / sum(seconds), first_s)
