"""Keras with TensorFlow, which everything is built for."""

import os
from collections.abc import Sequence
from typing import Any

from bench.worker import protocol
from bench.worker.environment import granted_cores

TITLE = "TensorFlow"
_AMPERE = (8, 0)
"""The compute capability from which on GPUs have TF32."""


def claim(deterministic: bool) -> None:
    """Nothing must be set before the import; `wbc` asks TensorFlow itself for deterministic operations."""


def load() -> dict[str, Any]:
    """See `bench.worker.backends.load_backend`."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(granted_cores())
    tf.config.threading.set_inter_op_parallelism_threads(granted_cores())
    gpus = tf.config.list_physical_devices("GPU")
    replicas = int(os.environ.get(protocol.REPLICAS, "1"))
    if replicas > 1 and not gpus:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
        tf.config.set_logical_device_configuration(processor, logical)
    for gpu in gpus:
        # Otherwise TensorFlow takes all memory at once, and what the trial needs cannot be seen.
        tf.config.experimental.set_memory_growth(gpu, True)
    build = tf.sysconfig.get_build_info()
    without = "none: a CPU build"
    return {
        "tensorflow": tf.__version__,
        "replicas": replicas,
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", "") for gpu in gpus],
        "cuda": build.get("cuda_version", without),
        "cudnn": build.get("cudnn_version", without),
        **_computing(tf, gpus),
    }


def _computing(tf, gpus) -> dict[str, Any]:
    """How TensorFlow is set to compute, where that does not stand in the suite."""
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    capabilities = [one.get("compute_capability") for one in details]
    return {
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "compute_capabilities": [".".join(map(str, one)) if one else "unavailable" for one in capabilities],
        "tensorfloat32": tensorfloat32(
            tf.config.experimental.tensor_float_32_execution_enabled(), capabilities
        ),
        "onednn": onednn(),
        "allocator": os.environ.get("TF_GPU_ALLOCATOR", "default") + (", growing" if gpus else ""),
    }


def tensorfloat32(allowed: bool, capabilities: Sequence[tuple[int, int] | None]) -> bool | str:
    """Whether products of float32 numbers are computed in TF32, or a sentence why that is not known.

    Args:
        allowed: TensorFlow's setting, which changes nothing where no device has it.
        capabilities: Compute capability of each GPU, None where TensorFlow does not tell it.
    """
    # NVIDIA's libraries heed the variable below TensorFlow, which does not know of it.
    if not allowed or not capabilities or os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return False
    if None in capabilities:
        return "unavailable: TensorFlow does not tell the compute capability of a GPU"
    having = {capability >= _AMPERE for capability in capabilities}
    return having.pop() if len(having) == 1 else "unavailable: the GPUs differ"


def onednn() -> str:
    """Whether operations on the processor are oneDNN's: `on`, `off`."""
    try:
        # The only place that knows: the build decides, and TF_ENABLE_ONEDNN_OPTS after it.
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:
        return "unavailable: this TensorFlow does not tell"
    return "on" if _pywrap_util_port.IsMklEnabled() else "off"
