"""What a verdict is judged by: sizes that count, and error rates over many hypotheses and several looks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

Dimension = Literal["speed", "memory"]
"""What a metric is about; each has a verdict of its own."""

WORSE_SHARE, BETTER_SHARE = 0.8, 0.2
"""Shares of an error rate that changes for the worse and for the better may spend. A comparison is made to find the
first."""

FIRST_LOOK = 0.8
"""Share of the error rate that the first look at learning may spend; later looks share the rest."""


@dataclass(frozen=True)
class Thresholds:
    """Sizes that count, and errors that are allowed."""

    change: float = 0.05
    """Smallest change of a time or of memory that counts, as a share."""
    margin: float = 0.02
    """Accuracies that differ by less are equivalent, as a share: 0.02 is two points."""
    loss_margin: float = 0.05
    """Test losses that differ by less are equivalent, in nats. A difference of 0.05 is 5 % in the probability
    of the true class, as a geometric mean over images."""
    alpha_speed: float = 0.03
    """Rate of false alarms (slower or faster) of a whole comparison: over all trials, metrics and looks."""
    alpha_memory: float = 0.01
    """The same of memory: larger or smaller."""
    alpha_learning: float = 0.01
    """The same of learning: worse or better."""
    alpha_same: float = 0.05
    """How often a trial is called the same, at any look, that truly changed by as much as counts."""
    effect: float = 0.10
    """The smallest effect that the number of pairs is planned to find, as a share."""
    power: float = 0.9
    """How often that effect is found."""
    look: int = 1
    """Number of this look at what was learned, from 1. Speed and memory may be looked at after every pair."""

    @property
    def alpha(self) -> float:
        """Rate of false alarms of a whole comparison, everything together."""
        return self.alpha_speed + self.alpha_memory + self.alpha_learning

    @property
    def alpha_now(self) -> float:
        """The error rate that this look at learning may spend."""
        return alpha_at(self.look, self.alpha_learning)

    @property
    def alpha_same_now(self) -> float:
        """How often this look at learning may take a difference of the margin for none."""
        return alpha_at(self.look, self.alpha_same)

    def bar(self, dimension: Dimension, trials: int, worse: bool = True) -> float:
        """Evidence that shows a change, for the worse or for the better, where so many trials are judged."""
        alpha = self.alpha_speed if dimension == "speed" else self.alpha_memory
        return max(1, trials) / (alpha * (WORSE_SHARE if worse else BETTER_SHARE))

    @property
    def bar_same(self) -> float:
        """Evidence from which on it is shown that a change is smaller than one that counts, in one direction."""
        return 1 / self.alpha_same

    def plain(self) -> dict[str, float]:
        """As plain values, for the outputs."""
        return {**asdict(self), "alpha": round(self.alpha, 9), "alpha_now": self.alpha_now}


def alpha_at(look: int, alpha: float) -> float:
    """The error rate that the n-th look at growing data may spend.

    The first look gets four fifths, each later one half of what is left. All looks together stay below
    `alpha`, whatever the test and however many looks there are (Bonferroni).

    Args:
        look: Counted from 1.
        alpha: Error rate of all looks together.
    """
    if look == 1:
        return FIRST_LOOK * alpha
    return float(np.ldexp((1 - FIRST_LOOK) * alpha, 1 - look))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted for many hypotheses (Holm, Scand J Statist 1979).

    Rejecting those below alpha keeps the error rate of the whole family below alpha.

    Args:
        p_values: One for each hypothesis; None where nothing was tested, which is no hypothesis.
    """
    known = sorted((p, number) for number, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, number) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[number] = largest
    return adjusted
