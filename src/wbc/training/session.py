"""Settings of Keras that hold for a whole process."""

import keras
import numpy as np

from wbc.specification import Specification
from wbc.training.distribution import Distribution


def open_session(specification: Specification) -> Distribution:
    """Set data format, precision, seeds and determinism, whatever a user's `keras.json` says.

    Returns:
        The devices that will share the work; models are built in its scope.

    Raises:
        InputError: There are not as many devices as the experiment is to be trained on.
    """
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(specification.seed)
    if specification.deterministic:
        _enable_deterministic_operations()
    return Distribution(specification.replicas)


def trainable_parameters(model: keras.Model) -> int:
    """How many numbers of a model training changes."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _enable_deterministic_operations() -> None:
    """TensorFlow only: ask for operations that repeat to the last bit, slower where they differ."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
