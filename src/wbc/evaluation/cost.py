"""What a classifier costs those who use it: bytes to store and time per image."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LEAST_BATCHES = 3
"""Timed batches after which a prediction is not repeated."""
REPEAT_BUDGET_S = 1.0
"""Seconds of timed batches after which a prediction is not repeated either."""


@dataclass(frozen=True)
class Cost:
    """What it takes to store and use a trained classifier."""

    model_bytes: int
    """Bytes of its float32 weights, including a frozen backbone; for scikit-learn of the pickled pipeline."""
    inference_s: float
    """Seconds per image from uint8 pixels to probabilities: the median of the timed batches, each divided by
    its images."""
    batch_size: int
    """Images per timed batch."""
    batches: int
    """Number of timed batches."""

    def __add__(self, other: "Cost") -> "Cost":
        """The cost of two stages one after the other, such as a backbone and its head."""
        return Cost(
            self.model_bytes + other.model_bytes,
            self.inference_s + other.inference_s,
            min(self.batch_size, other.batch_size),
            min(self.batches, other.batches),
        )

    def figures(self) -> dict[str, float | int]:
        """The values under the names that a phase reports."""
        return {
            "model_bytes": self.model_bytes,
            "inference_s": self.inference_s,
            "inference_batch_size": self.batch_size,
            "inference_batches": self.batches,
        }


class BatchTimer:
    """Times the batches of a prediction.

    Only batches of the largest size count, and not the first of them: it traces, compiles and fills caches.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Time by a clock that returns seconds."""
        self.clock = clock
        self._seconds: dict[int, list[float]] = defaultdict(list)

    @contextmanager
    def batch(self, images: int) -> Iterator[None]:
        """Time the block, which predicts `images` images; the result must be on the host at its end."""
        began = self.clock()
        yield
        self._seconds[images].append(self.clock() - began)

    @property
    def wants_more(self) -> bool:
        """Whether too few batches are timed yet; slow batches need no repetition."""
        counted = self._counted()
        return not counted or (len(counted) < LEAST_BATCHES and sum(counted) < REPEAT_BUDGET_S)

    def cost(self, model_bytes: int) -> Cost:
        """The cost of a model of this size, with the median over the batches that count."""
        size, counted = max(self._seconds), self._counted()
        return Cost(model_bytes, statistics.median(counted) / size, size, len(counted))

    def _counted(self) -> list[float]:
        return self._seconds[max(self._seconds)][1:] if self._seconds else []
