"""Keras optimisers by name."""

import keras

from wbc.optimizer import OptimizerSpecification


def build_optimizer(specification: OptimizerSpecification) -> keras.optimizers.Optimizer:
    """The optimiser with the rate `learning_rate / (1 + decay * step)`.

    That is what the `decay` argument meant in the Keras of the thesis; Keras 3 has no such argument.

    Raises:
        InputError: An argument is not the optimiser's own, or they make no sense together.
    """
    arguments = specification.resolved()
    name, rate, decay = (arguments.pop(key) for key in ("name", "learning_rate", "decay"))
    if decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay)
    if not arguments["weight_decay"] and name != "AdamW":
        del arguments["weight_decay"]  # spares a pass over the weights; AdamW insists on a number
    return getattr(keras.optimizers, name)(learning_rate=rate, **arguments)
