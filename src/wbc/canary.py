"""A canary: the same small piece of work before and after an experiment, on its device and cores.

If it is slower afterwards, or slower than this machine can do, something else took a part of the machine, or
the device was throttled. Free of Keras until it runs.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wbc.accelerator import has_gpu

SIZES = {"cpu": 1024, "gpu": 4096}
"""Rows and columns of the matrices."""

ROUND_S = 0.08
"""A round is as many multiplications as take about this long. What shares the cores cannot stay out of a
round that long; single multiplications of 10 ms fit between its turns, and the best of them shows nothing."""

BUDGET_S = 0.5
"""No further round begins after this."""


def sing(backend: str | None, clock: Callable[[], float] = time.perf_counter) -> dict[str, float | int]:
    """Multiply matrices of float32 for less than a second, and take the best round.

    Noise has one sign: nothing makes a round faster than the device is.

    Args:
        backend: That of Keras, with which the work is done; None for NumPy.
        clock: Seconds.

    Returns:
        `gflops`: billions of floating-point operations a second in the best round; `rounds`; `size`, rows of
        a matrix.
    """
    gpu = backend is not None and has_gpu(backend)
    size = SIZES["gpu" if gpu else "cpu"]
    # Scaled so that products of products neither grow nor vanish.
    matrix = np.random.default_rng(0).standard_normal((size, size), np.float32) / np.float32(np.sqrt(size))
    multiply, finish = _with_numpy(matrix) if backend is None else _with_keras(matrix)
    return best_round(multiply, finish, size, clock)


def best_round(
    multiply: Callable[[], Any], finish: Callable[[Any], None], size: int, clock: Callable[[], float]
) -> dict[str, float | int]:
    """Time rounds of multiplications.

    Args:
        multiply: Multiplies the last product once more, and may return before that is done.
        finish: Waits until it is.
        size: Rows and columns.
        clock: Seconds.
    """

    def round_of(number: int) -> float:
        began = clock()
        for _ in range(number):
            product = multiply()
        finish(product)
        return clock() - began

    round_of(2)  # the first ones choose algorithms, and start threads
    began = clock()
    number = max(1, round(3 * ROUND_S / max(round_of(3), 1e-9)))
    best, rounds = float("inf"), 0
    while not rounds or clock() - began < BUDGET_S:
        best = min(best, round_of(number))
        rounds += 1
    return {"gflops": 2 * size**3 * number / best / 1e9, "rounds": rounds, "size": size}


def _with_numpy(matrix: np.ndarray) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    products = [matrix, np.empty_like(matrix)]

    def multiply() -> np.ndarray:
        np.matmul(products[0], matrix, out=products[1])
        products.reverse()
        return products[0]

    return multiply, lambda product: None


def _with_keras(matrix: np.ndarray) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    import keras

    factor = keras.ops.convert_to_tensor(matrix)
    products = [factor]

    def multiply() -> Any:
        products[0] = keras.ops.matmul(products[0], factor)
        return products[0]

    return multiply, lambda product: keras.ops.convert_to_numpy(product[0, 0])
