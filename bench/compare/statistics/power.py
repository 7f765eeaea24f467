"""How many pairs a change takes to be found, and which change so many pairs find."""

import math
from dataclasses import replace

from bench.compare.statistics.ratio import rank_test_from
from bench.compare.statistics.spread import Spread
from bench.compare.thresholds import Thresholds

CAUTION = 0.2
"""Repeats are planned for a noise that the true one exceeds in so many cases only."""


def repeats_needed(spread: Spread, tests: int, thresholds: Thresholds) -> int:
    """Pairs that find a change of `thresholds.effect` with `thresholds.power`, if noise is not far larger.

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

    It must be significant in the worst place of Holm's order, and look as large as a change that counts.

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
