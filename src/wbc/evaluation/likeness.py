"""Tell images that are not like the training images: another stain, another size of leukocytes, another subject.

Each image has two descriptions: how it looks (colors, and contrast at several scales) and what the network made of
it before its last layer. For each, the distance to the training images is Mahalanobis' in the main directions in
which they spread, with what lies outside those directions as one more.

The limits come from validation images, which no weight was fitted to: each description may flag half of `rate` of
them (split conformal prediction). So an image like them is flagged at that rate, whatever the distribution is.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FALSE_FLAGS = 0.05
"""Share of images like the training images that may be flagged."""

MOST_IMAGES = 200
"""Training images, and validation images, that are looked at."""

_DIRECTIONS = 16
_PER_DIRECTION = 5
"""Training images for each direction at least."""

_LONGEST = 512
"""Numbers of a description; longer ones are projected, which keeps distances nearly."""

_SCALES = 5
"""Halvings of an image for which its contrast is measured."""

_COLOR_NOISE, _CONTRAST_NOISE = 4.0, 0.1
"""Spread, in levels of 255 and as a logarithm, that is taken for nothing: few images must not seem all alike."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Space:
    """Training images in one description."""

    mean: list[float]
    """Of each number of the description."""
    scale: list[float]
    """What each is divided by."""
    directions: list[list[float]]
    """The main ones, each divided by the spread along it."""
    centers: list[list[float]]
    """Of each class, as the difference from the mean."""
    rest: float
    """Usual distance from the plane of the directions."""
    limit: float
    """The largest distance of an image that is like them."""
    projected: bool = False
    """Whether descriptions were projected first."""

    @classmethod
    def of(
        cls, training: Numbers, labels: Sequence[int], noise: Numbers | float, held_out: Numbers
    ) -> "Space":
        """That of training images.

        Args:
            training: Descriptions, shape (n, numbers).
            labels: Class of each; their spread is that within classes.
            noise: Spread of each number that is taken for nothing.
            held_out: Descriptions of other images like them, for the limit.
        """
        projected = training.shape[1] > _LONGEST
        if projected:
            training = training @ _projection(training.shape[1])
        mean = training.mean(axis=0)
        classes = np.unique(labels)
        own = [np.asarray(labels) == name for name in classes]
        within = training.copy()
        for rows in own:
            within[rows] -= training[rows].mean(axis=0)
        scale = np.sqrt(within.var(axis=0) + np.broadcast_to(noise, mean.shape) ** 2)
        # A number that never changes still tells images of another kind when it does.
        scale = np.maximum(scale, 0.05 * scale.mean() or 1.0)
        within /= scale
        count = max(1, min(_DIRECTIONS, len(within) // _PER_DIRECTION, within.shape[1]))
        _, spreads, directions = np.linalg.svd(within, full_matrices=False)
        spread = np.maximum(spreads[:count] / math.sqrt(len(within)), 0.1)
        directions = directions[:count] / spread[:, None]
        outside = within - (within @ directions.T) * spread @ (directions * spread[:, None])
        rest = max(float(np.sqrt((outside**2).sum(axis=1).mean())), 0.1)
        centers = [((training[rows].mean(axis=0) - mean) / scale).tolist() for rows in own]
        found = cls(mean.tolist(), scale.tolist(), directions.tolist(), centers, rest, 0.0, projected)
        distances = np.sort(found.distances(held_out))
        limit = float(distances[allowed(len(distances), FALSE_FLAGS / 2) - 1])
        return cls(**{**asdict(found), "limit": limit})

    def distances(self, described: Numbers) -> Numbers:
        """How far images are from the nearest class; shape (n,)."""
        if self.projected:
            described = described @ _projection(described.shape[1])
        shifted = (described - np.array(self.mean)) / np.array(self.scale)
        directions = np.array(self.directions)
        lengths = (directions**2).sum(axis=1)
        squares = []
        for center in self.centers:
            placed = (shifted - center) @ directions.T
            outside = shifted - center - (placed / lengths) @ directions
            squares.append((placed**2).sum(axis=1) + (outside**2).sum(axis=1) / self.rest**2)
        nearest: Numbers = np.sqrt(np.min(squares, axis=0))
        return nearest


@dataclass(frozen=True)
class Likeness:
    """What tells images that are not like the training images."""

    looks: Space
    features: Space
    rate: float
    """Share of images like them that it flags at most, on average."""
    images: int
    """Validation images, one of each source, that the limits come from."""

    @classmethod
    def of(
        cls,
        looks: tuple[Numbers, Numbers],
        features: tuple[Numbers, Numbers],
        labels: Sequence[int],
    ) -> "Likeness":
        """That of training images, see `looks_of`; each pair: of training images, of validation images."""
        noise = np.array([_COLOR_NOISE] * 6 + [_CONTRAST_NOISE] * _SCALES)
        count = len(looks[1])
        rate = 2 * (count + 1 - allowed(count, FALSE_FLAGS / 2)) / (count + 1)
        return cls(
            Space.of(looks[0], labels, noise, looks[1]),
            Space.of(features[0], labels, 1e-3 * float(features[0].std()) + 1e-9, features[1]),
            rate,
            count,
        )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Likeness":
        """What `asdict` made plain."""
        spaces = {name: Space(**content[name]) for name in ("looks", "features")}
        return cls(**{**content, **spaces})

    def distances(self, pixels: NDArray[np.uint8], features: Numbers) -> Numbers:
        """Of each image the larger of both distances, as a multiple of its limit: above 1 it is unlike; shape (n,)."""
        by_looks = self.looks.distances(looks_of(pixels)) / max(self.looks.limit, 1e-9)
        by_features = self.features.distances(features) / max(self.features.limit, 1e-9)
        found: Numbers = np.maximum(by_looks, by_features)
        return found


def allowed(count: int, rate: float) -> int:
    """Rank of the held-out distance that a further image exceeds with at most this probability.

    With few images that is the largest of them, which a further one exceeds with a probability of 1 / (count + 1).
    """
    return min(count, math.ceil((count + 1) * (1 - rate)))


def looks_of(images: NDArray[np.uint8]) -> Numbers:
    """Mean and spread of each color, and the logarithm of the contrast at each scale, of every image.

    Args:
        images: Shape (n, height, width, 3).

    Returns:
        Shape (n, 6 + scales).
    """
    # One at a time for each core: a whole split in float64 would take eight times its memory.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return np.array(list(pool.map(_looks, images)))


def _looks(image: NDArray[np.uint8]) -> list[float]:
    colors = np.ascontiguousarray(image.transpose(2, 0, 1), np.float64)  # sums along the last axis are fast
    gray = colors.sum(axis=0) / 3
    contrasts = []
    for _ in range(_SCALES):
        height, width = (side // 2 for side in gray.shape)
        if not height * width:  # too small for so many scales
            contrasts.append(0.0)
            continue
        quarters = [gray[row : 2 * height : 2, column : 2 * width : 2] for row in (0, 1) for column in (0, 1)]
        gray = (quarters[0] + quarters[1] + quarters[2] + quarters[3]) / 4
        # The mean of what the coarser image lacks is zero.
        squares = sum(float(np.square(quarter - gray).sum()) for quarter in quarters)
        contrasts.append(math.log(math.sqrt(squares / (4 * height * width)) + 1))
    return [*colors.mean(axis=(1, 2)).tolist(), *colors.std(axis=(1, 2)).tolist(), *contrasts]


def _projection(numbers: int) -> Numbers:
    random: Numbers = np.random.default_rng(numbers).standard_normal((numbers, _LONGEST)) / math.sqrt(
        _LONGEST
    )
    return random
