"""`python -m gpu_check.loads BACKEND NAME=SECONDS ...`: keep one GPU busy with known work, phase after phase.

Prints the edges of each phase as a worker of leukobench does, and afterwards what the phase did.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from gpu_check.tools import scaled

SIZE = scaled(8192)
"""Rows of the matrices; 2 * SIZE**3 operations a product."""
MOVED = 16 * SIZE * SIZE
"""Bytes of the vector that `memory` reads and writes: 1 GiB, far more than any cache holds."""
COPIED = 4 * SIZE * SIZE
"""Bytes of one copy to the GPU."""
STEP, LAYERS = scaled(2048), 20
"""Rows of the matrices and number of products of `step`, which takes milliseconds, as a step of training does."""
LEAD_S = 1.5
"""Each phase has begun its work so long before it is told: NVML averages over up to a second."""

UNITS = {"bfloat16": 64, "half": 8, "float32": 2, "memory": 8}
"""Units that are given to the GPU before one waits for the last of them."""

Work = Callable[[], object]
"""Gives the GPU one unit."""
Wait = Callable[[Any], object]
"""Waits until a unit is done."""


def main(backend: str, plan: list[str]) -> None:
    """Do the phases of a plan."""
    for entry in plan:
        name, _, seconds = entry.partition("=")
        work, wait = (_rest, _rest) if name == "idle" else MAKERS[backend](name)
        wait(work())  # compiles
        keep_busy(name, work, wait, LEAD_S)
        _tell("phase_started", name)
        units, passed = keep_busy(name, work, wait, float(seconds))
        _tell("phase_ended", name, units=units, seconds=passed)


def keep_busy(name: str, work: Work, wait: Wait, seconds: float) -> tuple[int, float]:
    """Do a kind of work for some time; the number of units, and the seconds that passed."""
    units, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if name == "idle" or (name == "half" and passed % 0.4 > 0.2):
            time.sleep(0.01)
            continue
        for _ in range(UNITS.get(name, 1)):
            last = work()
            units += 1
        wait(last)
    return units, passed


def bytes_per_second(backend: str, seconds: float = 1.0) -> float:
    """Rate at which the GPU reads and writes its memory, counting both."""
    work, wait = MAKERS[backend]("memory")
    wait(work())
    units, passed = keep_busy("memory", work, wait, seconds)
    return 2 * MOVED * units / passed


def _rest(value: object = None) -> None:
    """Nothing to do, nothing to wait for."""


def _tell(event: str, phase: str, **more: Any) -> None:
    print(json.dumps({"event": event, "phase": phase, "t": time.monotonic_ns(), **more}), flush=True)


def _jax(name: str) -> tuple[Work, Wait]:
    import jax
    import numpy as np

    if name == "copies":
        block = np.zeros(COPIED, np.uint8)
        return lambda: jax.device_put(block), jax.block_until_ready
    if name == "memory":
        vector = jax.numpy.ones(MOVED // 4, jax.numpy.float32)
        scale = jax.jit(lambda one: one * 1.0001)
        return lambda: scale(vector), jax.block_until_ready
    if name == "step":
        weights = jax.numpy.ones((STEP, STEP), jax.numpy.float32)
        layers = jax.jit(lambda one: jax.lax.fori_loop(0, LAYERS, lambda _, two: two @ weights / STEP, one))
        return lambda: layers(weights), jax.block_until_ready
    kind = jax.numpy.float32 if name == "float32" else jax.numpy.bfloat16
    matrix = jax.random.normal(jax.random.key(0), (SIZE, SIZE), kind)
    precision = "highest" if name == "float32" else None
    product = jax.jit(lambda one: jax.numpy.matmul(one, one, precision=precision))
    return lambda: product(matrix), jax.block_until_ready


def _torch(name: str) -> tuple[Work, Wait]:
    import torch

    place = "cuda" if torch.cuda.is_available() else "cpu"

    def wait(last: object) -> None:
        if place == "cuda":
            torch.cuda.synchronize()

    torch.backends.cuda.matmul.allow_tf32 = False
    if name == "copies":
        block = torch.zeros(COPIED, dtype=torch.uint8)
        block = block.pin_memory() if place == "cuda" else block
        return lambda: block.to(place, non_blocking=True, copy=True), wait
    if name == "memory":
        vector = torch.ones(MOVED // 4, device=place)
        result = torch.empty_like(vector)
        return lambda: torch.mul(vector, 1.0001, out=result), wait
    if name == "step":
        weights = torch.ones(STEP, STEP, device=place)
        return lambda: [torch.matmul(weights, weights) for _ in range(LAYERS)], wait
    kind = torch.float32 if name == "float32" else torch.bfloat16
    matrix = torch.randn(SIZE, SIZE, device=place, dtype=kind)
    return lambda: torch.matmul(matrix, matrix), wait


def _tensorflow(name: str) -> tuple[Work, Wait]:
    import numpy as np
    import tensorflow as tf

    def wait(last: Any) -> None:
        tf.reshape(last, [-1])[:1].numpy()

    tf.config.experimental.enable_tensor_float_32_execution(False)
    if name == "copies":
        block = np.zeros(COPIED, np.uint8)
        return lambda: tf.identity(block), wait
    if name == "memory":
        vector = tf.ones(MOVED // 4)
        return lambda: vector * 1.0001, wait
    if name == "step":
        weights = tf.ones((STEP, STEP))
        return lambda: [tf.matmul(weights, weights) for _ in range(LAYERS)][-1], wait
    kind = tf.float32 if name == "float32" else tf.bfloat16
    matrix = tf.cast(tf.random.normal((SIZE, SIZE)), kind)
    return lambda: tf.matmul(matrix, matrix), wait


MAKERS: dict[str, Callable[[str], tuple[Work, Wait]]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
