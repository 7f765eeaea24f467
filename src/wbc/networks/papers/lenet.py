"""LeNet-5, the network of LeCun et al. (1998). Loads Keras.

As in the paper: the sizes and numbers of the maps (C1, S2, C3, S4, C5, F6), the incomplete connections of
C3 (table I), sub-sampling with a trainable coefficient and bias a map, and the scaled tanh after every layer
up to F6. Up to F6 a grey image of 32 x 32 pixels has the published 60,000 trainable parameters.

Different from the paper:

- The input may have three colours and any size from 32 x 32 pixels on. C5 then yields a map instead of a
  vector, as the paper describes for larger inputs; F6 sees the mean of that map.
- A dense layer with softmax stands in the place of the RBF units with their fixed codes.
- Weights start from LeCun's uniform initialisation of variance 1/fan-in, made for this tanh (LeCun et al.,
  Efficient BackProp, 1998), not from the uniform range of 2.4/fan-in; sub-sampling starts as plain averaging.
- Pixels come scaled to -1 to 1. The paper scales background to -0.1 and ink to 1.175, for a mean near 0 and
  a variance near 1; a photograph has neither ink nor background.

References:
    LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition. Proceedings of
    the IEEE 86 (11), 1998, section II.B and appendix A.
"""

import keras
import numpy as np

from wbc.networks.papers.scaling import symmetric

preprocess_input = symmetric

# Table I: the maps of S2 that each map of C3 sees: three neighbours, four neighbours, two pairs, all.
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
        input_shape: Height, width and number of colours of the images; height and width at least 32.
        classes: Number of classes; None for the feature maps of C5 in place of a classifier.
        name: Name of the model.

    Returns:
        A model of images (values -1 to 1) with class probabilities, shape (images, classes), or
        feature maps, shape (images, height // 4 - 7, width // 4 - 7, 120), as its output.
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


@keras.saving.register_keras_serializable("wbc")
def squash(x):
    """The paper's sigmoid: a tanh, scaled so that 1 and -1 are mapped to themselves."""
    return 1.7159 * keras.ops.tanh(x * (2 / 3))


def _convolution(maps: int, name: str) -> keras.layers.Layer:
    return keras.layers.Conv2D(maps, 5, activation=squash, kernel_initializer="lecun_uniform", name=name)


@keras.saving.register_keras_serializable("wbc")
class Subsampling(keras.layers.Layer):
    """Sum of every 2 x 2 pixels, times a trainable coefficient a map, plus a trainable bias, squashed."""

    def build(self, input_shape):
        """Create coefficient and bias of every map."""
        start = keras.initializers.Constant(0.25)
        self.coefficient = self.add_weight(shape=(input_shape[-1],), initializer=start, name="coefficient")
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, x):
        """Sub-sample maps, shape (images, height, width, maps)."""
        sums = 4 * keras.ops.average_pool(x, 2, strides=2, padding="valid")
        return squash(sums * self.coefficient + self.bias)


@keras.saving.register_keras_serializable("wbc")
class PartialConvolution(keras.layers.Layer):
    """A 5 x 5 convolution whose maps see some of the maps before them, squashed.

    Args:
        sources: For every map the indices of the maps that it sees.
        **kwargs: As of every Keras layer.
    """

    def __init__(self, sources: tuple[tuple[int, ...], ...], **kwargs):
        super().__init__(**kwargs)
        self.sources = tuple(tuple(source) for source in sources)

    def build(self, input_shape):
        """Create a 5 x 5 kernel for every connection and a bias for every map."""
        before, maps = input_shape[-1], len(self.sources)
        connections = [(source, target) for target in range(maps) for source in self.sources[target]]
        # One row a connection, with a one at its place in the kernel of the full convolution.
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

    def call(self, x):
        """Convolve maps, shape (images, height, width, maps)."""
        kernel = keras.ops.reshape(keras.ops.matmul(self.kernel, self.place), self.kernel_shape)
        return squash(keras.ops.conv(x, kernel, padding="valid") + self.bias)

    def get_config(self):
        """The settings from which Keras builds the layer again."""
        return {**super().get_config(), "sources": self.sources}
