"""Which configurations are no worse than any other one, within a margin, on the same test images.

Pure functions of arrays. A configuration counts as non-inferior if it is so against every other one. Each of
these tests has the whole error rate, because all of them must succeed (Berger, Technometrics 1982). What is
shared is the error rate of the configurations that may be chosen: one that is truly worse by more than the
margin is chosen in at most `alpha` of all cases.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.compare.discordance import Clusters

Floats = NDArray[np.float64]

MARGIN = 0.02
"""Accuracies that are lower by less are no worse: two points."""

ASSUMED_SD = 0.05
"""What is assumed of networks trained again, where seeds do not tell: accuracies differ by five points."""

POWER = 0.8
"""How often so many images or seeds as are named would suffice."""

MOST_SEEDS = 100
"""More are never named."""


@dataclass(frozen=True)
class NonInferiority:
    """Whether a configuration is no worse than every other one."""

    shown: bool
    """Whether that is shown."""
    bound: float | None
    """By at most so much it is worse than `against`, a share; None where nothing could be compared."""
    against: str
    """The configuration against which the bound is largest; empty where there is no other one."""
    difference: float | None
    """Accuracy of `against` less its own."""
    seeds: int
    """Trainings of each side that were compared."""
    images: int
    """Test images that both predicted."""
    images_needed: int | None
    """Test images that would show it, with as many seeds; None where no number would, or where it is shown."""
    seeds_needed: int | None
    """Seeds that would show it, with as many images; None as above."""


def non_inferior(
    right: Mapping[str, Floats],
    sources: Sequence[str],
    margin: float = MARGIN,
    alpha: float = 0.05,
    candidates: int | None = None,
) -> dict[str, NonInferiority]:
    """Compare each configuration with every other one.

    Args:
        right: Configuration -> 1 where a test image was predicted right, 0 where wrong, NaN where it was no test
            image of that training. Shape (trainings, images); row r has the same seed and split, and column i
            the same image, in every configuration.
        sources: The source of each image. Images of one source count as one draw.
        margin: Smaller differences do not count, a share.
        alpha: How often any configuration that is worse by the margin or more may pass as non-inferior.
        candidates: Configurations that may be chosen; None: all but one, for the most accurate needs no test.

    Returns:
        By the names of `right`.
    """
    _, number = np.unique(np.asarray(sources, dtype=object).astype(str), return_inverse=True)
    tests = max(1, len(right) - 1 if candidates is None else candidates)
    return {name: _against_all(name, right, number, margin, alpha / tests) for name in right}


def fastest_non_inferior(seconds: Mapping[str, float], found: Mapping[str, NonInferiority]) -> str | None:
    """The fastest configuration that is shown to be no worse than any other one; None where none is."""
    shown = [name for name, one in found.items() if one.shown]
    return min(shown, key=lambda name: seconds[name]) if shown else None


def _against_all(
    name: str, right: Mapping[str, Floats], number: NDArray[np.int64], margin: float, level: float
) -> NonInferiority:
    others = [
        (other, found)
        for other in right
        if other != name and (found := _Pair.of(right[name], right[other], number)) is not None
    ]
    if not others:
        alone = len(right) == 1
        return NonInferiority(alone, None, "", None, 0, 0, None, None)
    against, worst = max(others, key=lambda pair: pair[1].bound(level))
    bound = worst.bound(level)
    within = bound < margin
    return NonInferiority(
        shown=within and len(others) == len(right) - 1,
        bound=bound,
        against=against,
        difference=worst.mean,
        seeds=worst.seeds,
        images=worst.images,
        images_needed=None if within else worst.images_needed(margin, level),
        seeds_needed=None if within else worst.seeds_needed(margin, level),
    )


@dataclass(frozen=True)
class _Pair:
    """Another configuration less the own one: what varies with the images, and what with the training."""

    mean: float
    seeds: int
    seed_sd: float
    """Of the differences between trainings; unknown with one."""
    images: int
    image_error: float
    clusters: int

    @classmethod
    def of(cls, own: Floats, other: Floats, number: NDArray[np.int64]) -> "_Pair | None":
        difference = other - own
        tested = ~np.isnan(difference)
        rows, columns = tested.any(axis=1), tested.any(axis=0)
        if not rows.any():
            return None
        difference, tested = difference[rows][:, columns], tested[rows][:, columns]
        filled = np.where(tested, difference, 0.0)
        by_seed = filled.sum(axis=1) / tested.sum(axis=1)
        by_image = filled.sum(axis=0) / tested.sum(axis=0)
        _, place = np.unique(number[columns], return_inverse=True)
        clusters = Clusters(np.bincount(place, weights=by_image).astype(float), np.bincount(place))
        return cls(
            mean=float(by_seed.mean()),
            seeds=len(by_seed),
            seed_sd=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else math.nan,
            images=len(by_image),
            image_error=clusters.error(),
            clusters=len(clusters.size),
        )

    def half_of_seeds(self, level: float, seeds: int) -> float:
        """What training may add to the difference; never more than under the assumed variation."""
        from scipy.special import ndtri, stdtrit

        half = float(ndtri(1 - level)) * ASSUMED_SD / math.sqrt(seeds)
        if self.seeds > 1:
            half = min(half, float(stdtrit(seeds - 1, 1 - level)) * self.seed_sd / math.sqrt(seeds))
        return half

    def half_of_images(self, level: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(max(1, self.clusters - 1), 1 - level)) * self.image_error

    def bound(self, level: float) -> float:
        """Upper bound of the difference, one-sided."""
        return self.mean + math.hypot(self.half_of_seeds(level, self.seeds), self.half_of_images(level))

    def room(self, margin: float, level: float) -> float:
        """How small the half width must be, so that `POWER` of all cases succeed if nothing changes."""
        from scipy.special import ndtri

        z = float(ndtri(1 - level))
        return (margin - max(0.0, self.mean)) * z / (z + float(ndtri(POWER)))

    def images_needed(self, margin: float, level: float) -> int | None:
        room, seeds = self.room(margin, level), self.half_of_seeds(level, self.seeds)
        if room <= seeds:
            return None
        return math.ceil(self.images * self.half_of_images(level) ** 2 / (room**2 - seeds**2))

    def seeds_needed(self, margin: float, level: float) -> int | None:
        room, images = self.room(margin, level), self.half_of_images(level)
        return next(
            (
                seeds
                for seeds in range(self.seeds, MOST_SEEDS + 1)
                if math.hypot(self.half_of_seeds(level, seeds), images) < room
            ),
            None,
        )
