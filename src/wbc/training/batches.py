"""Batches for Keras: endless and shuffled for training, finite and in file order for validation."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.training.session import Batch, even_shares

Augment = Callable[[NDArray[np.uint8], NDArray[np.intp], int], NDArray[np.uint8]]
"""From a stored batch, the indices of its images and the epoch (from 0) to a changed batch."""

Prepare = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From a batch as it is stored (uint8 pixels or float32 features) to the input of the network."""


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.intp]:
    """The order of the training images in an epoch (from 0), which depends on seed and epoch only.

    Training that resumes at some epoch therefore sees the same images in the same order.
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def training_batches(
    inputs: NDArray[Any],
    targets: NDArray[np.float32],
    batch_size: int,
    seed: int,
    prepare: Prepare,
    first_epoch: int = 0,
    replicas: int = 1,
    augment: Augment | None = None,
    fill: bool = False,
) -> Iterator[Batch]:
    """Yield batches without end, epoch after epoch, each epoch in its own order.

    The last batch of an epoch may be smaller. With several replicas every batch is padded to a multiple of
    them, and the weights of its images are yielded too (see `wbc.training.session`). With `fill` all batches
    are padded to one size.

    One generator serves all epochs. A data set that is told of the end of each epoch would not do: versions
    of Keras differ in whether they do so before or after they take the first batch of the next epoch.
    """
    epoch, full = first_epoch, min(batch_size, len(inputs))
    while True:
        order = epoch_order(len(inputs), seed, epoch)
        for start in range(0, len(order), batch_size):
            chosen, count = even_shares(order[start : start + batch_size], replicas, full if fill else 0)
            stored = inputs[chosen] if augment is None else augment(inputs[chosen], chosen, epoch)
            batch = prepare(stored), targets[chosen]
            weighted = replicas > 1 or fill
            yield (*batch, _weights(count, len(chosen), len(chosen) / count)) if weighted else batch
        epoch += 1


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Number of steps in one pass over `count` images."""
    return -(-count // batch_size)


def _weights(count: int, padded: int, weight: float) -> NDArray[np.float32]:
    """The weight of each image of a padded batch, of which the first `count` count; shape (padded,)."""
    return np.where(np.arange(padded) < count, weight, 0).astype(np.float32)


class OrderedBatches(keras.utils.PyDataset):
    """Batches in file order, for validation.

    With several replicas every batch is padded to a multiple of them, and with `fill` to one size. All images
    that count have the same weight, chosen so that Keras' means over everything equal the means over the images
    that count.
    """

    def __init__(
        self,
        inputs: NDArray[Any],
        targets: NDArray[np.float32],
        batch_size: int,
        prepare: Prepare,
        replicas: int = 1,
        fill: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.prepare, self.replicas = batch_size, prepare, replicas
        self.fill = fill
        padded = sum(len(self._chosen(index)[0]) for index in range(len(self)))
        self.weight = padded / len(inputs)

    def __len__(self) -> int:
        return steps_per_epoch(len(self.inputs), self.batch_size)

    def __getitem__(self, index: int) -> Batch:
        chosen, count = self._chosen(index)
        batch = self.prepare(self.inputs[chosen]), self.targets[chosen]
        if self.replicas == 1 and not self.fill:
            return batch
        return (*batch, _weights(count, len(chosen), self.weight))

    def _chosen(self, index: int) -> tuple[NDArray[np.intp], int]:
        start = index * self.batch_size
        end = min(start + self.batch_size, len(self.inputs))
        full = min(self.batch_size, len(self.inputs)) if self.fill else 0
        return even_shares(np.arange(start, end), self.replicas, full)

    def first(self) -> "OrderedBatches":
        """The first batch alone."""
        size = self.batch_size
        inputs, targets = self.inputs[:size], self.targets[:size]
        return OrderedBatches(inputs, targets, size, self.prepare, self.replicas, self.fill)
