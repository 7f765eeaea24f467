"""Residual networks with stochastic depth, after Huang et al. (2016). Loads Keras.

As in the paper: while training, every block drops its residual for a whole mini-batch with a probability that
grows linearly with the block's depth (equation 4), from near 0 to 1 - `survival`; when not training,
residuals are multiplied by the probability with which they survived (equation 5). Two networks of He et al.
are built so: the one of 110 layers for images of 32 x 32 pixels, whose shortcuts have no parameters, and the
one of 50 layers for ImageNet, where the paper took the one of 152.

Different from the paper: a dropped residual is computed all the same, so training takes no less time; images
of any size from 8 x 8 (110 layers) or 32 x 32 pixels (50 layers) on; pixels are standardised with ImageNet's
statistics.

References:
    Huang, Sun, Liu, Sedra, Weinberger: Deep Networks with Stochastic Depth. ECCV 2016, sections 3 and 4.
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016, table 1 and section 4.2.
"""

import keras
from keras import layers, ops

from wbc.networks.papers.residual import bottleneck, convolution, finish, join, stem
from wbc.networks.papers.scaling import standardised

preprocess_input = standardised


def survivals(blocks: int, last: float) -> list[float]:
    """The probability with which the residual of each block survives: the rule of linear decay."""
    return [1 - block / blocks * (1 - last) for block in range(1, blocks + 1)]


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
        input_shape: Height, width and number of colours of the images; height and width at least 8.
        classes: Number of classes; None for the last feature maps.
        survival: Probability with which the residual of the last block survives a training step.
        depth: Number of layers with weights, 6 n + 2.
        name: Name of the model.

    Returns:
        A model of images with class probabilities, shape (images, classes), or feature maps, shape
        (images, height / 4, width / 4, 64), as its output.
    """
    blocks, left = divmod(depth - 2, 6)
    if left or blocks < 1:
        raise ValueError(f"depth is {depth}, not 6 n + 2")
    chances = iter(survivals(3 * blocks, survival))
    inputs = keras.Input(input_shape)
    x = convolution(16, 3, "conv1")(inputs)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    for stage, maps in enumerate((16, 32, 64)):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = _basic(x, maps, f"stage{stage + 1}_block{block + 1}", strides, next(chances))
    return finish(inputs, x, classes, name)


def stochastic_depth_resnet50(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    survival: float = 0.5,
    name: str = "stochastic_depth_resnet50",
) -> keras.Model:
    """Build the residual network for ImageNet.

    Args:
        input_shape: Height, width and number of colours of the images; height and width at least 32.
        classes: Number of classes; None for the last feature maps.
        survival: Probability with which the residual of the last block survives a training step.
        name: Name of the model.

    Returns:
        A model of images with class probabilities, shape (images, classes), or feature maps, shape
        (images, height, width, 2048), as its output.
    """
    stages = (3, 4, 6, 3)
    chances = iter(survivals(sum(stages), survival))
    inputs = keras.Input(input_shape)
    x = stem(inputs)
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            x = bottleneck(
                x,
                64 * 2**stage,
                f"stage{stage + 2}_block{block + 1}",
                maps=256 * 2**stage,
                strides=(2 if stage and not block else 1, 1),
                survival=next(chances),
            )
    return finish(inputs, x, classes, name)


def _basic(x, maps: int, name: str, strides: int, survival: float):
    """A residual block of two convolutions; a shortcut to more maps skips pixels and adds maps of zeros."""
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(1, strides, name=f"{name}_skip")(shortcut)
    if missing := maps - x.shape[-1]:
        shortcut = ops.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, missing)))
    x = convolution(maps, 3, f"{name}_1", strides=strides)(x)
    x = layers.BatchNormalization(name=f"{name}_1_bn")(x)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = convolution(maps, 3, f"{name}_2")(x)
    x = layers.BatchNormalization(name=f"{name}_2_bn")(x)
    return join(x, shortcut, name, survival)
