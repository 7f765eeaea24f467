"""A differential count: the share of every class among counted leukocytes, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wbc.evaluation.intervals import Share, wilson

RESAMPLES = 2000

_TAIL = 0.01
"""Share of the draws beyond each end. With few images, quantiles of draws cover less than they say: at 0.025, the
intervals of simulated counts covered 92 to 97 % (`tests/unit/test_predict.py`)."""


@dataclass(frozen=True)
class ClassCount:
    """A class of a differential count."""

    name: str
    count: int
    """Images that were predicted to be of it."""
    share: Share
    """Share of 1, with its 95 % interval by Wilson, corrected for continuity: what was counted."""
    corrected: Share | None
    """The same, corrected for the confusion of the classifier; None where that is not known."""


def differential_count(
    predicted: Sequence[int], classes: Sequence[str], confusion: Sequence[Sequence[int]] | None = None
) -> list[ClassCount]:
    """Count predictions by class.

    Args:
        predicted: Index of the class of every image; at least one.
        classes: Class names.
        confusion: Test images by true class (rows) and predicted class (columns); None if unknown.
    """
    counts = np.bincount(np.asarray(predicted), minlength=len(classes))
    total = int(counts.sum())
    corrected: list[Share | None] = [None] * len(classes)
    if confusion is not None and (matrix := np.asarray(confusion, np.float64)).sum(axis=1).all():
        corrected = [*_corrected(counts, matrix)]
    found = []
    for name, count, right in zip(classes, counts.tolist(), corrected, strict=True):
        interval = wilson(count, total, continuity=True)
        found.append(ClassCount(name, count, (count / total, interval.low, interval.high), right))
    return found


def _corrected(counts: NDArray[np.int64], confusion: NDArray[np.float64]) -> list[Share]:
    """Shares of the true classes (Rogan and Gladen, Am J Epidemiol 1978, for several classes).

    Predicted shares are true shares times the confusion matrix, whose rows are shares; this solves for the true
    ones. Its interval draws the counted images and the test images anew: those of every class with one added to
    each cell of its row in all, so that a matrix of few images is not taken for certain.
    """
    rng = np.random.default_rng(0)
    total = int(counts.sum())
    best = _solve((counts / total)[None], (confusion / confusion.sum(axis=1, keepdims=True))[None])[0]
    prior = 1 / len(counts)
    shares = rng.dirichlet(counts + prior, RESAMPLES)
    rows = np.stack([rng.dirichlet(row + prior, RESAMPLES) for row in confusion], axis=1)
    draws = _solve(shares, rows)
    lows, highs = np.quantile(draws, [_TAIL, 1 - _TAIL], axis=0)
    return [
        (float(share), float(min(low, share)), float(max(high, share)))
        for share, low, high in zip(best, lows, highs, strict=True)
    ]


def _solve(shares: NDArray[np.float64], confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The true shares that come nearest to explaining predicted ones; none is negative, their sum is 1.

    Args:
        shares: Predicted shares, shape (draws, classes).
        confusion: Shares of predicted classes (last axis) for each true class, shape (draws, classes, classes).
    """
    # An ill-conditioned matrix has no solution worth the name; the pseudoinverse gives the shortest.
    inverse = np.linalg.pinv(np.swapaxes(confusion, 1, 2), rcond=1e-6)
    solved = np.einsum("nij,nj->ni", inverse, shares)
    # The nearest point whose coordinates are not negative and add up to 1.
    falling = np.sort(solved, axis=1)[:, ::-1]
    surplus = (np.cumsum(falling, axis=1) - 1) / np.arange(1, solved.shape[1] + 1)
    last = (falling > surplus).sum(axis=1) - 1
    nearest: NDArray[np.float64] = np.maximum(solved - np.take_along_axis(surplus, last[:, None], 1), 0)
    return nearest
