"""What residual networks for ImageNet share: stem, bottleneck blocks, classifier. Loads Keras."""

import keras
from keras import layers

from wbc.networks.papers.layers import GroupedConvolution, ResidualDrop


def stem(inputs):
    """Sixty-four maps of a quarter of the image's height and width."""
    x = convolution(64, 7, "conv1", strides=2)(inputs)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    return layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)


def bottleneck(
    x,
    width: int,
    name: str,
    *,
    maps: int,
    groups: int = 1,
    strides: tuple[int, int] = (1, 1),
    survival: float = 1.0,
):
    """A residual block of three convolutions: to `width` maps, 3x3 in groups, to `maps` maps.

    Args:
        x: Maps that enter.
        width: Maps of the first two convolutions.
        name: Start of the names of the layers.
        maps: Maps that leave.
        groups: Groups of the 3x3 convolution.
        strides: Of the first and the second convolution.
        survival: Probability with which the residual survives a training step; 1 for no drop.
    """
    shortcut = x
    stride = strides[0] * strides[1]
    if stride > 1 or x.shape[-1] != maps:
        shortcut = convolution(maps, 1, f"{name}_shortcut", strides=stride)(x)
        shortcut = layers.BatchNormalization(name=f"{name}_shortcut_bn")(shortcut)
    x = convolution(width, 1, f"{name}_1", strides=strides[0])(x)
    x = layers.BatchNormalization(name=f"{name}_1_bn")(x)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = convolution(width, 3, f"{name}_2", strides=strides[1], groups=groups)(x)
    x = layers.BatchNormalization(name=f"{name}_2_bn")(x)
    x = layers.ReLU(name=f"{name}_2_relu")(x)
    x = convolution(maps, 1, f"{name}_3")(x)
    x = layers.BatchNormalization(name=f"{name}_3_bn")(x)
    return join(x, shortcut, name, survival)


def join(residual, shortcut, name: str, survival: float):
    """The end of a residual block: drop the residual now and then, add the shortcut, rectify."""
    if survival < 1:
        residual = ResidualDrop(survival, name=f"{name}_drop")(residual)
    x = layers.Add(name=f"{name}_add")([residual, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def finish(inputs, x, classes: int | None, name: str) -> keras.Model:
    """A classifier of the mean of the maps; without classes a model of the maps themselves."""
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(classes, "softmax", name="predictions")(x), name=name)


def convolution(filters: int, size: int, name: str, *, strides: int = 1, groups: int = 1) -> layers.Layer:
    """A convolution without bias, for batch normalisation follows; weights after He et al. (2015)."""
    return GroupedConvolution(
        filters,
        size,
        strides,
        padding="same",
        groups=groups,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )
