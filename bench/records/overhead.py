"""What telemetry costs: replicates with it against replicates of the same configuration without it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Group:
    """A metric of the replicates of one configuration; every value is above 0."""

    watched: Sequence[float]
    """With telemetry."""
    unwatched: Sequence[float]
    """Without."""


@dataclass(frozen=True)
class Overhead:
    """By how much a metric differs with telemetry, as a share of its value without."""

    difference: float
    """0.01: 1 % more with telemetry."""
    low: float | None
    """Lower bound of its 95 % interval; None for too few replicates."""
    high: float | None
    """Upper bound."""
    watched: int
    """Replicates with telemetry."""
    unwatched: int
    """Replicates without."""


def overhead(groups: Sequence[Group]) -> Overhead | None:
    """Compare within each configuration, and combine the configurations.

    Logarithms are compared, because metrics of one configuration differ by factors. A configuration weighs as
    the variance of its difference tells, and all are taken to scatter alike. The interval is Student's t on
    the scatter around each configuration's two means. With one configuration it is the usual two-sample
    interval.

    Args:
        groups: One per configuration; a configuration that lacks either kind of replicates says nothing.

    Returns:
        None where no configuration has both kinds.
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
    counts = [(len(group.watched), len(group.unwatched)) for group in both]
    freedom = sum(map(sum, counts)) - 2 * len(both)
    low = high = None
    if freedom > 0:
        from scipy.special import stdtrit

        half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(squares / freedom / sum(weights))
        low, high = math.expm1(difference - half), math.expm1(difference + half)
    return Overhead(math.expm1(difference), low, high, sum(n for n, _ in counts), sum(n for _, n in counts))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    mean = _mean(values)
    return sum((value - mean) ** 2 for value in values)
