"""Settings of Keras that hold for a whole process."""

import keras
import numpy as np

from wbc.errors import InputError
from wbc.specification import Specification
from wbc.training.distribution import Distribution


def open_session(specification: Specification) -> Distribution:
    """Set data format, precision, seeds and determinism, whatever a user's `keras.json` says.

    Returns:
        The devices that will share the work; models are built in its scope.

    Raises:
        InputError: There are not as many devices as the experiment is to be trained on, it asks another
            backend for what only TensorFlow can do, or Keras was loaded with another one than it is for.
    """
    specification.check_backend()
    backend = keras.backend.backend()
    if backend != specification.backend:
        raise InputError(
            f"the experiment is for Keras with {specification.backend}, but Keras was loaded with {backend}",
            f"Set KERAS_BACKEND={specification.backend} before Keras is imported.",
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(specification.seed)
    if specification.deterministic:
        _DETERMINISTIC[backend]()
    return Distribution(specification.replicas)


def trainable_parameters(model: keras.Model) -> int:
    """How many numbers of a model training changes."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _deterministic_tensorflow() -> None:
    """Ask for operations that repeat to the last bit, slower where they differ."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def _deterministic_jax() -> None:
    """Nothing: JAX' random numbers are functions of their keys, and XLA repeats on processors.

    On a GPU the caller puts `--xla_gpu_exclude_nondeterministic_ops=true` into `XLA_FLAGS` before JAX comes.
    """


def _deterministic_torch() -> None:
    """Ask for operations that repeat to the last bit; PyTorch raises where it has none.

    On a GPU the caller sets `CUBLAS_WORKSPACE_CONFIG=:4096:8` before PyTorch is imported.
    """
    import torch

    torch.use_deterministic_algorithms(True)


_DETERMINISTIC = {
    "tensorflow": _deterministic_tensorflow,
    "jax": _deterministic_jax,
    "torch": _deterministic_torch,
}
"""Backend -> how it is asked; the one place in `wbc.training` that knows backends apart."""
