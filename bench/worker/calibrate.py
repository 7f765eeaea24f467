"""`python -m bench.worker.calibrate`: measure the peak rates of one device; prints JSON.

It is a process of its own, confined to a slot as a trial's worker is, so that the harness never loads TensorFlow.
The rates are the roofline's (Williams, Waterman and Patterson: Roofline, 2009). Noise only slows things down, so
the best of many runs counts.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench.worker import protocol
from bench.worker.environment import SetupError, granted_cores, keep_to_cores
from bench.worker.jsonl import Facts
from bench.worker.startup import own_packages_first

CHAIN = 4
"""Operations per call. Each uses the result of the one before, so none can be skipped, merged or overlapped."""

_SIZES = {"cpu": (1024, 2048, 4096), "gpu": (4096, 8192, 16384)}
_BYTES = {"cpu": 256 << 20, "gpu": 1 << 30}
_BF16_FLAGS = ("avx512_bf16", "amx_bf16")
_AMPERE, _VOLTA = (8, 0), (7, 0)

Rate = Facts
"""`best`, `median`, `runs`, and `size` of a matrix; or `unavailable`, the reason."""


def best_rate(
    call: Callable[[], object], work: float, budget_s: float, clock: Callable[[], float] = time.perf_counter
) -> Rate:
    """Call repeatedly and keep the best rate.

    Args:
        call: Does the work, and returns only when it is done.
        work: The work of one call, such as floating-point operations.
        budget_s: For how many seconds; there are at least three calls.
        clock: Seconds.

    Returns:
        `best` and `median` (work per second), `runs`.
    """
    call()  # traces, compiles and tunes
    rates: list[float] = []
    began = clock()
    while len(rates) < 3 or clock() - began < budget_s:
        start = clock()
        call()
        rates.append(work / (clock() - start))
    return {"best": max(rates), "median": sorted(rates)[len(rates) // 2], "runs": len(rates)}


def matmul_rate(tf: Any, device: str, dtype: str, sizes: tuple[int, ...], budget_s: float) -> Rate:
    """The best rate of matrix products, floating-point operations per second; sizes grow until that gains
    nothing."""
    found: Rate = {}
    for size in sizes:
        with tf.device(device):
            left = tf.cast(tf.random.normal((size, size)), dtype)
            right = tf.cast(tf.random.normal((size, size)) / size**0.5, dtype)

            def chained(left: Any, right: Any) -> Any:
                for _ in range(CHAIN):
                    left = tf.matmul(left, right)
                return left[:1, :1]  # reading one number back waits for all of them

            call = partial(_number_of, tf.function(chained, jit_compile=False), left, right)
            rate = best_rate(call, 2.0 * size**3 * CHAIN, budget_s)
        if found and rate["best"] < 1.03 * found["best"]:
            break
        found = {**rate, "size": size}
        if 2.0 * (2 * size) ** 3 * CHAIN * 4 / rate["best"] > 4 * budget_s:
            break  # the next size would take too long
    return found


def bandwidth(tf: Any, device: str, size: int, budget_s: float) -> Rate:
    """Bytes read and written per second by sums and products of long vectors.

    Both operands are tensors: with a constant TensorFlow would merge the chain into one operation.
    """
    numbers = size // 4
    with tf.device(device):
        first, second = tf.random.normal((numbers,)), tf.random.normal((numbers,))

        def chained(first: Any, second: Any) -> Any:
            for step in range(CHAIN):
                first = first * second if step % 2 else first + second
            return first[0]

        return best_rate(
            partial(_number_of, tf.function(chained, jit_compile=False), first, second),
            3.0 * 4 * numbers * CHAIN,
            budget_s,
        )


def _number_of(function: Callable[[Any, Any], Any], first: Any, second: Any) -> object:
    """Call a function of TensorFlow and wait for its result."""
    return function(first, second).numpy()


def measure(budget_s: float) -> Facts:
    """Measure the device that this process was given.

    Returns:
        `kind`, `device` (its name if TensorFlow reports it), `cores`, `tensorflow`, and the rates
        `matmul_float32`, `matmul_tensorfloat32`, `matmul_bfloat16`, `matmul_float16` (floating-point
        operations per second) and `bandwidth` (bytes per second), each as `best_rate` returns it, or
        `{"unavailable": reason}`; `settings` (`onednn`, `tensorfloat32`) and `reference_work` (see
        `wbc.reference_work`).
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    from bench.worker.backends import onednn, tensorfloat32
    from wbc.reference_work import measure_reference_work

    tf.config.threading.set_intra_op_parallelism_threads(granted_cores())
    gpus = tf.config.list_physical_devices("GPU")
    kind = "gpu" if os.environ.get(protocol.DEVICE_KIND) == "gpu" else "cpu"
    if kind == "gpu" and not gpus:
        raise SetupError("TensorFlow sees no GPU (a CPU build, or a broken driver)")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    details = tf.config.experimental.get_device_details(gpus[0]) if kind == "gpu" else {}
    place, sizes = f"/{kind.upper()}:0", _SIZES[kind]
    measured: Facts = {
        "kind": kind,
        "device": details.get("device_name", ""),
        "cores": granted_cores(),
        "tensorflow": tf.__version__,
    }
    missing = _missing(kind, details.get("compute_capability"))

    def rate(name: str, dtype: str) -> None:
        try:
            measured[name] = (
                {"unavailable": missing[name]}
                if name in missing
                else matmul_rate(tf, place, dtype, sizes, budget_s)
            )
        except tf.errors.OpError as error:  # no kernel, or no memory
            measured[name] = {"unavailable": " ".join(str(error).split())[:200]}

    tf.config.experimental.enable_tensor_float_32_execution(False)
    rate("matmul_float32", "float32")
    rate("matmul_bfloat16", "bfloat16")
    rate("matmul_float16", "float16")
    tf.config.experimental.enable_tensor_float_32_execution(True)
    rate("matmul_tensorfloat32", "float32")
    try:
        measured["bandwidth"] = bandwidth(tf, place, _BYTES[kind], budget_s)
    except tf.errors.OpError as error:  # a small card has no room for the vectors
        measured["bandwidth"] = {"unavailable": " ".join(str(error).split())[:200]}
    capability = [details.get("compute_capability")] if kind == "gpu" else []
    measured["settings"] = {"onednn": onednn(), "tensorfloat32": tensorfloat32(True, capability)}
    # Measured as a trial measures its own, which is compared with it.
    works = [measure_reference_work("tensorflow") for _ in range(3)]
    measured["reference_work"] = asdict(max(works, key=lambda work: work.gflops))
    return measured


def _missing(kind: str, capability: tuple[int, int] | None) -> dict[str, str]:
    """Rate -> why a device does not have it."""
    if kind == "gpu":
        if capability is None or capability >= _AMPERE:
            return {}
        old = "GPUs have it since Ampere (compute capability 8.0); this one has {}.{}".format(*capability)
        missing = {"matmul_tensorfloat32": old, "matmul_bfloat16": old}
        if capability < _VOLTA:
            missing["matmul_float16"] = "GPUs have tensor cores for it since Volta (compute capability 7.0)"
        return missing
    missing = {
        "matmul_tensorfloat32": "a format of NVIDIA's tensor cores",
        "matmul_float16": "not measured on processors",
    }
    if not _processor_has(_BF16_FLAGS):
        missing["matmul_bfloat16"] = f"the processor has no instructions for it ({' or '.join(_BF16_FLAGS)})"
    return missing


def _processor_has(flags: tuple[str, ...]) -> bool:
    try:
        known = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return any(flag in known for flag in flags)


def main(arguments: list[str]) -> str | None:
    """Measure and print; where that fails, return the reason in one line for `sys.exit`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        keep_to_cores()
        print(json.dumps(measure(float(arguments[0]) if arguments else 0.4)))
    except (SetupError, ImportError) as error:
        return f"cannot measure: {' '.join(str(error).split())}"
    return None


if __name__ == "__main__":
    own_packages_first()
    sys.exit(main(sys.argv[1:]))
