"""Evidence that grows pair by pair and may be looked at after each of them.

If nothing differs between two sides, the log ratio of a pair is as likely `+x` as `-x`: which side runs first
is drawn at random. Whoever then bets on the sign of the next pair, with a stake that depends on earlier pairs
only, cannot expect to gain. The capital of such a bettor is an e-process: it reaches `1 / alpha` with
probability `alpha` at most, after however many looks (Ville 1939; Ramdas, Gruenwald, Vovk and Shafer, Stat Sci
2023). Nothing else is assumed: noise may have heavy tails or two modes, may grow, and may differ between
trials. Pairs may be dealt to trials in any way that looks at earlier pairs only.
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STAKES = np.array([0.25, 0.5, 0.8, 1.0])
"""Shares of its capital that each of four bettors puts on a pair."""

SHARES = np.array([0.1, 0.2, 0.35, 0.35])
"""Their capital at the beginning. Small stakes win where noise is large, large ones where it is small."""

FIRST_BET = 0.9
"""On the first pair, of whose size nothing is known."""

STEEPNESS = 2.0
"""How fast a bet grows with the size of a ratio, in units of the typical size of earlier ones. With 1.5, and a third
less capital on the largest stake, a step that takes 10 % longer took about one pair more to be found."""

GRID = 241
"""Changes that a confidence sequence tries."""

DRAWS, MANY_PAIRS, LARGEST_CHANGE = 300, 40, 8.0
"""Of simulations: comparisons, pairs at most (more of them scale with the square of the noise), and the largest
change, in standard deviations of a pair."""


def evidence(logs: Array) -> Array:
    """Capital of a bettor on positive values, after each pair; it starts at 1.

    The bet on a pair is `tanh` of its value over the median size of earlier values.

    Args:
        logs: Log ratios in the order of time; shape (..., n).

    Returns:
        Shape (..., n). Values of 1 / alpha and more are evidence at level alpha.
    """
    sizes, typical = np.abs(logs), np.ones(logs.shape)
    for number in range(1, logs.shape[-1]):
        ordered = np.sort(sizes[..., :number], axis=-1)
        typical[..., number] = (ordered[..., (number - 1) // 2] + ordered[..., number // 2]) / 2
    # Where all earlier values are 0, so is the noise: any other value counts in full.
    bets = np.tanh(STEEPNESS * logs / np.maximum(typical, np.finfo(float).tiny))
    bets[..., :1] = FIRST_BET * np.sign(logs[..., :1])
    grown = np.zeros(logs.shape)
    for stake, share in zip(STAKES, SHARES, strict=True):
        grown += share * np.cumprod(1 + stake * bets, axis=-1)
    return grown


def highest(capital: Array) -> Array:
    """The most that was reached; a look that was not taken counts as well. Shape (..., n) -> (...)."""
    most: Array = np.max(capital, axis=-1, initial=1.0)
    return most


def confidence_sequence(logs: Array, level: float = 0.95) -> tuple[float | None, float | None]:
    """Interval of the change that holds after every pair at once, with probability `level`.

    It consists of the changes against which neither bettor has evidence, and so never contradicts them.

    Args:
        logs: Log ratios in the order of time; shape (n,).
        level: Confidence.

    Returns:
        Lower and upper bound of the log ratio; None where so few pairs leave it open.
    """
    if not len(logs):
        return None, None
    center, size = float(np.median(logs)), float(np.ptp(logs))
    if size == 0.0:
        size = abs(center)
    if size == 0.0:
        size = 1e-6
    changes = center + np.linspace(-3, 3, GRID) * size
    shifted = logs[None, :] - changes[:, None]
    capital = np.maximum(highest(evidence(shifted)), highest(evidence(-shifted)))
    open_ = np.flatnonzero(capital < 2 / (1 - level))
    if not len(open_):  # pairs in conflict, such as a change in mid-course: no single change fits
        return None, None
    low, high = int(open_[0]), int(open_[-1])
    step = float(changes[1] - changes[0])
    return (
        None if low == 0 else float(changes[low]) - step,
        None if high == GRID - 1 else float(changes[high]) + step,
    )


@cache
def least_pairs(bar: float) -> int:
    """Fewest pairs that can reach a bar, all of them in one direction.

    Args:
        bar: 1 / alpha.
    """
    pairs = 1
    while float(evidence(np.ones(pairs))[-1]) < bar and pairs < 100:
        pairs += 1
    return pairs


def pairs_needed(
    spread: float, change: float, bar: float, power: float, most: int = 200, seed: int = 0
) -> int:
    """Pairs that reach a bar as often as `power` asks, found by simulation.

    Args:
        spread: Standard deviation of the log ratio of a pair.
        change: What is to be found, as a share: 0.1.
        bar: 1 / alpha.
        power: Share of comparisons that find it.
        most: Of pairs; the answer where even so many do not suffice.
        seed: Of the simulation, so that the same question has the same answer.
    """
    size = math.log1p(change) / max(spread, 1e-9)
    at_many = detectable(MANY_PAIRS, bar, power)
    if at_many is None or size < at_many:
        return most if at_many is None else min(most, math.ceil(MANY_PAIRS * (at_many / size) ** 2))
    noise = np.random.default_rng(seed).standard_normal((DRAWS, MANY_PAIRS))
    reached = evidence(noise + size) >= bar
    needed = np.where(reached.any(axis=-1), reached.argmax(axis=-1) + 1, MANY_PAIRS)
    return min(most, int(np.sort(needed)[math.ceil(power * DRAWS) - 1]))


@cache
def detectable(pairs: int, bar: float, power: float, seed: int = 0) -> float | None:
    """The smallest change, in standard deviations of a pair, that reaches a bar within so many pairs.

    Args:
        pairs: Of a trial.
        bar: 1 / alpha.
        power: Share of comparisons that find it.
        seed: Of the simulation.

    Returns:
        None where so few pairs show no change at all.
    """
    if pairs < least_pairs(bar):
        return None
    # From some pairs on, what is found shrinks with the root of their number.
    simulated = min(pairs, MANY_PAIRS)
    noise = np.random.default_rng(seed).standard_normal((DRAWS, simulated))
    low, high = 0.0, LARGEST_CHANGE
    for _ in range(10):
        middle = (low + high) / 2
        found = float((highest(evidence(noise + middle)) >= bar).mean())
        low, high = (low, middle) if found >= power else (middle, high)
    return high * math.sqrt(simulated / pairs)
