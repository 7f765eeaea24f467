"""What a cell runs in: the machine, and the deep-learning framework with the device that it was given."""

import os
import platform
from typing import Any

from bench.worker import protocol


class SetupError(Exception):
    """The cell cannot run in this environment."""


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
        SetupError: The cell was given a GPU that TensorFlow does not see, or TensorFlow cannot be imported.
    """
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise SetupError(f"TensorFlow or Keras cannot be imported: {error}") from error
    gpus = tf.config.list_physical_devices("GPU")
    if os.environ.get(protocol.DEVICE_KIND) == "gpu" and not gpus:
        raise SetupError(
            "the cell was given a GPU, but TensorFlow sees none (a CPU build, or a broken driver)"
        )
    for gpu in gpus:
        # Otherwise TensorFlow takes all memory at once, and what the cell needs cannot be seen.
        tf.config.experimental.set_memory_growth(gpu, True)
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", "") for gpu in gpus],
    }
