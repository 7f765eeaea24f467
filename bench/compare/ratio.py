"""The ratio of paired runs: its variance, estimate, interval, test and power. All on logarithms.

Pure functions of arrays; seeds of random draws are arguments.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.compare.thresholds import Thresholds

Floats = NDArray[np.float64]

ALONE = 2.0
"""Degrees of freedom that a single group is worth to another one."""

NOTHING = 1e-12
"""Smaller variances are rounding: metrics that do not vary at all say nothing about others."""

BOOTSTRAP_FROM = 6
"""From so many pairs on the bootstrap holds its 95 %. With fewer, Student's t with moderated variance does."""

RESAMPLES, RESAMPLES_OF_MANY, MANY = 1999, 499, 60
"""Draws of the bootstrap; fewer from `MANY` pairs on, because a draw of n pairs has n² / 2 means."""

EXACT = 50
"""Up to so many pairs the signed-rank test is exact, unless two differences are equal."""

CAUTION = 0.2
"""Pairs are planned for a variance that the true one exceeds with this probability."""


@dataclass(frozen=True)
class Spread:
    """What is known of a variance before a trial is looked at."""

    variance: float = 0.0
    """Of the differences between the two sides of a pair."""
    degrees: float = 0.0
    """What that knowledge is worth, in degrees of freedom; 0 for nothing."""

    def with_noise(self, values: Floats) -> "Spread":
        """Moderated by the trial's own pairs of A against A, whose true mean is 0.

        Args:
            values: Shape (n,); may be empty.
        """
        degrees = self.degrees + len(values)
        if not degrees or not len(values):
            return self
        squares = float(np.square(values).sum())
        return Spread((self.degrees * self.variance + squares) / degrees, degrees)

    def with_sample(self, values: Floats) -> "Spread":
        """Moderated by a trial's own values: the mean of both variances, weighted by their degrees.

        Args:
            values: Shape (n,), n at least 1.
        """
        own = len(values) - 1
        degrees = self.degrees + own
        if degrees == 0:
            return Spread()
        squares = float(np.var(values, ddof=1)) * own if own else 0.0
        return Spread((self.degrees * self.variance + squares) / degrees, degrees)


def common_spread(
    groups: Sequence[Floats],
    noise: Sequence[Floats] = (),
    most: float = 40.0,
    alone: float = ALONE,
) -> Spread:
    """What groups of differences say about the variance of another group (Smyth, Stat Appl Genet Mol 2004).

    The variances of groups are taken as draws around a common one. The more alike they are, the more it is
    worth: trials with few pairs borrow from others, and little where trials differ widely.

    Args:
        groups: Differences (log ratios, points), one group for each trial; groups of one are left out.
        noise: Differences of A against A; their true mean is 0, so one value is enough.
        most: Most degrees of freedom that the result is worth, because the noise of a machine changes.
        alone: Most degrees of freedom that a single group is worth.
    """
    from scipy.special import digamma, polygamma

    known = [(float(np.var(group, ddof=1)), len(group) - 1) for group in groups if len(group) > 1]
    known += [(float(np.mean(np.square(group))), len(group)) for group in noise if len(group)]
    known = [(variance, degrees) for variance, degrees in known if variance > NOTHING]
    if not known:
        return Spread()
    variances, degrees = (np.array(column, float) for column in zip(*known, strict=True))
    if len(known) == 1:
        # The noise of another trial may be several times as large, so one group is worth little.
        return Spread(float(variances[0]), min(alone, float(degrees[0])))
    logs = np.log(variances) - digamma(degrees / 2) + np.log(degrees / 2)
    excess = float(np.var(logs, ddof=1) - polygamma(1, degrees / 2).mean())
    worth = min(most, float(degrees.sum()))
    if excess > 0:
        worth = min(worth, 2 * _trigamma_inverse(excess))
    half = worth / 2
    return Spread(float(np.exp(logs.mean() + digamma(half) - np.log(half))), worth)


@dataclass(frozen=True)
class Bounds:
    """An interval; both bounds are None where there is no interval."""

    low: float | None
    high: float | None

    def within(self, low: float, high: float) -> bool:
        """Whether all of it lies inside."""
        return self.low is not None and self.high is not None and low < self.low and self.high < high


def estimate(logs: Floats) -> Any:
    """Location of log ratios along the last axis.

    Below `BOOTSTRAP_FROM` values the mean, from there on the median of the means of all pairs of values
    (Hodges and Lehmann, Ann Math Stat 1963). That is nearly as good as the mean under normal noise, and
    robust where a machine ran at half speed in some of the runs.

    Args:
        logs: Shape (..., n).

    Returns:
        An array of shape (...).
    """
    n = logs.shape[-1]
    if n < BOOTSTRAP_FROM:
        return logs.mean(axis=-1)
    i, j = np.triu_indices(n)
    return np.median((logs[..., i] + logs[..., j]) / 2, axis=-1)


def intervals(
    logs: Floats, spread: Spread, levels: tuple[float, ...] = (0.95, 0.9), seed: int = 0
) -> list[Bounds]:
    """Intervals of `estimate`, one for each level.

    From `BOOTSTRAP_FROM` pairs on they are bootstrap percentiles, widened for the number of pairs (Hesterberg,
    Am Stat 2015, section 3.2). Plain and BCa intervals are too narrow for so few. With fewer pairs
    they are Student's t with the moderated variance. docs/verdicts.md reports the coverage of both.

    Args:
        logs: Shape (n,).
        spread: What is known of their variance from elsewhere.
        levels: Confidence of each interval.
        seed: Of the bootstrap's draws.
    """
    from scipy.special import ndtr, stdtrit

    n = len(logs)
    if np.ptp(logs) == 0 and n > 1 and not spread.degrees:
        return [Bounds(float(logs[0]), float(logs[0]))] * len(levels)
    if n < BOOTSTRAP_FROM:
        moderated = spread.with_sample(logs)
        if not moderated.degrees:
            return [Bounds(None, None)] * len(levels)
        center, error = float(logs.mean()), math.sqrt(moderated.variance / n)
        halves = [float(stdtrit(moderated.degrees, (1 + level) / 2)) * error for level in levels]
        return [Bounds(center - half, center + half) for half in halves]
    from scipy.stats import bootstrap

    drawn = bootstrap(
        (logs,),
        lambda values, axis: estimate(np.moveaxis(values, axis, -1)),
        n_resamples=RESAMPLES if n <= MANY else RESAMPLES_OF_MANY,
        method="percentile",
        vectorized=True,
        batch=max(1, 2_000_000 // (n * (n + 1) // 2)),
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution
    bounds = []
    for level in levels:
        tail = ndtr(math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 - level) / 2))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        bounds.append(Bounds(float(low), float(high)))
    return bounds


def rank_test_from(level: float) -> int:
    """The number of pairs from which on the signed-rank test can reach a level.

    Its smallest p value with n pairs is 2^(1-n). With five pairs more than that takes, it tolerates a few
    contrary differences and finds as much as the t test does under normal noise. With fewer it is too coarse.
    """
    return 5 + math.ceil(-math.log2(level))


def p_value(logs: Floats, spread: Spread, level: float) -> float:
    """Two-sided p value of the hypothesis that nothing changed.

    Wilcoxon's signed-rank test where there are enough pairs for it to reach the level. It assumes symmetric
    noise only, which pairs have because their order alternates. With fewer pairs the t test with moderated
    variance, which under heavy tails finds less. The number of pairs alone chooses the test, never their
    values.

    Args:
        logs: Shape (n,), n at least 2.
        spread: What is known of their variance from elsewhere.
        level: The smallest level that matters: alpha / number of hypotheses.
    """
    n, center = len(logs), float(logs.mean())
    if n >= rank_test_from(level):
        return _signed_rank(logs)
    if center == 0:
        return 1.0
    from scipy.special import stdtr

    moderated = spread.with_sample(logs)
    if moderated.variance == 0:
        return 0.0
    return 2 * float(stdtr(moderated.degrees, -abs(center) / math.sqrt(moderated.variance / n)))


def test_name(n: int, level: float) -> str:
    """The test that `p_value` takes for n pairs."""
    return "Wilcoxon signed-rank" if n >= rank_test_from(level) else "t, variance moderated"


def pairs_needed(spread: Spread, tests: int, thresholds: Thresholds) -> int:
    """Pairs that find a change of `thresholds.effect` with `thresholds.power`, with some caution (`CAUTION`).

    Args:
        spread: Of log ratios of A against A.
        tests: Hypotheses that are judged together.
        thresholds: What they are judged by.
    """
    from scipy.special import chdtri

    cautious = spread
    if not math.isinf(spread.degrees):
        low = float(chdtri(spread.degrees, 1 - CAUTION))
        cautious = replace(spread, variance=spread.variance * spread.degrees / low)
    n = thresholds.minimum_pairs
    while detectable(cautious, n, tests, thresholds) > thresholds.effect and n < 100_000:
        n += 1 if n < 100 else n // 20
    return n


def detectable(spread: Spread, n: int, tests: int, thresholds: Thresholds) -> float:
    """The smallest change, as a share, that n pairs find with `thresholds.power`.

    It must be significant in the worst place of Holm's order, and be estimated as large as a change that
    counts.

    Args:
        spread: Of log ratios.
        n: Pairs.
        tests: Hypotheses that are judged together.
        thresholds: What they are judged by.
    """
    from scipy.special import ndtri, stdtrit

    level = thresholds.alpha_now / tests
    error = math.sqrt(spread.variance / n)
    if n >= rank_test_from(level):
        critical = -float(ndtri(level / 2))
        error *= math.sqrt(math.pi / 3)  # the signed-rank test's efficiency under normal noise
    else:
        critical = -float(stdtrit(n - 1 + spread.degrees, level / 2))
    needed = max(critical * error, math.log1p(thresholds.change)) + float(ndtri(thresholds.power)) * error
    return math.expm1(needed)


def _signed_rank(logs: Floats) -> float:
    from scipy.stats import wilcoxon

    some = logs[logs != 0]
    if not len(some):
        return 1.0
    tied = len(np.unique(np.abs(some))) < len(some)
    return float(wilcoxon(some, method="approx" if tied or len(some) > EXACT else "exact").pvalue)


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
