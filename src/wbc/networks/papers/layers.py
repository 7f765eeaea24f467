"""Layers that the networks from papers share. Loads Keras."""

from typing import Any

import keras
import numpy as np
from keras import ops

from wbc.backends import has_gpu


@keras.saving.register_keras_serializable("wbc")
class LocalResponseNormalization(keras.layers.Layer):
    """Divide every activity by a norm of its neighbors: the same position in adjacent maps.

    b = a / (k + alpha * sum of a^2 over `size` adjacent maps) ^ beta, with the constants of the paper.

    References:
        Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks.
        NIPS 2012, section 3.3.
    """

    def __init__(
        self, size: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.k, self.alpha, self.beta = size, k, alpha, beta

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Store which maps are adjacent."""
        maps = np.arange(input_shape[-1])
        self.adjacent = (np.abs(maps[:, None] - maps) <= self.size // 2).astype("float32")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Normalize maps, shape (images, height, width, maps)."""
        sums = ops.matmul(ops.square(x), ops.cast(self.adjacent, x.dtype))
        return x / ops.power(self.k + self.alpha * sums, self.beta)

    def get_config(self) -> dict[str, Any]:
        """The settings from which Keras rebuilds the layer."""
        own = {"size": self.size, "k": self.k, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("wbc")
class GroupedConvolution(keras.layers.Conv2D):
    """A convolution in groups, each with its own share of the maps; arguments as for `Conv2D`.

    It computes the same numbers as `Conv2D(groups=...)`. On CPUs, TensorFlow has no grouped kernel, and Keras
    uses one that is over a hundred times slower than the groups one by one. A training step with 32 groups of
    16 maps, 14 x 14 pixels, takes 2.0 s instead of 0.013 s.
    """

    def convolution_op(self, inputs: keras.KerasTensor, kernel: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve group by group if that is faster."""
        convolve = super().convolution_op
        if self.groups == 1 or _has_grouped_kernels():
            return convolve(inputs, kernel)
        shares = ops.split(inputs, self.groups, axis=-1)
        kernels = ops.split(kernel, self.groups, axis=-1)
        return ops.concatenate([convolve(*pair) for pair in zip(shares, kernels, strict=True)], axis=-1)


def _has_grouped_kernels() -> bool:
    """Whether the backend has fast grouped convolutions here. TensorFlow and JAX do not on CPUs."""
    backend = keras.backend.backend()
    return backend == "torch" or has_gpu(backend)


@keras.saving.register_keras_serializable("wbc")
class ResidualDrop(keras.layers.Layer):
    """Stochastic depth: during training, drop a block's residual for the whole mini-batch or not at all.

    A residual survives with the probability `survival`. Outside training it is multiplied by that
    probability. Dropped residuals are computed anyway, so this does not save time.

    References:
        Huang, Sun, Liu, Sedra, Weinberger: Deep Networks with Stochastic Depth. ECCV 2016, section 3.
    """

    def __init__(self, survival: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.survival, self.seed = survival, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Drop or keep residuals, shape (images, height, width, maps)."""
        if not training:
            return x * self.survival
        draw = keras.random.uniform((1, 1, 1, 1), seed=self.seed_generator)
        return x * ops.cast(draw < self.survival, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """The settings from which Keras rebuilds the layer."""
        return {**super().get_config(), "survival": self.survival, "seed": self.seed}


@keras.saving.register_keras_serializable("wbc")
class MaxRms(keras.constraints.Constraint):
    """Scale every filter back to a radius if its root mean square exceeds the radius.

    References:
        Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section 3.1.
    """

    def __init__(self, radius: float = 0.1) -> None:
        self.radius = radius

    def __call__(self, w: keras.KerasTensor) -> keras.KerasTensor:
        """Constrain kernels, shape (height, width, input maps, filters)."""
        rms = ops.sqrt(ops.mean(ops.square(w), axis=(0, 1, 2), keepdims=True))
        return w * (self.radius / ops.maximum(rms, self.radius))

    def get_config(self) -> dict[str, Any]:
        """The settings from which Keras rebuilds the constraint."""
        return {"radius": self.radius}
