"""ResNeXt-50 (32x4d), the network of Xie et al. (2017). Loads Keras.

As in the paper: the right column of table 1, in the form of figure 3(c), with grouped convolutions. Pixels
are standardised as in the authors' code.

Different from the paper: images of any size from 32 x 32 pixels on; strided convolutions are padded as Keras
does ("same"), not evenly on both sides.

References:
    Xie, Girshick, Dollár, Tu, He: Aggregated Residual Transformations for Deep Neural Networks. CVPR 2017,
    table 1 and section 3.
"""

import keras

from wbc.networks.papers.residual import bottleneck, finish, stem
from wbc.networks.papers.scaling import standardised

preprocess_input = standardised


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
        input_shape: Height, width and number of colours of the images; height and width at least 32.
        classes: Number of classes; None for the last feature maps.
        cardinality: Number of groups.
        width: Maps a group in the first stage; each stage doubles them.
        name: Name of the model.

    Returns:
        A model of images with class probabilities, shape (images, classes), or feature maps, shape
        (images, height, width, 2048), as its output.
    """
    inputs = keras.Input(input_shape)
    x = stem(inputs)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            x = bottleneck(
                x,
                cardinality * width * 2**stage,
                f"stage{stage + 2}_block{block + 1}",
                maps=256 * 2**stage,
                groups=cardinality,
                strides=(1, 2 if stage and not block else 1),
            )
    return finish(inputs, x, classes, name)
