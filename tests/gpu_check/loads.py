"""`python -m gpu_check.loads BACKEND NAME=SECONDS ...`: keep one GPU busy with known work, phase after phase.

Prints the edges of each phase as a worker of leukobench does, and afterwards what the phase did.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

SIZE = int(os.environ.get("GPU_CHECK_SIZE", "8192"))
"""Rows of the matrices; 2 * SIZE**3 operations a product."""
COPIED = 256 << 20
"""Bytes of one copy to the GPU."""

Work = Callable[[], None]
"""Does one unit and waits for its end."""


def main(backend: str, plan: list[str]) -> None:
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend]
    for entry in plan:
        name, _, seconds = entry.partition("=")
        work = None if name == "idle" else make(name)
        if work is not None:
            work()  # compiles
        time.sleep(1.5)  # what NVML averages over; the sampler starts meanwhile
        _tell("phase_started", name)
        units, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < float(seconds):
            if work is None or (name == "half" and passed % 0.4 > 0.2):
                time.sleep(0.01)
            else:
                work()
                units += 1
        _tell("phase_ended", name, units=units, seconds=passed)


def _tell(event: str, phase: str, **more: Any) -> None:
    print(json.dumps({"event": event, "phase": phase, "t": time.monotonic_ns(), **more}), flush=True)


def _ignore(value: object) -> None:
    """Once it is there."""


def _jax(name: str) -> Work:
    import jax
    import numpy as np

    if name == "copies":
        block = np.zeros(COPIED, np.uint8)
        return lambda: _ignore(jax.block_until_ready(jax.device_put(block)))
    kind = jax.numpy.float32 if name == "float32" else jax.numpy.bfloat16
    matrix = jax.random.normal(jax.random.key(0), (SIZE, SIZE), kind)
    precision = "highest" if name == "float32" else None
    product = jax.jit(lambda one: jax.numpy.matmul(one, one, precision=precision))
    return lambda: _ignore(jax.block_until_ready(product(matrix)))


def _torch(name: str) -> Work:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    if name == "copies":
        block = torch.zeros(COPIED, dtype=torch.uint8).pin_memory()

        def copy() -> None:
            block.to("cuda", non_blocking=True)
            torch.cuda.synchronize()

        return copy
    matrix = torch.randn(
        SIZE, SIZE, device="cuda", dtype=torch.float32 if name == "float32" else torch.bfloat16
    )

    def multiply() -> None:
        torch.matmul(matrix, matrix)
        torch.cuda.synchronize()

    return multiply


def _tensorflow(name: str) -> Work:
    import numpy as np
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    with tf.device("/GPU:0"):
        if name == "copies":
            block = np.zeros(COPIED, np.uint8)
            return lambda: _ignore(tf.identity(block)[:1].numpy())
        matrix = tf.cast(tf.random.normal((SIZE, SIZE)), tf.float32 if name == "float32" else tf.bfloat16)
        return lambda: _ignore(tf.cast(tf.matmul(matrix, matrix)[0, 0], tf.float32).numpy())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
