"""What a classifier costs those who use it: bytes to keep and time an image."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LEAST_BATCHES = 3
REPEAT_BUDGET_S = 1.0


@dataclass(frozen=True)
class Cost:
    """What it takes to keep and use a trained classifier.

    Attributes:
        model_bytes: Bytes of its weights in float32, those of a frozen backbone included; with scikit-learn
            bytes of the pickled pipeline.
        inference_s: Seconds an image from uint8 pixels to probabilities: median over the timed batches, each
            divided by its images.
        batch_size: Images a timed batch.
        batches: How many were timed.
    """

    model_bytes: int
    inference_s: float
    batch_size: int
    batches: int

    def __add__(self, other: "Cost") -> "Cost":
        """Of two stages one after the other, such as a backbone and its head."""
        return Cost(
            self.model_bytes + other.model_bytes,
            self.inference_s + other.inference_s,
            min(self.batch_size, other.batch_size),
            min(self.batches, other.batches),
        )

    def figures(self) -> dict[str, float | int]:
        """As a phase reports them."""
        return {
            "model_bytes": self.model_bytes,
            "inference_s": self.inference_s,
            "inference_batch_size": self.batch_size,
            "inference_batches": self.batches,
        }


class BatchTimer:
    """Times batches of a prediction.

    Only batches of the largest size count, and not the first of them: it traces, compiles and fills caches.

    Args:
        clock: In seconds.
    """

    def __init__(self, clock=time.perf_counter):
        self.clock = clock
        self._seconds: dict[int, list[float]] = defaultdict(list)

    @contextmanager
    def batch(self, images: int) -> Iterator[None]:
        """Time what happens within it; the result must be on the host before it ends."""
        began = self.clock()
        yield
        self._seconds[images].append(self.clock() - began)

    @property
    def wants_more(self) -> bool:
        """Whether too few batches are timed yet; slow ones need no company."""
        counted = self._counted()
        return not counted or (len(counted) < LEAST_BATCHES and sum(counted) < REPEAT_BUDGET_S)

    def cost(self, model_bytes: int) -> Cost:
        """The median over the batches that count."""
        size, counted = max(self._seconds), self._counted()
        return Cost(model_bytes, statistics.median(counted) / size, size, len(counted))

    def _counted(self) -> list[float]:
        return self._seconds[max(self._seconds)][1:] if self._seconds else []
