"""A learning rate by a range test: some steps of training, each with a higher rate than the one before.

Smith: Cyclical Learning Rates for Training Neural Networks, 2017. While rates are too low the loss hardly falls,
then it falls, and where they are too high it rises again. A tenth of the rate with the lowest loss is taken.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

STEPS = 100
"""Steps of a range test at most; it ends when the loss rises steeply."""

LOWEST, HIGHEST = 1e-6, 1.0
"""The first and the last rate; each is by the same factor higher than the one before."""

BELOW = 10.0
"""The rate that is taken is by this factor lower than the one with the lowest loss."""

SMOOTHING = 0.8
"""Share of the earlier losses in the smoothed loss."""

RISEN = 2.0
"""The test ends where the smoothed loss is by this factor higher than at its best."""

_FEWEST = 10


def rates() -> list[float]:
    """The rates of all steps, in order."""
    return [float(rate) for rate in np.geomspace(LOWEST, HIGHEST, STEPS)]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Losses as a moving average that is not drawn towards zero at its beginning."""
    found, mean = [], 0.0
    for number, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**number))
    return found


def best_rate(curve: Sequence[tuple[float, float]]) -> float:
    """The rate that a range test suggests, to one digit.

    Args:
        curve: Rate and loss of each step, in order; at least one step.
    """
    means = smoothed([loss for _, loss in curve])
    # The first means rest on a step or two.
    first = min(_FEWEST, len(means) - 1)
    lowest = first + int(np.argmin(means[first:]))
    return float(f"{max(curve[lowest][0] / BELOW, LOWEST):.0e}")


class RangeTest(keras.callbacks.Callback):
    """Raises the rate before every step and keeps the loss of each; it ends training once the loss rises."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = rates()
        self.curve: list[tuple[float, float]] = []
        """Rate and loss of each step."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the step."""
        self.model.reset_metrics()  # the loss that follows is that of the step alone
        self.model.optimizer.learning_rate = self.rates[batch]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep its loss."""
        loss = float((logs or {})["loss"])
        if not np.isfinite(loss):
            self.model.stop_training = True
            return
        self.curve.append((self.rates[batch], loss))
        means = smoothed([one for _, one in self.curve])
        if batch >= _FEWEST and means[-1] > RISEN * min(means[_FEWEST // 2 :]):
            self.model.stop_training = True
