"""Settings of Keras that hold for a whole process."""

import keras
import numpy as np

from wbc.specification import Specification


def open_session(specification: Specification) -> None:
    """Set data format, precision, seeds and determinism, whatever a user's `keras.json` says."""
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(specification.seed)
    if specification.deterministic:
        _enable_deterministic_operations()


def trainable_parameters(model: keras.Model) -> int:
    """How many numbers of a model training changes."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _enable_deterministic_operations() -> None:
    """TensorFlow only: ask for operations that repeat to the last bit, slower where they differ."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
