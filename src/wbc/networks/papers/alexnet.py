"""AlexNet, the network of Krizhevsky et al. (2012). Loads Keras.

As in the paper: the five convolutions and three dense layers, the second, fourth and fifth convolution in two
groups (there one a GPU), response normalisation after the first two, overlapping pooling, dropout, Gaussian
weights of deviation 0.01 and biases of 1 in the second, fourth and fifth convolution and the hidden dense
layers. `groups=1` is the same network in one piece.

Different from the paper:

- It names images of 224 x 224 pixels and yet 55 x 55 first maps; two pixels of padding make both true.
- Any size from 63 x 63 pixels on is accepted; the first dense layer then has as many inputs as there are
  features, so the number of parameters depends on the size.
- The mean of ImageNet's colours is taken away, not a mean image.

References:
    Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks. NIPS 2012,
    sections 3 to 5.
"""

import keras
from keras import layers

from wbc.networks.papers.layers import GroupedConvolution, LocalResponseNormalization
from wbc.networks.papers.scaling import centred

preprocess_input = centred


def alexnet(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    groups: int = 2,
    dropout: float = 0.5,
    name: str = "alexnet",
) -> keras.Model:
    """Build AlexNet.

    Args:
        input_shape: Height, width and number of colours of the images; height and width at least 63.
        classes: Number of classes; None for the pooled maps of the fifth convolution.
        groups: Groups of the second, fourth and fifth convolution.
        dropout: Rate of dropout before the two hidden dense layers.
        name: Name of the model.

    Returns:
        A model of images with class probabilities, shape (images, classes), or feature maps, shape
        (images, height, width, 256), as its output.
    """
    inputs = keras.Input(input_shape)
    x = layers.ZeroPadding2D(2, name="pad")(inputs)
    x = _convolution(96, 11, "conv1", strides=4, padding="valid")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = _convolution(256, 5, "conv2", groups=groups, bias_initializer="ones")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = _convolution(384, 3, "conv3")(x)
    x = _convolution(384, 3, "conv4", groups=groups, bias_initializer="ones")(x)
    x = _convolution(256, 3, "conv5", groups=groups, bias_initializer="ones")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.Flatten(name="flatten")(x)
    for layer in ("fc6", "fc7"):
        x = layers.Dropout(dropout, name=f"dropout_{layer}")(x)
        x = layers.Dense(4096, "relu", kernel_initializer=_gaussian(), bias_initializer="ones", name=layer)(x)
    outputs = layers.Dense(classes, "softmax", kernel_initializer=_gaussian(), name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


def _convolution(filters: int, size: int, name: str, *, padding: str = "same", **more) -> layers.Layer:
    return GroupedConvolution(
        filters, size, padding=padding, activation="relu", kernel_initializer=_gaussian(), name=name, **more
    )


def _gaussian() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.01)
