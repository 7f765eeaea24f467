"""The arithmetic of the reference work. Only one test multiplies."""

import numpy as np
import pytest
from timing_equipment import Clock

from wbc.reference_work import ReferenceWork, best_round, measure_reference_work


class Device:
    """Does a multiplication in these seconds, the first ones more slowly."""

    def __init__(self, clock: Clock, seconds: float, slow: float = 1.0):
        self.clock, self.seconds, self.slow, self.count = clock, seconds, slow, 0

    def multiply(self) -> None:
        self.count += 1
        self.clock.passes(self.seconds * (10 if self.count <= 2 else 1) * self.slow)


def measured(seconds: float, slow_rounds: range = range(0)) -> tuple[ReferenceWork, float]:
    clock = Clock()
    device, done = Device(clock, seconds), []

    def finish(product):
        done.append(product)
        device.slow = 3.0 if len(done) in slow_rounds else 1.0

    return best_round(device.multiply, finish, 1000, clock), clock()


@pytest.mark.parametrize("seconds", [0.00002, 0.01, 0.03])
def test_it_takes_less_than_a_second_and_finds_the_rate(seconds):
    found, took = measured(seconds)
    assert found.gflops == pytest.approx(2 / seconds)
    assert found.rounds >= 1
    assert took - 20 * seconds < 1.0, "without the first two"


def test_the_best_round_counts():
    found, _ = measured(0.01, slow_rounds=range(3, 5))
    assert found.rounds > 2
    assert found.gflops == pytest.approx(200)


def test_the_products_stay_finite():
    """Each is the last one times the same matrix: a product of a product of itself would soon be infinite."""
    with np.errstate(over="raise", invalid="raise"):
        assert measure_reference_work(None).gflops > 0
