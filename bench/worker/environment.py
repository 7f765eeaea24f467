"""What a cell runs in: the machine, and the deep-learning framework with the device that it was given."""

import os
import platform
from typing import Any

from bench.worker import protocol


class SetupError(Exception):
    """The cell cannot run in this environment."""


def keep_to_cores() -> None:
    """Keep this process, and the threads that it will start, to the cores that the cell was given.

    To be called before NumPy is imported, whose threads are counted at import.

    Raises:
        SetupError: None of these cores may be used any more.
    """
    if not (given := os.environ.get(protocol.CORES)):
        return
    try:
        os.sched_setaffinity(0, map(int, given.split(",")))
    except OSError as error:
        raise SetupError(f"the cell was given cores {given}, but may use none of them: {error}") from error
    os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))


def describe_machine() -> dict[str, Any]:
    """What can be said without loading a framework."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
    }


def load_tensorflow() -> dict[str, Any]:
    """Import TensorFlow, claim the device, and say what was found.

    Raises:
        SetupError: The cell was given GPUs that TensorFlow does not see, or TensorFlow cannot be imported.
    """
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise SetupError(f"TensorFlow or Keras cannot be imported: {error}") from error
    threads = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    given = int(os.environ.get(protocol.REPLICAS, "1"))
    if os.environ.get(protocol.DEVICE_KIND) == "gpu" and len(gpus) < given:
        raise SetupError(
            f"the cell was given {'a GPU' if given == 1 else f'{given} GPUs'}, but TensorFlow sees "
            f"{len(gpus) or 'none'} (a CPU build, or a broken driver)"
        )
    if given > 1 and not gpus:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(given)]
        tf.config.set_logical_device_configuration(processor, logical)
    for gpu in gpus:
        # Otherwise TensorFlow takes all memory at once, and what the cell needs cannot be seen.
        tf.config.experimental.set_memory_growth(gpu, True)
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "replicas": given,
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", "") for gpu in gpus],
    }
