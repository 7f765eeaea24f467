"""The same images, predicted by two networks: which one is right where the other is wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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

    def half(self, confidence: float, resolution: float = 1.0) -> float:
        """Half width of an interval of `mean`, by Student's t with one degree less than there are sources."""
        from scipy.special import stdtrit

        degrees = max(1, len(self.size) - 1)
        return float(stdtrit(degrees, (1 + confidence) / 2)) * self.error(resolution)


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
