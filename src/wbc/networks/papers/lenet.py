"""LeNet-5, the network of LeCun et al. (1998). Loads Keras.

As in the paper: the sizes and numbers of the maps (C1, S2, C3, S4, C5, F6) and the incomplete connections of C3 (table
I). Sub-sampling has a trainable coefficient and bias per map. A scaled tanh follows every layer up to F6. Up to F6, a
gray image of 32 x 32 pixels needs the published 60,000 trainable parameters.

Differences from the paper:

- The input may have three colors and any size from 32 x 32 pixels. C5 then yields a map instead of a vector,
  as the paper describes for larger inputs. F6 sees the mean of that map.
- A dense layer with softmax replaces the RBF units with their fixed codes.
- Weights start from LeCun's uniform initialization with variance 1/fan-in, which suits this tanh (LeCun et
  al., Efficient BackProp, 1998). The paper uses a uniform range of 2.4/fan-in. Sub-sampling starts as an
  average.
- Pixels are scaled to -1 to 1. The paper scales background to -0.1 and ink to 1.175, for a mean near 0 and a
  variance near 1. A photograph has neither ink nor background.

References:
    LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition. Proceedings of
    the IEEE 86 (11), 1998, section II.B and appendix A.
"""

from typing import Any

import keras
import numpy as np

from wbc.networks.preprocessing import symmetric

preprocess_input = symmetric

# Table I: the maps of S2 that each map of C3 sees: three neighbors, four neighbors, two pairs, all.
C3_SOURCES = (
    *(tuple((first + step) % 6 for step in range(3)) for first in range(6)),
    *(tuple((first + step) % 6 for step in range(4)) for first in range(6)),
    *(tuple((first + step) % 6 for step in (0, 1, 3, 4)) for first in range(3)),
    tuple(range(6)),
)


def lenet5(
    input_shape: tuple[int, int, int], classes: int | None = None, name: str = "lenet5"
) -> keras.Model:
    """Build LeNet-5.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 32.
        classes: Number of classes; None for the feature maps of C5.
        name: Name of the model.

    Returns:
        A model from images (values -1 to 1) to class probabilities, shape (images, classes), or to feature
        maps, shape (images, height // 4 - 7, width // 4 - 7, 120).
    """
    inputs = keras.Input(input_shape)
    maps = _convolution(6, "c1")(inputs)
    maps = Subsampling(name="s2")(maps)
    maps = PartialConvolution(C3_SOURCES, name="c3")(maps)
    maps = Subsampling(name="s4")(maps)
    maps = _convolution(120, "c5")(maps)
    if classes is None:
        return keras.Model(inputs, maps, name=name)
    features = keras.layers.GlobalAveragePooling2D(name="mean")(maps)
    features = keras.layers.Dense(84, squash, kernel_initializer="lecun_uniform", name="f6")(features)
    outputs = keras.layers.Dense(classes, "softmax", name="predictions")(features)
    return keras.Model(inputs, outputs, name=name)


@keras.saving.register_keras_serializable("wbc")  # type: ignore[untyped-decorator]
def squash(x: keras.KerasTensor) -> keras.KerasTensor:
    """The sigmoid of the paper: a tanh, scaled so that 1 and -1 map to themselves."""
    return 1.7159 * keras.ops.tanh(x * (2 / 3))


def _convolution(maps: int, name: str) -> keras.layers.Layer:
    return keras.layers.Conv2D(maps, 5, activation=squash, kernel_initializer="lecun_uniform", name=name)


@keras.saving.register_keras_serializable("wbc")
class Subsampling(keras.layers.Layer):
    """Sum of every 2 x 2 pixels, times a trainable coefficient per map, plus a trainable bias, squashed."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the coefficient and the bias of every map."""
        start = keras.initializers.Constant(0.25)
        self.coefficient = self.add_weight(shape=(input_shape[-1],), initializer=start, name="coefficient")
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Sub-sample maps, shape (images, height, width, maps)."""
        sums = 4 * keras.ops.average_pool(x, 2, strides=2, padding="valid")
        return squash(sums * self.coefficient + self.bias)


@keras.saving.register_keras_serializable("wbc")
class PartialConvolution(keras.layers.Layer):
    """A 5 x 5 convolution, squashed. Each of its maps sees only some of the input maps.

    Args:
        sources: For every map, the indices of the input maps that it sees.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, sources: tuple[tuple[int, ...], ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sources = tuple(tuple(source) for source in sources)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create a 5 x 5 kernel for every connection and a bias for every map."""
        before, maps = input_shape[-1], len(self.sources)
        connections = [(source, target) for target in range(maps) for source in self.sources[target]]
        # One row per connection, with a 1 at its place in the kernel of the full convolution.
        place = np.zeros((len(connections), before * maps), "float32")
        for row, (source, target) in enumerate(connections):
            place[row, source * maps + target] = 1
        self.place = place
        self.kernel_shape = (5, 5, before, maps)
        fan_in = 25 * len(connections) / maps
        limit = (3 / fan_in) ** 0.5
        start = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight(shape=(25, len(connections)), initializer=start, name="kernel")
        self.bias = self.add_weight(shape=(maps,), initializer="zeros", name="bias")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve maps, shape (images, height, width, maps)."""
        full = keras.ops.matmul(self.kernel, keras.ops.cast(self.place, x.dtype))
        kernel = keras.ops.reshape(full, self.kernel_shape)
        return squash(keras.ops.conv(x, kernel, padding="valid") + self.bias)

    def get_config(self) -> dict[str, Any]:
        """The settings from which Keras rebuilds the layer."""
        return {**super().get_config(), "sources": self.sources}
