"""Batches for Keras: endless and shuffled for training, finite and in file order otherwise."""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from wbc.training.distribution import even_shares

Augment = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""From a stored batch, the numbers of its images and the epoch (from 0) to a changed batch."""

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
    replicas: int = 1,
    augment: Augment | None = None,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield batches without end, epoch after epoch, each epoch in its own order.

    The last batch of an epoch holds what is left. With several replicas every batch is filled up to a
    multiple of them, and the weights of its images are yielded too, see `wbc.training.distribution`.

    One generator for all epochs, instead of a data set that is told of each epoch's end: whether that call
    comes before or after the next epoch's first batch is drawn differs between versions of Keras.
    """
    epoch = first_epoch
    while True:
        order = epoch_order(len(inputs), seed, epoch)
        for start in range(0, len(order), batch_size):
            chosen, count = even_shares(order[start : start + batch_size], replicas)
            stored = inputs[chosen] if augment is None else augment(inputs[chosen], chosen, epoch)
            batch = prepare(stored), targets[chosen]
            yield batch if replicas == 1 else (*batch, _weights(count, len(chosen), len(chosen) / count))
        epoch += 1


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Steps that one pass over `count` images takes."""
    return -(-count // batch_size)


def _weights(count: int, filled: int, weight: float) -> np.ndarray:
    """The weight of each image of a batch of which `count` count."""
    return np.where(np.arange(filled) < count, weight, 0).astype(np.float32)


class OrderedBatches(keras.utils.PyDataset):
    """Batches in file order, for validation.

    With several replicas every batch is filled up to a multiple of them. All images that count weigh the
    same, as much as makes Keras' means over everything those over the images that count.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        prepare: Prepare,
        replicas: int = 1,
    ):
        super().__init__()
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.prepare, self.replicas = batch_size, prepare, replicas
        filled = sum(len(self._chosen(index)[0]) for index in range(len(self)))
        self.weight = filled / len(inputs)

    def __len__(self) -> int:
        return steps_per_epoch(len(self.inputs), self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        chosen, count = self._chosen(index)
        batch = self.prepare(self.inputs[chosen]), self.targets[chosen]
        return batch if self.replicas == 1 else (*batch, _weights(count, len(chosen), self.weight))

    def _chosen(self, index: int) -> tuple[np.ndarray, int]:
        start = index * self.batch_size
        end = min(start + self.batch_size, len(self.inputs))
        return even_shares(np.arange(start, end), self.replicas)

    def first(self) -> "OrderedBatches":
        """The first batch alone."""
        size = self.batch_size
        return OrderedBatches(self.inputs[:size], self.targets[:size], size, self.prepare, self.replicas)
