"""Many hypotheses at once, and more than one look at them."""

from collections.abc import Sequence

import numpy as np

FIRST_LOOK = 0.8
"""Share of the error rate that the planned number of repeats gets; later looks share the rest."""


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p values (Holm, Scand J Statist 1979): below alpha, the error rate of the whole family is.

    Args:
        p_values: One a hypothesis; None where there was nothing to test, which is no hypothesis.
    """
    known = [number for number, p in enumerate(p_values) if p is not None]
    order = sorted(known, key=lambda number: p_values[number])
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, number in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[number]))
        adjusted[number] = largest
    return adjusted


def alpha_at(look: int, alpha: float) -> float:
    """The error rate that the n-th look at growing data may spend.

    Four fifths for the first, half of what is left for each that follows. All looks together stay below
    `alpha` whatever the test and however many looks there are (Bonferroni).

    Args:
        look: Counted from 1.
        alpha: Of all looks together.
    """
    if look == 1:
        return FIRST_LOOK * alpha
    return float(np.ldexp((1 - FIRST_LOOK) * alpha, 1 - look))
