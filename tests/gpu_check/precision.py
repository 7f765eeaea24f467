"""`python -m gpu_check.precision BACKEND SECONDS`: the reference work cold and after some load, and the errors of
products of float32 numbers."""

import json
import sys
import time
from pathlib import Path

import numpy as np


def main(backend: str, seconds: float) -> None:
    """Print works, errors, and what the record would say of TF32."""
    from bench.worker.backends import load_backend
    from gpu_check.loads import MAKERS, keep_busy
    from wbc.reference_work import measure_reference_work
    from wbc.specification import Specification

    facts = load_backend(Specification(Path(), Path(), 32, "LeNet5", "scratch", 1, backend=backend))
    errors = {"matmul": error_of_matmul(), "convolution": error_of_convolution()}
    works = []
    for warm in (False, True):
        if warm:
            work, wait = MAKERS[backend]("bfloat16")
            keep_busy("bfloat16", work, wait, seconds)
        began = time.monotonic_ns()
        gflops = measure_reference_work(backend).gflops
        works.append({"gflops": gflops, "began": began, "ended": time.monotonic_ns()})
    print(json.dumps({"works": works, "errors": errors, "tensorfloat32": facts["tensorfloat32"]}))


def error_of_matmul(rows: int = 256, columns: int = 1024) -> float:
    """Relative error of a product, against float64 on the processor."""
    import keras

    generator = np.random.default_rng(0)
    one, other = (generator.standard_normal((rows, columns), np.float32) for _ in range(2))
    found = keras.ops.convert_to_numpy(keras.ops.matmul(one, other.T))
    exact = one.astype(np.float64) @ other.T.astype(np.float64)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def error_of_convolution(channels: int = 256) -> float:
    """The same of a convolution with kernels of one pixel, which is a product too."""
    import keras

    generator = np.random.default_rng(1)
    images = generator.standard_normal((4, 16, 16, channels), np.float32)
    kernels = generator.standard_normal((1, 1, channels, channels), np.float32)
    found = keras.ops.convert_to_numpy(
        keras.ops.conv(images, kernels, padding="same", data_format="channels_last")
    )
    exact = images.astype(np.float64) @ kernels[0, 0].astype(np.float64)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
