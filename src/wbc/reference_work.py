"""Reference work: the same small computation before and after an experiment, on its device and cores.

If it is slower afterwards, or slower than the device can be, another program used the machine or the device
was throttled. Keras is loaded only when the work runs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.backends import has_gpu

SIZES = {"cpu": 1024, "gpu": 4096}
"""Rows and columns of the matrices."""

ROUND_S = 0.08
"""Each round has as many multiplications as take about this long, in seconds. A program that shares the cores
cannot stay out of such a round. It can stay out of single multiplications of 10 ms."""

BUDGET_S = 0.5
"""No new round begins after this many seconds."""


@dataclass(frozen=True)
class ReferenceWork:
    """How fast the reference work ran."""

    gflops: float
    """Billions of floating-point operations per second in the best round."""
    rounds: int
    """Number of rounds."""
    size: int
    """Rows of a matrix."""


def measure_reference_work(
    backend: str | None, clock: Callable[[], float] = time.perf_counter
) -> ReferenceWork:
    """Multiply float32 matrices for less than a second, and take the best round.

    Noise only makes a round slower, never faster than the device can be.

    Args:
        backend: The backend of Keras that does the work; None for NumPy.
        clock: Returns seconds.
    """
    gpu = backend is not None and has_gpu(backend)
    size = SIZES["gpu" if gpu else "cpu"]
    # Scaled so that products of products neither grow nor vanish.
    matrix = np.random.default_rng(0).standard_normal((size, size), np.float32) / np.float32(np.sqrt(size))
    multiply, finish = _with_numpy(matrix) if backend is None else _with_keras(matrix)
    return best_round(multiply, finish, size, clock)


def best_round(
    multiply: Callable[[], Any], finish: Callable[[Any], None], size: int, clock: Callable[[], float]
) -> ReferenceWork:
    """Time rounds of multiplications.

    Args:
        multiply: Multiplies the last product once more. It may return before that is done.
        finish: Waits until it is done.
        size: Rows and columns.
        clock: Returns seconds.
    """

    def round_of(count: int) -> float:
        began = clock()
        for _ in range(count):
            product = multiply()
        finish(product)
        return clock() - began

    round_of(2)  # the first multiplications choose algorithms and start threads
    began = clock()
    count = max(1, round(3 * ROUND_S / max(round_of(3), 1e-9)))
    best, rounds = float("inf"), 0
    while not rounds or clock() - began < BUDGET_S:
        best = min(best, round_of(count))
        rounds += 1
    return ReferenceWork(2 * size**3 * count / best / 1e9, rounds, size)


def _with_numpy(matrix: NDArray[np.float32]) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    products = [matrix.copy(), np.empty_like(matrix)]  # the factor stays what it is

    def multiply() -> NDArray[np.float32]:
        np.matmul(products[0], matrix, out=products[1])
        products.reverse()
        return products[0]

    return multiply, lambda product: None


def _with_keras(matrix: NDArray[np.float32]) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    import keras

    factor = keras.ops.convert_to_tensor(matrix)
    products = [factor]

    def multiply() -> Any:
        products[0] = keras.ops.matmul(products[0], factor)
        return products[0]

    return multiply, lambda product: keras.ops.convert_to_numpy(product[0, 0])
