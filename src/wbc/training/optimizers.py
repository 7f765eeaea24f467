"""Keras optimisers by name."""

import keras

from wbc.specification import OptimizerSpecification


def build_optimizer(specification: OptimizerSpecification) -> keras.optimizers.Optimizer:
    """The optimiser with the rate `learning_rate / (1 + decay * step)`.

    That is what the `decay` argument meant in the Keras of the thesis; Keras 3 has no such argument.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = specification.learning_rate
    if specification.decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(
            specification.learning_rate, decay_steps=1, decay_rate=specification.decay
        )
    return getattr(keras.optimizers, specification.name)(learning_rate=rate)
