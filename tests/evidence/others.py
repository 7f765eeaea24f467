"""How others judge the same runs: the rules of asv and pyperf, written anew from what they do.

None knows pairs, several trials at once or a wanted power; all take the runs of both sides as two samples.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

ASV_P = 0.002
ASV_FACTOR = 1.1


@dataclass(frozen=True)
class Judged:
    """What a rule says of two samples.

    Attributes:
        ratio: Candidate / baseline of what the rule calls typical.
        significant: Whether it takes the difference for real.
    """

    ratio: float
    significant: bool


def asv(baseline: np.ndarray, candidate: np.ndarray) -> Judged:
    """asv compare: Mann-Whitney at 0.002 where the samples can reach that, else intervals that don't touch.

    Of asv's fallback only the idea is kept: pessimistic intervals, here the ranges of both samples.
    """
    ratio = float(np.median(candidate) / np.median(baseline))
    smallest = 2 / math.comb(len(baseline) + len(candidate), len(baseline))
    if smallest < ASV_P:
        method = "exact" if len(baseline) <= 20 else "asymptotic"
        p = stats.mannwhitneyu(baseline, candidate, alternative="two-sided", method=method).pvalue
        return Judged(ratio, bool(p < ASV_P))
    apart = candidate.min() > baseline.max() or candidate.max() < baseline.min()
    return Judged(ratio, bool(apart))


def pyperf(baseline: np.ndarray, candidate: np.ndarray) -> Judged:
    """pyperf compare_to: Student's t test of two samples at 5 %."""
    p = stats.ttest_ind(baseline, candidate).pvalue
    return Judged(float(candidate.mean() / baseline.mean()), bool(p < 0.05))


def overlap(baseline: np.ndarray, candidate: np.ndarray) -> Judged:
    """95 % intervals of both means that do not overlap, as people read them off a table or a plot."""
    bounds = []
    for sample in (baseline, candidate):
        half = stats.sem(sample) * stats.t.ppf(0.975, len(sample) - 1)
        bounds.append((sample.mean() - half, sample.mean() + half))
    apart = bounds[0][1] < bounds[1][0] or bounds[1][1] < bounds[0][0]
    return Judged(float(candidate.mean() / baseline.mean()), bool(apart))
