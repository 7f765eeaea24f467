"""FractalNet, the network of Larsson et al. (2017). Loads Keras.

As in the paper:

- Blocks follow the expansion rule f1(z) = conv(z), fC+1(z) = join of fC(fC(z)) and conv(z).
- Joins take the mean of their inputs, and adjacent joins are merged.
- Maximum pooling follows every block, and dropout grows from block to block.
- Training uses drop-path. In a *global* mini-batch, a single column carries the signal through the whole
  network. In a *local* one, every join drops each of its inputs with a probability, but never all of them.

The defaults are the network for CIFAR with 20 convolutions in a row: five blocks of three columns, 64 to 512
maps.

Differences from the paper:

- Dropped paths are computed anyway.
- Images may have any size from 32 x 32 pixels, because the classifier sees the mean of the last maps. At
  32 x 32 these are single pixels.
- Weights start from Keras' default (Glorot), and pixels are standardized with ImageNet's statistics.

References:
    Larsson, Maire, Shakhnarovich: FractalNet: Ultra-Deep Neural Networks without Residuals. ICLR 2017.
"""

from typing import Any

import keras
from keras import layers, ops

from wbc.networks.preprocessing import standardized

preprocess_input = standardized

MAPS = (64, 128, 256, 512, 512)
"""Number of maps in each block."""


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
        input_shape: Height, width and number of colors of the images; height and width at least 2^blocks.
        classes: Number of classes; None for the maps after the last pooling.
        columns: Columns of a block; the deepest has 2^(columns - 1) convolutions in a row.
        blocks: Number of blocks, 1 to 5.
        drop_path: Probability that a join drops an input in local mini-batches.
        global_ratio: Fraction of the mini-batches that are global.
        dropout: Dropout rate of the last block; it grows from 0 in the first block in equal steps.
        name: Name of the model.

    Returns:
        A model from images to class probabilities, shape (images, classes), or to feature maps, shape
        (images, height / 2^blocks, width / 2^blocks, maps).
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
    """Builds the layers of one block, and numbers them in the order of building."""

    def __init__(
        self, maps: int, dropout: float, path: keras.KerasTensor, drop_path: float, name: str
    ) -> None:
        self.maps, self.dropout, self.path, self.drop_path, self.name = maps, dropout, path, drop_path, name
        self.convolutions = self.joins = 0

    def fractal(self, x: keras.KerasTensor, columns: int) -> keras.KerasTensor:
        """The fractal with this number of columns."""
        branches = self.branches(x, columns)
        if columns == 1:
            return branches[0]
        self.joins += 1
        return Join(self.drop_path, name=f"{self.name}_join{self.joins}")([self.path, *branches])

    def branches(self, x: keras.KerasTensor, columns: int) -> list[keras.KerasTensor]:
        """The inputs of the last join, the deepest column first. Adjacent joins are merged."""
        if columns == 1:
            return [self.convolution(x)]
        return [*self.branches(self.fractal(x, columns - 1), columns - 1), self.convolution(x)]

    def convolution(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Convolution, dropout, batch normalization, rectification."""
        self.convolutions += 1
        name = f"{self.name}_conv{self.convolutions}"
        x = layers.Conv2D(self.maps, 3, padding="same", use_bias=False, name=name)(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)


@keras.saving.register_keras_serializable("wbc")
class ColumnChoice(keras.layers.Layer):
    """Draws for every mini-batch whether a single column carries the signal, and which one.

    Args:
        columns: Number of columns.
        ratio: Probability of a global mini-batch.
        seed: Seed of the draws.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, columns: int, ratio: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns, self.ratio, self.seed = columns, ratio, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """1 at the chosen column, the deepest first, shape (columns,); all 0 in local mini-batches."""
        if not training:
            return ops.zeros((self.columns,), self.compute_dtype)
        draws = keras.random.uniform((2,), seed=self.seed_generator)
        column = ops.floor(draws[1] * self.columns)
        chosen = ops.cast(ops.equal(ops.arange(self.columns, dtype="float32"), column), self.compute_dtype)
        return chosen * ops.cast(draws[0] < self.ratio, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The settings from which Keras rebuilds the layer."""
        own = {"columns": self.columns, "ratio": self.ratio, "seed": self.seed}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("wbc")
class Join(keras.layers.Layer):
    """Mean of the incoming columns; during training, of those that drop-path does not drop.

    Args:
        drop_path: Probability that an input is dropped in local mini-batches.
        seed: Seed of the draws.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, drop_path: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop_path, self.seed = drop_path, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: list[keras.KerasTensor], training: bool | None = None) -> keras.KerasTensor:
        """Join maps, the deepest column first, to maps of the same shape. The output of `ColumnChoice` comes
        before them."""
        path, *branches = inputs
        if not training:
            return sum(branches[1:], branches[0]) / len(branches)
        weights = ops.cast(self._weights(path, len(branches)), branches[0].dtype)
        return sum((weights[i] * branches[i] for i in range(1, len(branches))), weights[0] * branches[0])

    def _weights(self, path: keras.KerasTensor, count: int) -> keras.KerasTensor:
        draws = keras.random.uniform((count,), seed=self.seed_generator)
        # The largest draw always survives, so at least one does. If all others are dropped, each is equally
        # likely.
        kept = ops.logical_or(draws >= self.drop_path, ops.equal(draws, ops.max(draws)))
        kept = ops.cast(kept, "float32")
        chosen = ops.cast(path[:count], "float32")
        # The output of a join that the chosen column does not reach is never used: any weights will do.
        is_global = ops.cast(ops.sum(path) > 0, "float32")
        alone = ops.where(ops.sum(chosen) > 0, chosen, ops.full((count,), 1 / count))
        return is_global * alone + (1 - is_global) * kept / ops.sum(kept)

    def get_config(self) -> dict[str, Any]:
        """The settings from which Keras rebuilds the layer."""
        return {**super().get_config(), "drop_path": self.drop_path, "seed": self.seed}
