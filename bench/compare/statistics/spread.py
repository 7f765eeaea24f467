"""How much a figure varies from pair to pair, with what other trials and A against A say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALONE = 2.0
"""Degrees of freedom that a single group is worth to another one."""

NOTHING = 1e-12
"""Variances below it are rounding: figures that do not vary at all say nothing of those that do."""


@dataclass(frozen=True)
class Spread:
    """What is known of a variance before a trial is looked at.

    Attributes:
        variance: Of differences between the sides of a pair.
        degrees: How much that is worth, in degrees of freedom; 0 for nothing.
    """

    variance: float = 0.0
    degrees: float = 0.0

    def with_noise(self, values: np.ndarray) -> "Spread":
        """Moderated by the trial's own A against A, whose mean is known to be nothing.

        Args:
            values: Shape (n,); may be empty.
        """
        degrees = self.degrees + len(values)
        if not degrees or not len(values):
            return self
        squares = float(np.square(values).sum())
        return Spread((self.degrees * self.variance + squares) / degrees, degrees)

    def with_sample(self, values: np.ndarray) -> "Spread":
        """Moderated by a trial's own values: the mean of both variances, weighted by their degrees.

        Args:
            values: Shape (n,), n 1 or more.
        """
        own = len(values) - 1
        degrees = self.degrees + own
        if degrees == 0:
            return Spread()
        squares = float(np.var(values, ddof=1)) * own if own else 0.0
        return Spread((self.degrees * self.variance + squares) / degrees, degrees)


def common_spread(
    groups: Sequence[np.ndarray],
    noise: Sequence[np.ndarray] = (),
    most: float = 40.0,
    alone: float = ALONE,
) -> Spread:
    """What groups of differences say of the variance of another one (Smyth, Stat Appl Genet Mol 2004).

    Variances of groups are taken as draws around a common one; the more alike they are, the more it is
    worth. So trials with few pairs borrow from others, and where trials differ widely they borrow little.

    Args:
        groups: Differences (log ratios, points), a group a trial; groups of fewer than two are left out.
        noise: Differences of A against A, whose mean is known to be nothing: one is enough.
        most: Degrees of freedom that it is never worth more than: noise of a machine changes.
        alone: Degrees of freedom that a single group is worth at most.
    """
    from scipy.special import digamma, polygamma

    known = [(float(np.var(group, ddof=1)), len(group) - 1) for group in groups if len(group) > 1]
    known += [(float(np.mean(np.square(group))), len(group)) for group in noise if len(group)]
    known = [(variance, degrees) for variance, degrees in known if variance > NOTHING]
    if not known:
        return Spread()
    variances, degrees = (np.array(column, float) for column in zip(*known, strict=True))
    if len(known) == 1:
        # Another trial's noise may be several times as large: one group is worth little.
        return Spread(float(variances[0]), min(alone, float(degrees[0])))
    logs = np.log(variances) - digamma(degrees / 2) + np.log(degrees / 2)
    excess = float(np.var(logs, ddof=1) - polygamma(1, degrees / 2).mean())
    worth = min(most, float(degrees.sum()))
    if excess > 0:
        worth = min(worth, 2 * _trigamma_inverse(excess))
    half = worth / 2
    return Spread(float(np.exp(logs.mean() + digamma(half) - np.log(half))), worth)


def _trigamma_inverse(value: float) -> float:
    """Newton's method on 1 / trigamma, which is convex and nearly linear (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-8 * x:
            break
    return x
