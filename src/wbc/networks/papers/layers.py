"""Layers that several networks of the papers share. Loads Keras."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("wbc")
class LocalResponseNormalization(keras.layers.Layer):
    """Divide every activity by what its neighbours in the same place, in adjacent maps, amount to.

    b = a / (k + alpha * sum of a^2 over `size` adjacent maps) ^ beta, with the paper's constants.

    References:
        Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks.
        NIPS 2012, section 3.3.
    """

    def __init__(self, size: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs):
        super().__init__(**kwargs)
        self.size, self.k, self.alpha, self.beta = size, k, alpha, beta

    def build(self, input_shape):
        """Note which maps are adjacent."""
        maps = np.arange(input_shape[-1])
        self.adjacent = (np.abs(maps[:, None] - maps) <= self.size // 2).astype("float32")

    def call(self, x):
        """Normalise maps, shape (images, height, width, maps)."""
        sums = ops.matmul(ops.square(x), ops.cast(self.adjacent, x.dtype))
        return x / ops.power(self.k + self.alpha * sums, self.beta)

    def get_config(self):
        """The settings from which Keras builds the layer again."""
        own = {"size": self.size, "k": self.k, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("wbc")
class GroupedConvolution(keras.layers.Conv2D):
    """A convolution in groups, each of which sees its own share of the maps; arguments as `Conv2D`.

    The same numbers as `Conv2D(groups=...)`. On a processor, TensorFlow has no grouped kernel and Keras falls
    back on one that is over a hundred times slower than the groups one by one (a training step with 32
    groups of 16 maps, 14 x 14 pixels: 2.0 s against 0.013 s).
    """

    def convolution_op(self, inputs, kernel):
        """Convolve group by group where that is faster."""
        convolve = super().convolution_op
        if self.groups == 1 or _has_grouped_kernels():
            return convolve(inputs, kernel)
        shares = ops.split(inputs, self.groups, axis=-1)
        kernels = ops.split(kernel, self.groups, axis=-1)
        return ops.concatenate([convolve(*pair) for pair in zip(shares, kernels, strict=True)], axis=-1)


def _has_grouped_kernels() -> bool:
    """Whether the backend computes grouped convolutions fast here: not TensorFlow or JAX on a processor."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    return True


@keras.saving.register_keras_serializable("wbc")
class ResidualDrop(keras.layers.Layer):
    """Stochastic depth: while training drop a block's residual, for the whole mini-batch or not at all.

    A residual survives with probability `survival`; when not training it is multiplied by it. What is
    dropped is computed all the same, so this saves no time.

    References:
        Huang, Sun, Liu, Sedra, Weinberger: Deep Networks with Stochastic Depth. ECCV 2016, section 3.
    """

    def __init__(self, survival: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.survival, self.seed = survival, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=None):
        """Drop or keep residuals, shape (images, height, width, maps)."""
        if not training:
            return x * self.survival
        draw = keras.random.uniform((1, 1, 1, 1), seed=self.seed_generator)
        return x * ops.cast(draw < self.survival, x.dtype)

    def get_config(self):
        """The settings from which Keras builds the layer again."""
        return {**super().get_config(), "survival": self.survival, "seed": self.seed}


@keras.saving.register_keras_serializable("wbc")
class MaxRms(keras.constraints.Constraint):
    """Scale every filter whose root mean square exceeds a radius back to it.

    References:
        Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section 3.1.
    """

    def __init__(self, radius: float = 0.1):
        self.radius = radius

    def __call__(self, w):
        """Constrain kernels, shape (height, width, maps before, filters)."""
        rms = ops.sqrt(ops.mean(ops.square(w), axis=(0, 1, 2), keepdims=True))
        return w * (self.radius / ops.maximum(rms, self.radius))

    def get_config(self):
        """The settings from which Keras builds the constraint again."""
        return {"radius": self.radius}
