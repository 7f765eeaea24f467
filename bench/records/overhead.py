"""What watching trials costs: repeats with telemetry against repeats of the same configuration without."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Group:
    """A figure of the repeats of one configuration; every value above 0.

    Attributes:
        watched: Of those with telemetry.
        unwatched: Of those without.
    """

    watched: Sequence[float]
    unwatched: Sequence[float]


@dataclass(frozen=True)
class Overhead:
    """By how much a figure differs with telemetry, as a share of what it is without.

    Attributes:
        difference: 0.01: 1 % more with telemetry.
        low: Lower bound of its 95 % interval; None for too few repeats.
        high: Upper bound.
        watched: Repeats with telemetry.
        unwatched: Repeats without.
    """

    difference: float
    low: float | None
    high: float | None
    watched: int
    unwatched: int


def overhead(groups: Sequence[Group]) -> Overhead | None:
    """Compare within configurations, and put these together.

    Figures of one configuration differ by factors, so logarithms are compared. Configurations weigh as the
    variance of their difference tells, their scatter is taken as one, and the interval is Student's t on what
    repeats leave after a mean for each configuration with and without (the usual two-sample interval, where
    there is one).

    Args:
        groups: A configuration each; those that lack either kind of repeats say nothing.

    Returns:
        None where no configuration has both.
    """
    both = [group for group in groups if len(group.watched) and len(group.unwatched)]
    if not both:
        return None
    weights, differences, squares = [], [], 0.0
    for group in both:
        watched, unwatched = ([math.log(value) for value in one] for one in (group.watched, group.unwatched))
        weights.append(len(watched) * len(unwatched) / (len(watched) + len(unwatched)))
        differences.append(_mean(watched) - _mean(unwatched))
        squares += _squares(watched) + _squares(unwatched)
    difference = sum(w * d for w, d in zip(weights, differences, strict=True)) / sum(weights)
    repeats = [(len(group.watched), len(group.unwatched)) for group in both]
    freedom = sum(map(sum, repeats)) - 2 * len(both)
    low = high = None
    if freedom > 0:
        from scipy.special import stdtrit

        half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(squares / freedom / sum(weights))
        low, high = math.expm1(difference - half), math.expm1(difference + half)
    return Overhead(math.expm1(difference), low, high, sum(n for n, _ in repeats), sum(n for _, n in repeats))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    mean = _mean(values)
    return sum((value - mean) ** 2 for value in values)
