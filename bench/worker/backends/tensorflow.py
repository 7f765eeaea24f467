"""Keras with TensorFlow, which everything is built for."""

import os
from typing import Any

from bench.worker import protocol
from bench.worker.environment import granted_cores

TITLE = "TensorFlow"


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
        # Otherwise TensorFlow takes all memory at once, and what the cell needs cannot be seen.
        tf.config.experimental.set_memory_growth(gpu, True)
    build = tf.sysconfig.get_build_info()
    without = "none: a CPU build"
    return {
        "tensorflow": tf.__version__,
        "replicas": replicas,
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", "") for gpu in gpus],
        "cuda": build.get("cuda_version", without),
        "cudnn": build.get("cudnn_version", without),
    }
