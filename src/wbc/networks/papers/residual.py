"""Residual networks: ResNeXt-50 (Xie et al., 2017), and two with stochastic depth (Huang et al., 2016).

ResNeXt-50 (32x4d) follows the right column of table 1 of its paper, in the form of figure 3(c), with grouped
convolutions. Pixels are standardized as in the authors' code.

Stochastic depth: during training, each block drops its residual for a whole mini-batch. The probability grows
linearly with the depth of the block (equation 4), from near 0 to 1 - `survival`. Otherwise residuals are
multiplied by their probability of survival (equation 5). It is applied to two networks of He et al.: the one
with 110 layers for images of 32 x 32 pixels, whose shortcuts have no parameters, and the one with 50 layers
for ImageNet. The paper uses the one with 152 layers.

Differences from the papers:

- Images may have any size, from 8 x 8 (110 layers) or 32 x 32 pixels (the others).
- The strided convolutions of ResNeXt have Keras' padding ("same"), which is not symmetric.
- A dropped residual is computed anyway, so stochastic depth does not save time.
- The networks with stochastic depth standardize pixels with ImageNet's statistics.

References:
    Xie, Girshick, Dollár, Tu, He: Aggregated Residual Transformations for Deep Neural Networks. CVPR 2017,
    table 1 and section 3.
    Huang, Sun, Liu, Sedra, Weinberger: Deep Networks with Stochastic Depth. ECCV 2016, sections 3 and 4.
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016, table 1 and section 4.2.
"""

import keras
from keras import layers, ops

from wbc.networks.papers.layers import GroupedConvolution, ResidualDrop
from wbc.networks.preprocessing import standardized

preprocess_input = standardized

_BLOCKS_OF_50_LAYERS = (3, 4, 6, 3)
"""Blocks in each stage of a network with 50 layers."""


def resnext50(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    cardinality: int = 32,
    width: int = 4,
    name: str = "resnext50",
) -> keras.Model:
    """Build ResNeXt-50.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 32.
        classes: Number of classes; None for the last feature maps.
        cardinality: Number of groups.
        width: Maps per group in the first stage; each stage doubles them.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height, width, 2048).
    """
    inputs = keras.Input(input_shape)
    x = _stem(inputs)
    for stage, blocks in enumerate(_BLOCKS_OF_50_LAYERS):
        for block in range(blocks):
            x = _bottleneck(
                x,
                cardinality * width * 2**stage,
                f"stage{stage + 2}_block{block + 1}",
                maps=256 * 2**stage,
                groups=cardinality,
                strides=(1, 2 if stage and not block else 1),
            )
    return _finish(inputs, x, classes, name)


def stochastic_depth_resnet110(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    survival: float = 0.5,
    depth: int = 110,
    name: str = "stochastic_depth_resnet110",
) -> keras.Model:
    """Build the residual network for small images.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 8.
        classes: Number of classes; None for the last feature maps.
        survival: Probability that the residual of the last block survives a training step.
        depth: Number of layers with weights, 6 n + 2.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height / 4, width / 4, 64).
    """
    blocks, left = divmod(depth - 2, 6)
    if left or blocks < 1:
        raise ValueError(f"depth is {depth}, not 6 n + 2")
    chances = iter(survivals(3 * blocks, survival))
    inputs = keras.Input(input_shape)
    x = _convolution(16, 3, "conv1")(inputs)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    for stage, maps in enumerate((16, 32, 64)):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = _basic(x, maps, f"stage{stage + 1}_block{block + 1}", strides, next(chances))
    return _finish(inputs, x, classes, name)


def stochastic_depth_resnet50(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    survival: float = 0.5,
    name: str = "stochastic_depth_resnet50",
) -> keras.Model:
    """Build the residual network for ImageNet.

    Args:
        input_shape: Height, width and number of colors of the images; height and width at least 32.
        classes: Number of classes; None for the last feature maps.
        survival: Probability that the residual of the last block survives a training step.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height, width, 2048).
    """
    chances = iter(survivals(sum(_BLOCKS_OF_50_LAYERS), survival))
    inputs = keras.Input(input_shape)
    x = _stem(inputs)
    for stage, blocks in enumerate(_BLOCKS_OF_50_LAYERS):
        for block in range(blocks):
            x = _bottleneck(
                x,
                64 * 2**stage,
                f"stage{stage + 2}_block{block + 1}",
                maps=256 * 2**stage,
                strides=(2 if stage and not block else 1, 1),
                survival=next(chances),
            )
    return _finish(inputs, x, classes, name)


def survivals(blocks: int, last: float) -> list[float]:
    """The probability that the residual of each block survives: the rule of linear decay."""
    return [1 - block / blocks * (1 - last) for block in range(1, blocks + 1)]


def _stem(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """64 maps with a quarter of the image's height and width."""
    x = _convolution(64, 7, "conv1", strides=2)(inputs)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    return layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)


def _bottleneck(
    x: keras.KerasTensor,
    width: int,
    name: str,
    *,
    maps: int,
    groups: int = 1,
    strides: tuple[int, int],
    survival: float = 1.0,
) -> keras.KerasTensor:
    """A residual block of three convolutions: to `width` maps, 3x3 in groups, to `maps` maps.

    Args:
        x: The input maps.
        width: Maps of the first two convolutions.
        name: Prefix of the names of the layers.
        maps: Number of output maps.
        groups: Groups of the 3x3 convolution.
        strides: Strides of the first and the second convolution.
        survival: Probability that the residual survives a training step; 1 for no drop.
    """
    shortcut = x
    stride = strides[0] * strides[1]
    if stride > 1 or x.shape[-1] != maps:
        shortcut = _convolution(maps, 1, f"{name}_shortcut", strides=stride)(x)
        shortcut = layers.BatchNormalization(name=f"{name}_shortcut_bn")(shortcut)
    x = _convolution(width, 1, f"{name}_1", strides=strides[0])(x)
    x = layers.BatchNormalization(name=f"{name}_1_bn")(x)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _convolution(width, 3, f"{name}_2", strides=strides[1], groups=groups)(x)
    x = layers.BatchNormalization(name=f"{name}_2_bn")(x)
    x = layers.ReLU(name=f"{name}_2_relu")(x)
    x = _convolution(maps, 1, f"{name}_3")(x)
    x = layers.BatchNormalization(name=f"{name}_3_bn")(x)
    return _join(x, shortcut, name, survival)


def _basic(x: keras.KerasTensor, maps: int, name: str, strides: int, survival: float) -> keras.KerasTensor:
    """A residual block of two convolutions. A shortcut to more maps skips pixels and adds maps of zeros."""
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(1, strides, name=f"{name}_skip")(shortcut)
    if missing := maps - x.shape[-1]:
        shortcut = ops.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, missing)))
    x = _convolution(maps, 3, f"{name}_1", strides=strides)(x)
    x = layers.BatchNormalization(name=f"{name}_1_bn")(x)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _convolution(maps, 3, f"{name}_2")(x)
    x = layers.BatchNormalization(name=f"{name}_2_bn")(x)
    return _join(x, shortcut, name, survival)


def _join(
    residual: keras.KerasTensor, shortcut: keras.KerasTensor, name: str, survival: float
) -> keras.KerasTensor:
    """The end of a residual block: drop the residual at random, add the shortcut, rectify."""
    if survival < 1:
        residual = ResidualDrop(survival, name=f"{name}_drop")(residual)
    x = layers.Add(name=f"{name}_add")([residual, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def _finish(inputs: keras.KerasTensor, x: keras.KerasTensor, classes: int | None, name: str) -> keras.Model:
    """A classifier of the mean of the maps; without classes, a model of the maps themselves."""
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(classes, "softmax", name="predictions")(x), name=name)


def _convolution(filters: int, size: int, name: str, *, strides: int = 1, groups: int = 1) -> layers.Layer:
    """A convolution without bias, because batch normalization follows; weights as in He et al. (2015)."""
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
