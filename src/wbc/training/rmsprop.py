"""RMSprop as Keras 2 had it."""

from typing import Any

import keras
from keras import ops


class Keras2RMSprop(keras.optimizers.RMSprop):
    """RMSprop that divides a gradient by sqrt(mean) + epsilon; Keras 3 divides it by sqrt(mean + epsilon).

    Once the mean of squared gradients is near epsilon, the steps of Keras 3 are far shorter: for a steady
    gradient of 1e-4, 1e-5 or 1e-6 and an epsilon of 1e-7 they are 3.3, 31 and 288 times shorter.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable; Keras calls this."""
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        mean = self._velocities[self._get_variable_index(variable)]
        new = self.rho * mean + (1 - self.rho) * ops.square(gradient)
        self.assign(mean, new)
        self.assign_sub(variable, rate * gradient / (ops.sqrt(new) + self.epsilon))
