"""The same images judged by two networks: who is right where the other is wrong."""

import math
from dataclasses import dataclass

import numpy as np

SIGN_FLIPS = 4999

MANY, LARGEST = 100, 0.05
"""Terms from which on their sum is normal, and the share of its variance that none may then have alone."""


@dataclass(frozen=True)
class Clusters:
    """Images joined by source cell: images of one are right or wrong together, so they count as one draw.

    Attributes:
        difference: Sum over the images of each source of candidate less baseline; shape (sources,).
        size: Images of each source.
    """

    difference: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, difference: np.ndarray, sources) -> "Clusters":
        """Join images.

        Args:
            difference: Candidate less baseline of each image; shape (n,).
            sources: The source of each.
        """
        _, number = np.unique(np.asarray(sources, dtype=object).astype(str), return_inverse=True)
        return cls(np.bincount(number, weights=difference), np.bincount(number))

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

        Half a source that speaks for either side is added, as Agresti and Min (Stat Med 2005) add half an
        image to the discordant cells: no discordant image at all among few is no proof of equality.

        Args:
            resolution: What one image can differ by; 1 for right or wrong, 0 for figures that are continuous.
        """
        typical = self.images / len(self.size) * resolution
        added = 2 if resolution else 0
        residuals = self.difference - self.mean * self.size
        scale = len(self.size) / max(1, len(self.size) - 1) if (self.size > 1).any() else 1.0
        total = self.images + added * self.images / len(self.size)
        return math.sqrt(scale * float(residuals @ residuals) + typical**2) / total

    def interval(self, confidence: float, resolution: float = 1.0) -> tuple[float, float]:
        """Interval of `mean`; Student's t with a degree of freedom less than there are sources."""
        from scipy.special import stdtrit

        half = float(stdtrit(max(1, len(self.size) - 1), (1 + confidence) / 2)) * self.error(resolution)
        return self.mean - half, self.mean + half


def mcnemar(only_baseline: int, only_candidate: int) -> float:
    """Exact two-sided p of McNemar's test (Psychometrika 1947): discordant images as coin flips.

    Args:
        only_baseline: Images that the baseline alone has right.
        only_candidate: Images that the candidate alone has right.
    """
    from scipy.stats import binomtest

    discordant = only_baseline + only_candidate
    return float(binomtest(only_candidate, discordant).pvalue) if discordant else 1.0


def sign_flip(values: np.ndarray, seed: int = 0) -> float:
    """Two-sided p of a sum whose terms might as well have the other sign (Fisher's randomisation).

    With terms of -1, 0 and 1 it is McNemar's test. Up to 12 terms all signs are tried, then there are
    `SIGN_FLIPS` draws, the observed one counted in; from `MANY` terms on the sum is normal.

    Args:
        values: Sum over the images of each source cell; shape (sources,).
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
        signs = rng.choice((-1.0, 1.0), (min(500, SIGN_FLIPS - start), len(values)))
        hits += int((np.abs(signs @ values) >= observed).sum())
    return (hits + 1) / (SIGN_FLIPS + 1)


def images_needed(clusters: Clusters, margin: float, resolution: float = 1.0, power: float = 0.8) -> int:
    """Test images with which two equal sides would be found equivalent, at this rate of discordance.

    Args:
        clusters: What was seen.
        margin: Differences below it are equivalent.
        resolution: See `Clusters.error`.
        power: How often it would be found.
    """
    from scipy.special import ndtri

    variance = clusters.error(resolution) ** 2 * clusters.images
    # Two one-sided tests at 5 %; either may fail.
    reach = float(ndtri(0.95) + ndtri((1 + power) / 2))
    return math.ceil(variance * (reach / margin) ** 2)
