"""Intervals of means and differences of shares, from the intervals of their parts.

The method of variance estimates recovery (Zou and Donner, Stat Med 2008): each bound of a sum is as far from
it as the distances of the parts' bounds, squared and added, say.
"""

import math
from collections.abc import Sequence

from wbc.evaluation.intervals import Interval

Share = tuple[float, float, float]
"""A share with the lower and the upper bound of its interval."""


def mean_interval(shares: Sequence[Share]) -> Interval:
    """Interval of the mean of independent shares, such as the accuracies of classes.

    Args:
        shares: One or more.
    """
    mean = sum(share for share, _, _ in shares) / len(shares)
    below = math.sqrt(sum((share - low) ** 2 for share, low, _ in shares)) / len(shares)
    above = math.sqrt(sum((high - share) ** 2 for share, _, high in shares)) / len(shares)
    return Interval(max(0.0, mean - below), min(1.0, mean + above), "mover")


def difference_interval(first: Share, second: Share) -> Interval:
    """Interval of `first - second`, two independent shares (Newcombe's tenth method, Stat Med 1998)."""
    difference = first[0] - second[0]
    below = math.hypot(first[0] - first[1], second[2] - second[0])
    above = math.hypot(first[2] - first[0], second[0] - second[1])
    return Interval(max(-1.0, difference - below), min(1.0, difference + above), "mover")
