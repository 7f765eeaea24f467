"""Batches for Keras: endless and shuffled for training, finite and in file order otherwise."""

from collections.abc import Callable, Iterator

import keras
import numpy as np

Prepare = Callable[[np.ndarray], np.ndarray]
"""From a batch as it is stored (uint8 pixels, float32 features) to the network's input."""


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the training images in an epoch (counted from 0): a function of seed and epoch alone.

    Training that starts again at epoch n therefore sees what uninterrupted training saw.
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def training_batches(
    inputs: np.ndarray,
    targets: np.ndarray,
    batch_size: int,
    seed: int,
    prepare: Prepare,
    first_epoch: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches without end, epoch after epoch, each epoch in its own order.

    The last batch of an epoch holds what is left. One generator for all epochs, instead of a data set
    that is told of each epoch's end: whether that call comes before or after the next epoch's first
    batch is drawn differs between versions of Keras.
    """
    epoch = first_epoch
    while True:
        order = epoch_order(len(inputs), seed, epoch)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            yield prepare(inputs[chosen]), targets[chosen]
        epoch += 1


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Steps that one pass over `count` images takes."""
    return -(-count // batch_size)


class OrderedBatches(keras.utils.PyDataset):
    """Batches in file order, so that row i of what is predicted belongs to image i."""

    def __init__(self, inputs: np.ndarray, targets: np.ndarray, batch_size: int, prepare: Prepare):
        super().__init__()
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.prepare = batch_size, prepare

    def __len__(self) -> int:
        return steps_per_epoch(len(self.inputs), self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.prepare(self.inputs[part]), self.targets[part]

    def first(self) -> "OrderedBatches":
        """The first batch alone."""
        size = self.batch_size
        return OrderedBatches(self.inputs[:size], self.targets[:size], size, self.prepare)
