"""95 % intervals: of shares, among images with or without a common source, and of means of replicates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An interval and how it was computed."""

    low: float
    high: float
    method: str
    """`wilson`, `cluster-bootstrap`, `t` or `mover`."""


def wilson(right: float, total: float, continuity: bool = False) -> Interval:
    """Interval of a share of independent images (Wilson, J Am Stat Assoc 1927).

    Args:
        right: Number of images that are right.
        total: Number of all images, 1 or more.
        continuity: Correct for continuity (Newcombe, Stat Med 1998, method 4): it then covers 95 % for nearly every
            share, not only on average.
    """
    from scipy.special import ndtri

    z2 = float(ndtri((1 + CONFIDENCE) / 2)) ** 2
    share = right / total
    if continuity:
        ends = []
        for side in (-1, 1):  # where the normal approximation, half an image farther out, is at its bound
            inside = z2 + 2 * side - 1 / total + 4 * share * (total * (1 - share) - side)
            half = 1 + math.sqrt(max(0.0, z2 * inside))
            ends.append((2 * total * share + z2 + side * half) / (2 * (total + z2)))
        return Interval(
            0.0 if right == 0 else max(0.0, ends[0]), 1.0 if right == total else min(1.0, ends[1]), "wilson"
        )
    center = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = math.sqrt(z2 * (share * (1 - share) / total + z2 / (4 * total**2))) / (1 + z2 / total)
    # Rounding must not exclude the share itself.
    return Interval(max(0.0, min(share, center - half)), min(1.0, max(share, center + half)), "wilson")


def cluster_bootstrap(right: ArrayLike, total: ArrayLike, seed: int = 0) -> Interval:
    """Interval of a share among images of which several have the same source.

    Whole sources are resampled with replacement. The quantiles are expanded for the number of sources
    (Hesterberg, Am Stat 2015, section 3.2), because the plain ones are too narrow for few sources. If all
    sources have the same share, no resample differs. Then the interval is Wilson's with each source counted
    once.

    In simulations with eleven images per source and 10 to 40 sources, the interval contained the truth in 89
    to 96 % of the cases for shares of 0.5 and 0.8. For shares of 0.95 it was about 85 %.

    Args:
        right: Images of each source that are right; shape (sources,).
        total: Images of each source, 1 or more; shape (sources,).
        seed: Of the resampling.
    """
    from scipy.special import ndtr, stdtrit

    right, total = np.asarray(right, np.float64), np.asarray(total, np.float64)
    sources, share = len(total), float(right.sum() / total.sum())
    if (right / total == share).all():
        agreed = wilson(share * sources, sources)
        return Interval(agreed.low, agreed.high, "cluster-bootstrap")
    draws = np.random.default_rng(seed).integers(0, sources, (RESAMPLES, sources))
    shares = right[draws].sum(axis=1) / total[draws].sum(axis=1)
    tail = ndtr(math.sqrt(sources / (sources - 1)) * stdtrit(sources - 1, (1 - CONFIDENCE) / 2))
    low, high = np.quantile(shares, [tail, 1 - tail])
    return Interval(float(low), float(high), "cluster-bootstrap")


def share_interval(
    right: NDArray[np.bool_], sources: Sequence[str] | NDArray[Any], seed: int = 0
) -> Interval:
    """Interval of a share: by source if images have a common one, otherwise Wilson's.

    Args:
        right: Whether each image is right; shape (n,), n 1 or more.
        sources: The source of each image; shape (n,).
        seed: Of the resampling.
    """
    _, source = np.unique(np.asarray(sources, dtype=object).astype(str), return_inverse=True)
    total = np.bincount(source)
    if (total == 1).all():
        return wilson(int(right.sum()), len(right))
    return cluster_bootstrap(np.bincount(source, weights=right), total, seed)


def shared_training(folds: int) -> float:
    """Images that are tested per image that is trained on, in each of `folds` folds; see `t_interval`.

    A fifth of what is not tested is the validation.
    """
    return 1 / (0.8 * (folds - 1))


def t_interval(values: Sequence[float], shared: float = 0.0) -> Interval | None:
    """Interval of the mean of replicates, by Student's t; None for fewer than two.

    It says where the mean over further seeds would be. Replicates with different splits share images, so for
    them it is somewhat too narrow. Folds are corrected for that (the corrected resampled t of Nadeau and
    Bengio, Machine Learning 2003).

    Args:
        values: One for each replicate.
        shared: Of folds, see `shared_training`; 0 for other replicates.
    """
    from scipy.special import stdtrit

    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) * math.sqrt(1 / len(values) + shared)
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean - half, mean + half, "t")


Share = tuple[float, float, float]
"""A share with the lower and the upper bound of its interval."""


def mean_interval(shares: Sequence[Share]) -> Interval:
    """Interval of the mean of independent shares, such as the accuracies of classes, from their intervals.

    It recovers variances from the distances of bounds (MOVER; Zou and Donner, Stat Med 2008).

    Args:
        shares: One or more.
    """
    mean = sum(share for share, _, _ in shares) / len(shares)
    below = math.sqrt(sum((share - low) ** 2 for share, low, _ in shares)) / len(shares)
    above = math.sqrt(sum((high - share) ** 2 for share, _, high in shares)) / len(shares)
    return Interval(max(0.0, mean - below), min(1.0, mean + above), "mover")


def difference_interval(first: Share, second: Share) -> Interval:
    """Interval of `first - second`, two independent shares, by MOVER (Newcombe's method 10, Stat Med 1998)."""
    difference = first[0] - second[0]
    below = math.hypot(first[0] - first[1], second[2] - second[0])
    above = math.hypot(first[2] - first[0], second[0] - second[1])
    return Interval(max(-1.0, difference - below), min(1.0, difference + above), "mover")
