"""What training images look like, so that an image of another kind is told from them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOISE = 4.0
"""Standard deviation, in levels of 255, that is added to every feature: few images must not seem all alike."""

_QUANTILE, _SLACK = 0.995, 1.5
"""An image is unlike if it is farther than this many times the distance that 99.5 % of training images keep."""


@dataclass(frozen=True)
class Appearance:
    """Mean and spread of the colors of training images."""

    mean: tuple[float, ...]
    """Of every feature: each channel's mean, then each channel's standard deviation, within an image."""
    precision: tuple[tuple[float, ...], ...]
    """Inverse of the features' covariance."""
    limit: float
    """Largest distance (Mahalanobis) of an image that is like them."""

    @classmethod
    def of(cls, images: NDArray[np.uint8]) -> "Appearance":
        """That of images, shape (n, height, width, 3)."""
        features = _features(images)
        mean = features.mean(axis=0)
        centered = features - mean
        covariance = centered.T @ centered / len(features) + _NOISE**2 * np.eye(len(mean))
        precision = np.linalg.inv(covariance)
        distances = np.sqrt(np.einsum("ni,ij,nj->n", centered, precision, centered))
        limit = _SLACK * float(np.quantile(distances, _QUANTILE)) + 1
        return cls(tuple(mean.tolist()), tuple(map(tuple, precision.tolist())), limit)

    def distances(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How far each image is from the training images; shape (n,)."""
        centered = _features(images) - np.array(self.mean)
        found: NDArray[np.float64] = np.sqrt(
            np.einsum("ni,ij,nj->n", centered, np.array(self.precision), centered)
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def _features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    # One image at a time: a whole split in float64 would take eight times its memory.
    rows = [[*image.mean((0, 1)), *image.std((0, 1))] for image in images]
    return np.array(rows, np.float64)
