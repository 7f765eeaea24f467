"""Evidence that may be looked at after every pair: false alarms at any look, in noise of any shape."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.compare.betting import (
    confidence_sequence,
    detectable,
    evidence,
    highest,
    least_pairs,
    pairs_needed,
)

Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_t(3, shape)


def two_modes(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return (rng.random(shape) < 0.5) * 2.0 - 1.0 + 0.1 * rng.standard_normal(shape)


def growing(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape) * np.linspace(1.0, 1.5, shape[-1])


def test_one_bettor_by_hand():
    # FIRST_BET on the first pair, then tanh(2 * value / median of earlier sizes).
    stakes, shares = np.array([0.25, 0.5, 0.8, 1.0]), np.array([0.1, 0.2, 0.35, 0.35])
    first = 1 + stakes * 0.9
    second = 1 + stakes * np.tanh(2.0 * -0.02 / 0.1)
    third = 1 + stakes * np.tanh(2.0 * 0.08 / 0.06)
    fourth = 1 + stakes * np.tanh(2.0 * 0.03 / 0.08)
    capital = np.cumprod([first, second, third, fourth], axis=0)
    assert evidence(np.array([0.1, -0.02, 0.08, 0.03])) == pytest.approx(capital @ shares)


@pytest.mark.parametrize("noise", [normal, heavy, two_modes, growing])
def test_false_alarms_over_all_looks_stay_below_the_level(noise: Noise):
    rng = np.random.default_rng(1)
    values = noise(rng, (4000, 30)) - noise(rng, (4000, 30))
    for level in (0.05, 0.01):
        alarms = float((highest(evidence(values)) >= 1 / level).mean())
        # Four standard errors above the level.
        assert alarms <= level + 4 * np.sqrt(level / 4000)


@pytest.mark.parametrize("noise", [normal, heavy, two_modes, growing])
def test_the_interval_holds_at_every_look(noise: Noise):
    rng = np.random.default_rng(2)
    values = 0.03 + 0.05 * (noise(rng, (150, 12)) - noise(rng, (150, 12)))
    missed = 0
    for row in values:
        bounds = [confidence_sequence(row[:pairs]) for pairs in (4, 8, 12)]
        missed += any(
            (low is not None and low > 0.03) or (high is not None and high < 0.03) for low, high in bounds
        )
    assert missed / 150 <= 0.05 + 4 * np.sqrt(0.05 / 150)


def test_the_interval_ends_where_the_evidence_against_a_change_reaches_the_bar():
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = rng.normal(0.1, 0.08, 20)
        step = 6 * np.ptp(values) / 240  # of the changes that are tried

        def against(change: float, values: np.ndarray = values) -> float:
            return max(highest(evidence(values - change)), highest(evidence(change - values)))

        for end, inwards in zip(confidence_sequence(values), (step, -step), strict=True):
            if end is not None:
                assert against(end) >= 2 / 0.05 > against(end + inwards)


def test_capital_starts_at_one_and_needs_some_pairs():
    assert highest(evidence(np.array([-1.0, -1.0]))) == 1.0
    assert [least_pairs(bar) for bar in (20, 50, 300)] == [6, 7, 10]
    reached = float(evidence(np.ones(7))[-1])
    assert [least_pairs(bar) for bar in (reached, np.nextafter(reached, 99), np.inf)] == [7, 8, 100]


def test_pairs_that_a_change_takes():
    quiet, noisy = (pairs_needed(spread, 0.1, 2 / 0.04, 0.9) for spread in (0.03, 0.09))
    assert 6 <= quiet <= 9 < noisy <= 25
    assert pairs_needed(0.03, 0.1, 2 / 0.04, 0.9) == quiet, "the same question has the same answer"
    assert pairs_needed(0.9, 0.1, 2 / 0.04, 0.9) == 200, "more are never asked for"
    assert pairs_needed(0.09, 0.1, 2 / 0.04, 0.9, most=noisy - 1) == noisy - 1
    rng = np.random.default_rng(5)
    values = np.log(1.1) + 0.09 * rng.standard_normal((1000, noisy))
    assert (highest(evidence(values)) >= 50).mean() >= 0.85


def test_what_so_many_pairs_find_is_found_as_often_as_is_asked():
    assert detectable(6, 50, 0.9) is None and detectable(7, 50, 0.9) is not None
    assert detectable(160, 50, 0.9) == pytest.approx(detectable(40, 50, 0.9) / 2), (
        "more pairs are not simulated"
    )
    seen = np.random.default_rng(0).standard_normal((300, 12))
    for power in (0.5, 0.9):
        size, step = detectable(12, 50, power), 8 / 2**10  # what ten halvings leave
        below, there = ((highest(evidence(seen + at)) >= 50).mean() for at in (size - step, size))
        assert below < power <= there and (size / step).is_integer()
    rng = np.random.default_rng(6)
    for pairs, power in ((10, 0.9), (10, 0.5), (30, 0.9)):
        noise = rng.standard_normal((4000, pairs))
        size = detectable(pairs, 50, power)
        found = [(highest(evidence(noise + by * size)) >= 50).mean() for by in (1.0, 0.8)]
        assert found[0] == pytest.approx(power, abs=0.05) and found[1] < power - 0.06


def test_more_pairs_than_are_simulated_grow_with_the_square_of_the_noise():
    large = detectable(40, 50, 0.9)
    for times, pairs in ((1.01, 41), (1.49, 89), (1.99, 159), (2.3, 200)):
        size = large / times
        assert pairs_needed(np.log(1.1) / size, 0.1, 50, 0.9) == pairs
    assert pairs_needed(np.log(1.1) / (large * 1.01), 0.1, 50, 0.9) <= 40
    assert pairs_needed(np.log(1.1) / (large / 2), 0.1, 50, 0.9, most=100) == 100
    assert pairs_needed(0.0, 0.1, 50, 0.9) == 7, "without noise as many as can show it at all"


def test_noise_of_nothing_and_one_changed_value():
    assert evidence(np.zeros(5))[-1] == 1.0
    assert confidence_sequence(np.array([])) == (None, None)
    low, high = confidence_sequence(np.tile([0.1, -0.1], 10))
    assert -0.6 < low < -0.01 and 0.01 < high < 0.6, "looked for around 0, as far as pairs vary"
    low, high = confidence_sequence(np.zeros(12))
    assert low == pytest.approx(-high) and 0 < high < 3e-6
    low, high = confidence_sequence(np.full(12, 0.1))
    assert low is not None and high is not None and low <= 0.1 <= high
