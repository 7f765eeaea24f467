"""FractalNet, the network of Larsson et al. (2017). Loads Keras.

As in the paper: blocks that follow the expansion rule f1(z) = conv(z), fC+1(z) = join of fC(fC(z)) and
conv(z), joins that take the mean of what arrives, adjacent joins made one, maximum pooling after every block,
dropout that grows from block to block, and drop-path while training: a mini-batch is either *global*, one
column alone carries the signal through the whole network, or *local*, every join drops each of its inputs
with a probability, though never all. The defaults are the network of 20 convolutions in a row for CIFAR:
five blocks of three columns, 64 to 512 maps.

Different from the paper: what is dropped is computed all the same; images of any size from 32 x 32 pixels on,
since the classifier sees the mean of the last maps, which at 32 x 32 are single pixels; weights start as
Keras' default has it (Glorot), pixels are standardised with ImageNet's statistics.

References:
    Larsson, Maire, Shakhnarovich: FractalNet: Ultra-Deep Neural Networks without Residuals. ICLR 2017.
"""

import keras
from keras import layers, ops

from wbc.networks.papers.scaling import standardised

preprocess_input = standardised

MAPS = (64, 128, 256, 512, 512)
"""Maps of each block."""


def fractalnet(
    input_shape: tuple[int, int, int],
    classes: int | None = None,
    *,
    columns: int = 3,
    blocks: int = 5,
    drop_path: float = 0.15,
    global_ratio: float = 0.5,
    dropout: float = 0.4,
    name: str = "fractalnet",
) -> keras.Model:
    """Build FractalNet.

    Args:
        input_shape: Height, width and number of colours of the images; height and width at least 2^blocks.
        classes: Number of classes; None for the maps after the last pooling.
        columns: Columns of a block; the deepest has 2^(columns - 1) convolutions in a row.
        blocks: Number of blocks, 1 to 5.
        drop_path: Probability with which a join drops an input in local mini-batches.
        global_ratio: Share of the mini-batches that are global.
        dropout: Rate of dropout in the last block, from 0 in the first in equal steps.
        name: Name of the model.

    Returns:
        A model of images with class probabilities, shape (images, classes), or feature maps, shape
        (images, height / 2^blocks, width / 2^blocks, maps), as its output.
    """
    inputs = keras.Input(input_shape)
    path = ColumnChoice(columns, global_ratio, name="path")(inputs)
    x = inputs
    for block, maps in enumerate(MAPS[:blocks]):
        rate = dropout * block / max(blocks - 1, 1)
        x = _Block(maps, rate, path, drop_path, f"block{block + 1}").fractal(x, columns)
        x = layers.MaxPooling2D(2, name=f"pool{block + 1}")(x)
    if classes is None:
        return keras.Model(inputs, x, name=name)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    outputs = layers.Dense(classes, "softmax", name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


class _Block:
    """Builds the layers of one block; numbers them in the order in which they are built."""

    def __init__(self, maps: int, dropout: float, path, drop_path: float, name: str):
        self.maps, self.dropout, self.path, self.drop_path, self.name = maps, dropout, path, drop_path, name
        self.convolutions = self.joins = 0

    def fractal(self, x, columns: int):
        """The fractal of so many columns."""
        branches = self.branches(x, columns)
        if columns == 1:
            return branches[0]
        self.joins += 1
        return Join(self.drop_path, name=f"{self.name}_join{self.joins}")([self.path, *branches])

    def branches(self, x, columns: int) -> list:
        """What arrives at the last join, the deepest column first: joins that meet are one."""
        if columns == 1:
            return [self.convolution(x)]
        return [*self.branches(self.fractal(x, columns - 1), columns - 1), self.convolution(x)]

    def convolution(self, x):
        """Convolution, dropout, batch normalisation, rectification."""
        self.convolutions += 1
        name = f"{self.name}_conv{self.convolutions}"
        x = layers.Conv2D(self.maps, 3, padding="same", use_bias=False, name=name)(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)


@keras.saving.register_keras_serializable("wbc")
class ColumnChoice(keras.layers.Layer):
    """Draws for every mini-batch whether one column alone carries the signal, and which.

    Args:
        columns: Number of columns.
        ratio: Probability of a global mini-batch.
        seed: Of the draws.
        **kwargs: As of every Keras layer.
    """

    def __init__(self, columns: int, ratio: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.columns, self.ratio, self.seed = columns, ratio, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=None):
        """A one at the chosen column, the deepest first, shape (columns,); zeros in local mini-batches."""
        if not training:
            return ops.zeros((self.columns,), self.compute_dtype)
        draws = keras.random.uniform((2,), seed=self.seed_generator)
        column = ops.floor(draws[1] * self.columns)
        chosen = ops.cast(ops.equal(ops.arange(self.columns, dtype="float32"), column), self.compute_dtype)
        return chosen * ops.cast(draws[0] < self.ratio, self.compute_dtype)

    def get_config(self):
        """The settings from which Keras builds the layer again."""
        own = {"columns": self.columns, "ratio": self.ratio, "seed": self.seed}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("wbc")
class Join(keras.layers.Layer):
    """Mean of the columns that arrive; while training, of those that drop-path lets through.

    Args:
        drop_path: Probability with which an input is dropped in local mini-batches.
        seed: Of the draws.
        **kwargs: As of every Keras layer.
    """

    def __init__(self, drop_path: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.drop_path, self.seed = drop_path, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        """Join the choice of `ColumnChoice` and maps, the deepest column first, to maps of the same shape."""
        path, *branches = inputs
        if not training:
            return sum(branches[1:], branches[0]) / len(branches)
        weights = ops.cast(self._weights(path, len(branches)), branches[0].dtype)
        return sum((weights[i] * branches[i] for i in range(1, len(branches))), weights[0] * branches[0])

    def _weights(self, path, count: int):
        draws = keras.random.uniform((count,), seed=self.seed_generator)
        # The largest draw always survives, so that one does; where all would fall, each is as likely.
        kept = ops.logical_or(draws >= self.drop_path, ops.equal(draws, ops.max(draws)))
        kept = ops.cast(kept, "float32")
        chosen = ops.cast(path[:count], "float32")
        # A join that the chosen column does not reach leads nowhere; any weights do.
        is_global = ops.cast(ops.sum(path) > 0, "float32")
        alone = ops.where(ops.sum(chosen) > 0, chosen, ops.full((count,), 1 / count))
        return is_global * alone + (1 - is_global) * kept / ops.sum(kept)

    def get_config(self):
        """The settings from which Keras builds the layer again."""
        return {**super().get_config(), "drop_path": self.drop_path, "seed": self.seed}
