"""The ratio of paired runs: estimate, interval, test. Everything is done on logarithms."""

import math
from dataclasses import dataclass

import numpy as np

from bench.compare.statistics.spread import Spread

BOOTSTRAP_FROM = 6
"""Pairs from which on the bootstrap holds its 95 %; below, Student's t with moderated variance."""
RESAMPLES, RESAMPLES_OF_MANY, MANY = 1999, 499, 60
"""Draws of the bootstrap, and from how many pairs on they are fewer: a draw of n pairs has n² / 2 means."""
EXACT = 50
"""Pairs up to which the signed-rank test is exact where no two differences are equal."""


@dataclass(frozen=True)
class Bounds:
    """An interval; both None where no interval can be had."""

    low: float | None
    high: float | None

    def within(self, low: float, high: float) -> bool:
        """Whether all of it lies inside."""
        return self.low is not None and self.high is not None and low < self.low and self.high < high


def estimate(logs: np.ndarray) -> np.ndarray:
    """Location of log ratios along the last axis.

    The mean below `BOOTSTRAP_FROM`; from there on the median of the means of all pairs of values (Hodges and
    Lehmann, Ann Math Stat 1963): nearly as good as the mean under normal noise, and unlike it not carried
    away by a machine that is at half speed in some of the runs.
    """
    n = logs.shape[-1]
    if n < BOOTSTRAP_FROM:
        return logs.mean(axis=-1)
    i, j = np.triu_indices(n)
    return np.median((logs[..., i] + logs[..., j]) / 2, axis=-1)


def intervals(
    logs: np.ndarray, spread: Spread, levels: tuple[float, ...] = (0.95, 0.9), seed: int = 0
) -> list[Bounds]:
    """Intervals of `estimate`, one a level.

    From `BOOTSTRAP_FROM` pairs on bootstrap percentiles, expanded for the number of pairs (Hesterberg, Am
    Stat 2015, section 3.2), because plain and BCa ones are too narrow for so few. Below, Student's t with
    the moderated variance. docs/regression.md has the coverage of both.

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
        centre, error = float(logs.mean()), math.sqrt(moderated.variance / n)
        halves = [float(stdtrit(moderated.degrees, (1 + level) / 2)) * error for level in levels]
        return [Bounds(centre - half, centre + half) for half in halves]
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
    """Pairs from which on the signed-rank test can reach a level though a few differences speak against it.

    With n pairs its smallest p value is 2^(1-n). Five pairs more than that takes, it finds as much as the t
    test does under normal noise; fewer, and it is too coarse.
    """
    return 5 + math.ceil(-math.log2(level))


def p_value(logs: np.ndarray, spread: Spread, level: float) -> float:
    """Two-sided p value against no change.

    Wilcoxon's signed-rank test where there are enough pairs for it to reach the level; it needs nothing of
    the noise but symmetry, which pairs have whose order is exchanged. Below, the t test with moderated
    variance; under heavy tails it errs on the side of silence. Which of the two is chosen depends on the
    number of pairs alone, never on their values.

    Args:
        logs: Shape (n,), n 2 or more.
        spread: What is known of their variance from elsewhere.
        level: The smallest level that is asked for: alpha / hypotheses.
    """
    n, centre = len(logs), float(logs.mean())
    if n >= rank_test_from(level):
        return _signed_rank(logs)
    if centre == 0:
        return 1.0
    from scipy.special import stdtr

    moderated = spread.with_sample(logs)
    if moderated.variance == 0:
        return 0.0
    return 2 * float(stdtr(moderated.degrees, -abs(centre) / math.sqrt(moderated.variance / n)))


def test_name(n: int, level: float) -> str:
    """Which test `p_value` takes for n pairs."""
    return "Wilcoxon signed-rank" if n >= rank_test_from(level) else "t, variance moderated"


def _signed_rank(logs: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    some = logs[logs != 0]
    if not len(some):
        return 1.0
    tied = len(np.unique(np.abs(some))) < len(some)
    return float(wilcoxon(some, method="approx" if tied or len(some) > EXACT else "exact").pvalue)
