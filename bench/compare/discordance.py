"""The same images, predicted by two networks: which one is right where the other is wrong.

Pure functions of arrays; seeds of random draws are arguments.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIGN_FLIPS = 4999

MANY, LARGEST = 100, 0.05
"""From `MANY` terms on their sum counts as normal, if none has more than this share of its variance."""


@dataclass(frozen=True)
class Clusters:
    """Images joined by source. Images of one source tend to be right or wrong together, so they are one draw."""

    difference: Floats
    """Sum over the images of each source of candidate less baseline; shape (sources,)."""
    size: NDArray[np.int64]
    """Images of each source; shape (sources,)."""

    @classmethod
    def of(cls, difference: Floats, sources: Sequence[str]) -> "Clusters":
        """Join images.

        Args:
            difference: Candidate less baseline of each image; shape (n,).
            sources: The source of each.
        """
        _, number = np.unique(np.asarray(sources, dtype=object).astype(str), return_inverse=True)
        return cls(np.bincount(number, weights=difference).astype(float), np.bincount(number))

    @property
    def images(self) -> int:
        """All images."""
        return int(self.size.sum())

    @property
    def mean(self) -> float:
        """Difference of the means over images."""
        return float(self.difference.sum() / self.images)

    def error(self, resolution: float = 1.0) -> float:
        """Standard error of `mean`, robust to what images of a source have in common.

        Half a source in favor of either side is added, as Agresti and Min (Stat Med 2005) add half an image
        to the discordant counts: no discordant image among few is no proof of equality.

        Args:
            resolution: What one image can differ by: 1 for right or wrong, 0 for continuous metrics.
        """
        typical = self.images / len(self.size) * resolution
        added = 2 if resolution else 0
        residuals = self.difference - self.mean * self.size
        scale = len(self.size) / max(1, len(self.size) - 1) if (self.size > 1).any() else 1.0
        total = self.images + added * self.images / len(self.size)
        return math.sqrt(scale * float(residuals @ residuals) + typical**2) / total

    def interval(self, confidence: float, resolution: float = 1.0) -> tuple[float, float]:
        """Interval of `mean` by Student's t, with one degree of freedom less than there are sources."""
        from scipy.special import stdtrit

        half = float(stdtrit(max(1, len(self.size) - 1), (1 + confidence) / 2)) * self.error(resolution)
        return self.mean - half, self.mean + half


def mcnemar(only_baseline: int, only_candidate: int) -> float:
    """Exact two-sided p value of McNemar's test (Psychometrika 1947): discordant images as coin flips.

    Args:
        only_baseline: Images that the baseline alone predicts right.
        only_candidate: Images that the candidate alone predicts right.
    """
    from scipy.stats import binomtest

    discordant = only_baseline + only_candidate
    return float(binomtest(only_candidate, discordant).pvalue) if discordant else 1.0


def sign_flip(values: Floats, seed: int = 0) -> float:
    """Two-sided p value of a sum whose terms have either sign with equal probability (Fisher's randomization).

    With terms of -1, 0 and 1 it is McNemar's test. Up to 12 terms all signs are tried. With more there are
    `SIGN_FLIPS` draws and the observed one. From `MANY` terms on the sum counts as normal.

    Args:
        values: Sum over the images of each source; shape (sources,).
        seed: Of the draws.
    """
    values = np.asarray(values, float)
    values = values[values != 0]
    if not len(values):
        return 1.0
    observed = abs(values.sum()) - 1e-9
    if len(values) <= 12:
        signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
        return float((np.abs(signs @ values) >= observed).mean())
    squares = values**2
    if len(values) >= MANY and squares.max() <= LARGEST * squares.sum():
        from scipy.special import ndtr

        return 2 * float(ndtr(-observed / math.sqrt(squares.sum())))
    rng = np.random.default_rng(seed)
    hits = 0
    for start in range(0, SIGN_FLIPS, 500):
        flips = rng.choice((-1.0, 1.0), (min(500, SIGN_FLIPS - start), len(values)))
        hits += int((np.abs(flips @ values) >= observed).sum())
    return (hits + 1) / (SIGN_FLIPS + 1)


def images_needed(clusters: Clusters, margin: float, resolution: float = 1.0, power: float = 0.8) -> int:
    """Test images with which two equal sides would be found equivalent, at this rate of discordance.

    Args:
        clusters: What was seen.
        margin: Smaller differences are equivalent.
        resolution: See `Clusters.error`.
        power: How often equivalence would be found.
    """
    from scipy.special import ndtri

    variance = clusters.error(resolution) ** 2 * clusters.images
    # Two one-sided tests at 5 %; either may fail.
    reach = float(ndtri(0.95) + ndtri((1 + power) / 2))
    return math.ceil(variance * (reach / margin) ** 2)
