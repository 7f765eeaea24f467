"""GoogLeNet, the network of Szegedy et al. (2015). Loads Keras.

As in the paper: the stem and the nine inception modules of table 1, average pooling and dropout of 40 %. Response
normalization (figure 3) has AlexNet's constants, and the mean color is subtracted from the pixels.

The two auxiliary classifiers are for training only: the paper adds their losses, times 0.3, and discards them
afterwards. `auxiliary=True` builds them as additional outputs, for `compile` with
`loss_weights=[1, 0.3, 0.3]`. The catalog builds the network without them, because a trial trains models with
one output. The paper calls their effect minor (around 0.5 %).

Difference from the paper: images may have any size from 32 x 32 pixels, because the average is taken over the
whole last map.

References:
    Szegedy et al.: Going Deeper with Convolutions. CVPR 2015, table 1, figures 2 and 3, section 5.
"""

import keras
from keras import layers

from wbc.networks.papers.layers import LocalResponseNormalization
from wbc.networks.preprocessing import centered

preprocess_input = centered

# Table 1: maps of 1x1; of 3x3 after a reduction; of 5x5 after a reduction; of the pool projection.
INCEPTIONS = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}


def googlenet(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    dropout: float = 0.4,
    auxiliary: bool = False,
    name: str = "googlenet",
) -> keras.Model:
    """Build GoogLeNet.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 32.
        classes: Number of classes; None for the maps of the last inception module.
        dropout: Dropout rate before the classifier.
        auxiliary: Add the outputs of the auxiliary classifiers. Needs classes, and images of at least 65 x 65
            pixels.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height, width, 1024). With `auxiliary` it has three outputs of probabilities.
    """
    inputs = keras.Input(input_shape)
    x = _convolution(64, 7, "conv1", strides=2)(inputs)
    x = _pool("pool1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = _convolution(64, 1, "conv2_reduce")(x)
    x = _convolution(192, 3, "conv2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = _pool("pool2")(x)
    extra = []
    for module in INCEPTIONS:
        x = _inception(x, module)
        if module in ("3b", "4e"):
            x = _pool(f"pool{module[0]}")(x)
        if auxiliary and classes is not None and module in ("4a", "4d"):
            extra.append(_auxiliary(x, classes, f"auxiliary_{module}"))
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(classes, "softmax", name="predictions")(x)
    return keras.Model(inputs, [outputs, *extra] if extra else outputs, name=name)


def _inception(x: keras.KerasTensor, module: str) -> keras.KerasTensor:
    """An inception module with reductions (figure 2b)."""
    ones, threes, fives, projection = INCEPTIONS[module]
    name = f"inception_{module}"
    branches = [_convolution(ones, 1, f"{name}_1x1")(x)]
    for size, (reduction, maps) in (3, threes), (5, fives):
        reduced = _convolution(reduction, 1, f"{name}_{size}x{size}_reduce")(x)
        branches.append(_convolution(maps, size, f"{name}_{size}x{size}")(reduced))
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    branches.append(_convolution(projection, 1, f"{name}_projection")(pooled))
    return layers.Concatenate(name=name)(branches)


def _auxiliary(x: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
    """A classifier of the maps in the middle of the network (section 5)."""
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = _convolution(128, 1, f"{name}_1x1")(x)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(1024, "relu", name=f"{name}_fc")(x)
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return layers.Dense(classes, "softmax", name=name)(x)


def _convolution(filters: int, size: int, name: str, strides: int = 1) -> layers.Layer:
    return layers.Conv2D(filters, size, strides, padding="same", activation="relu", name=name)


def _pool(name: str) -> layers.Layer:
    return layers.MaxPooling2D(3, 2, padding="same", name=name)
