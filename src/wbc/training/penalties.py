"""L1 and L2 penalties on kernels."""

import keras

from wbc.specification import Specification


def penalise_kernels(model: keras.Model, specification: Specification) -> None:
    """Add the penalties of all kernels that train, of convolutions and dense layers, to a model's loss.

    Biases, and scales and shifts of normalisation, have no penalty. Kernels that are frozen have none while
    they are. To be called before the model is compiled.
    """
    if not (specification.l1 or specification.l2):
        return
    penalty = keras.regularizers.L1L2(l1=specification.l1, l2=specification.l2)
    for variable in model.trainable_variables:
        # Keras asks each variable for its penalty when it computes the loss, so built networks can get one.
        if "kernel" in variable.name:
            variable.regularizer = penalty
