"""SqueezeNet, the network of Iandola et al. (2016), in its versions 1.0 and 1.1. Loads Keras.

As in the paper: version 1.0 is its table 1. Version 1.1 is the authors' later one, with smaller first filters
and earlier pooling; it needs 2.4 times less computation for the same accuracy. The classifier is a
convolution to one map per class, followed by its mean; there is no dense layer.

Differences from the paper: images may have any size from 32 x 32 pixels. ImageNet's mean color is subtracted
in RGB order, where the authors' Caffe used BGR.

References:
    Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: SqueezeNet: AlexNet-level accuracy with 50x fewer
    parameters and < 0.5 MB model size. arXiv:1602.07360, 2016, section 3 and table 1.
"""

import keras
from keras import layers

from wbc.networks.preprocessing import centered

preprocess_input = centered

# Squeezed maps of fire2 to fire9; each of the two kinds of expanding filters has four times as many.
SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)
# The fire modules before pooling, by version.
POOLED = {1.0: (4, 8), 1.1: (3, 5)}


def squeezenet(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    version: float = 1.0,
    dropout: float = 0.5,
    name: str = "squeezenet",
) -> keras.Model:
    """Build SqueezeNet.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 32.
        classes: Number of classes; None for the maps of the last fire module.
        version: 1.0 or 1.1.
        dropout: Dropout rate after the last fire module.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height, width, 512).
    """
    inputs = keras.Input(input_shape)
    if version == 1.0:
        # 224 -> 111, as in table 1.
        x = layers.ZeroPadding2D(((1, 2), (1, 2)), name="pad")(inputs)
        x = layers.Conv2D(96, 7, 2, activation="relu", name="conv1")(x)
    else:
        x = layers.Conv2D(64, 3, 2, activation="relu", name="conv1")(inputs)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for number, squeezed in enumerate(SQUEEZED, start=2):
        x = _fire(x, squeezed, f"fire{number}")
        if number in POOLED[version]:
            x = layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.Dropout(dropout, name="dropout")(x)
    start = keras.initializers.RandomNormal(stddev=0.01)
    x = layers.Conv2D(classes, 1, activation="relu", kernel_initializer=start, name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    outputs = layers.Softmax(name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


def _fire(x: keras.KerasTensor, squeezed: int, name: str) -> keras.KerasTensor:
    """A fire module (section 3.2): squeeze to few maps, expand with filters of 1x1 and 3x3."""
    x = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_squeeze")(x)
    ones = layers.Conv2D(4 * squeezed, 1, activation="relu", name=f"{name}_expand_1x1")(x)
    threes = layers.Conv2D(4 * squeezed, 3, padding="same", activation="relu", name=f"{name}_expand_3x3")(x)
    return layers.Concatenate(name=name)([ones, threes])
