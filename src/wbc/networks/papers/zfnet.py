"""ZFNet, the network of Zeiler and Fergus (2014). Loads Keras.

As in the paper (its figure 3): AlexNet with smaller and denser first filters, no groups, contrast
normalisation after the first two poolings, dropout, Gaussian weights of deviation 0.01, biases of 0, and
filters that are scaled back while training once their root mean square exceeds 0.1.

Different from the paper:

- It does not give the constants of the normalisation; they are AlexNet's.
- Any size from 53 x 53 pixels on is accepted; the first dense layer then has as many inputs as there are
  features, so the number of parameters depends on the size.
- The mean of ImageNet's colours is taken away, not a mean image.

References:
    Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section 3 and figure 3.
"""

import keras
from keras import layers

from wbc.networks.papers.layers import LocalResponseNormalization, MaxRms
from wbc.networks.papers.scaling import centred

preprocess_input = centred


def zfnet(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    dropout: float = 0.5,
    name: str = "zfnet",
) -> keras.Model:
    """Build ZFNet.

    Args:
        input_shape: Height, width and number of colours of the images; height and width at least 53.
        classes: Number of classes; None for the pooled maps of the fifth convolution.
        dropout: Rate of dropout before the two hidden dense layers.
        name: Name of the model.

    Returns:
        A model of images with class probabilities, shape (images, classes), or feature maps, shape
        (images, height, width, 256), as its output.
    """
    inputs = keras.Input(input_shape)
    x = layers.ZeroPadding2D(1, name="pad")(inputs)
    x = _convolution(96, 7, "conv1", strides=2, padding="valid")(x)
    # 110 -> 55 and 26 -> 13, as in figure 3, need the border that "same" adds; 13 -> 6 needs none.
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = _convolution(256, 5, "conv2", strides=2, padding="valid")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = _convolution(384, 3, "conv3")(x)
    x = _convolution(384, 3, "conv4")(x)
    x = _convolution(256, 3, "conv5")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.Flatten(name="flatten")(x)
    for layer in ("fc6", "fc7"):
        x = layers.Dropout(dropout, name=f"dropout_{layer}")(x)
        x = layers.Dense(4096, "relu", kernel_initializer=_gaussian(), name=layer)(x)
    outputs = layers.Dense(classes, "softmax", kernel_initializer=_gaussian(), name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


def _convolution(filters: int, size: int, name: str, *, padding: str = "same", **more) -> layers.Layer:
    return layers.Conv2D(
        filters,
        size,
        padding=padding,
        activation="relu",
        kernel_initializer=_gaussian(),
        kernel_constraint=MaxRms(0.1),
        name=name,
        **more,
    )


def _gaussian() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.01)
