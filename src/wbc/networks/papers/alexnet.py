"""AlexNet (Krizhevsky et al., 2012) and ZFNet (Zeiler and Fergus, 2014). Loads Keras.

AlexNet follows the paper:

- The second, fourth and fifth of its five convolutions are in two groups (in the paper, one per GPU);
  `groups=1` builds the network without groups.
- It has response normalization after the first two convolutions, overlapping pooling, three dense layers and
  dropout.
- Weights start from a Gaussian of deviation 0.01. Biases start at 1 in the second, fourth and fifth
  convolution and in the hidden dense layers.

ZFNet follows figure 3 of its paper: AlexNet with smaller and denser first filters and no groups. Contrast
normalization comes after the first two poolings. Biases start at 0. During training, filters are scaled back
if their root mean square exceeds 0.1.

Differences from the papers:

- AlexNet's paper says images of 224 x 224 pixels, but first maps of 55 x 55. Two pixels of padding make both
  true.
- ZFNet's paper does not give the constants of its normalization. They are AlexNet's.
- Images may be larger or smaller, from 63 x 63 (AlexNet) or 53 x 53 pixels (ZFNet). The number of inputs of
  the first dense layer, and so the number of parameters, depends on the size.
- The mean color of ImageNet is subtracted, not a mean image.

References:
    Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks. NIPS 2012,
    sections 3 to 5.
    Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section 3 and figure 3.
"""

from typing import Any

import keras
from keras import layers

from wbc.networks.papers.layers import GroupedConvolution, LocalResponseNormalization, MaxRms
from wbc.networks.preprocessing import centered

preprocess_input = centered


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
        input_shape: Height, width and number of colors of the images; height and width at least 63.
        classes: Number of classes; None for the pooled maps of the fifth convolution.
        groups: Groups of the second, fourth and fifth convolution.
        dropout: Dropout rate before the two hidden dense layers.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height, width, 256).
    """
    inputs = keras.Input(input_shape)
    x = layers.ZeroPadding2D(2, name="pad")(inputs)
    x = _grouped(96, 11, "conv1", strides=4, padding="valid")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = _grouped(256, 5, "conv2", groups=groups, bias_initializer="ones")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = _grouped(384, 3, "conv3")(x)
    x = _grouped(384, 3, "conv4", groups=groups, bias_initializer="ones")(x)
    x = _grouped(256, 3, "conv5", groups=groups, bias_initializer="ones")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if classes is None:
        return keras.Model(inputs, x, name=name)
    return keras.Model(inputs, _classifier(x, classes, dropout, bias="ones"), name=name)


def zfnet(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    dropout: float = 0.5,
    name: str = "zfnet",
) -> keras.Model:
    """Build ZFNet.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 53.
        classes: Number of classes; None for the pooled maps of the fifth convolution.
        dropout: Dropout rate before the two hidden dense layers.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height, width, 256).
    """
    inputs = keras.Input(input_shape)
    x = layers.ZeroPadding2D(1, name="pad")(inputs)
    x = _constrained(96, 7, "conv1", strides=2, padding="valid")(x)
    # 110 -> 55 and 26 -> 13, as in figure 3, need the padding of "same"; 13 -> 6 needs none.
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = _constrained(256, 5, "conv2", strides=2, padding="valid")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = _constrained(384, 3, "conv3")(x)
    x = _constrained(384, 3, "conv4")(x)
    x = _constrained(256, 3, "conv5")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if classes is None:
        return keras.Model(inputs, x, name=name)
    return keras.Model(inputs, _classifier(x, classes, dropout, bias="zeros"), name=name)


def _classifier(x: keras.KerasTensor, classes: int, dropout: float, bias: str) -> keras.KerasTensor:
    """The three dense layers of both networks."""
    x = layers.Flatten(name="flatten")(x)
    for layer in ("fc6", "fc7"):
        x = layers.Dropout(dropout, name=f"dropout_{layer}")(x)
        x = layers.Dense(4096, "relu", kernel_initializer=_gaussian(), bias_initializer=bias, name=layer)(x)
    return layers.Dense(classes, "softmax", kernel_initializer=_gaussian(), name="predictions")(x)


def _grouped(filters: int, size: int, name: str, *, padding: str = "same", **more: Any) -> layers.Layer:
    return GroupedConvolution(
        filters, size, padding=padding, activation="relu", kernel_initializer=_gaussian(), name=name, **more
    )


def _constrained(
    filters: int, size: int, name: str, *, padding: str = "same", strides: int = 1
) -> layers.Layer:
    return layers.Conv2D(
        filters,
        size,
        strides,
        padding=padding,
        activation="relu",
        kernel_initializer=_gaussian(),
        kernel_constraint=MaxRms(0.1),
        name=name,
    )


def _gaussian() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.01)
