"""The arithmetic of the reference work. Only one test multiplies."""

import numpy as np
import pytest
from timing_equipment import Clock

from wbc import reference_work
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


@pytest.mark.parametrize(
    ("seconds", "rounds", "count", "gflops"),
    [
        (1 / 64, 6, 5, 128.0),  # 0.24 s / (3 / 64 s); rounds begin until 3/64 + 5/64 each are half a second
        (1 / 16, 5, 1, 32.0),
        (1 / 8, 1, 1, 16.0),
        (0.5, 1, 1, 4.0),  # too slow for a second round, and for two multiplications in one
    ],
)
def test_rounds_take_about_eighty_milliseconds_and_none_begins_after_half_a_second(
    seconds, rounds, count, gflops
):
    clock = Clock()
    device, done = Device(clock, seconds), []
    found = best_round(device.multiply, done.append, 1000, clock)
    assert found == ReferenceWork(gflops, rounds, 1000)
    assert device.count == 2 + 3 + rounds * count and len(done) == 2 + rounds


@pytest.mark.parametrize(
    ("backend", "gpu", "size"), [(None, True, 1024), ("jax", False, 1024), ("jax", True, 4096)]
)
def test_the_matrices_are_larger_on_a_gpu(monkeypatch, backend, gpu, size):
    shapes, spreads = [], []

    def multiplier(matrix):
        shapes.append(matrix.shape)
        spreads.append(float(matrix.std()) * size**0.5)
        return lambda: None, lambda product: None

    monkeypatch.setattr(reference_work, "has_gpu", lambda backend: gpu)
    monkeypatch.setattr(reference_work, "_with_numpy" if backend is None else "_with_keras", multiplier)
    clock = Clock()
    monkeypatch.setattr(
        reference_work, "best_round", lambda multiply, finish, size, own: (size, own is clock)
    )
    assert measure_reference_work(backend, clock) == (size, True)
    assert shapes == [(size, size)] and spreads == [pytest.approx(1, abs=0.01)], (
        "products of products stay as large"
    )


@pytest.mark.parametrize("make", ["_with_numpy", "_with_keras"])
def test_each_product_is_the_last_one_times_the_same_matrix(make):
    matrix = np.array([[1, 2], [3, 4]], np.float32)
    multiply, finish = getattr(reference_work, make)(matrix)
    for power in (2, 3, 4):
        product = multiply()
        finish(product)
        assert np.array_equal(np.asarray(product), np.linalg.matrix_power(matrix, power))
