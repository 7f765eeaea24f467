"""Batches for Keras: endless and shuffled for training, finite and in file order for validation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.data.manifest import check_class_weight
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
    of_classes: NDArray[np.float32] | None = None,
) -> Iterator[Batch]:
    """Yield batches without end, epoch after epoch, each epoch in its own order.

    The last batch of an epoch may be smaller. With several replicas every batch is padded to a multiple of
    them, and the weights of its images are yielded too (see `wbc.training.session`). With `fill` all batches
    are padded to one size. With `of_classes`, weights of shape (classes,), images weigh as their classes do.

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
            if replicas == 1 and not fill and of_classes is None:
                yield batch
                continue
            weights = _weights(count, len(chosen), len(chosen) / count)
            yield (*batch, weights if of_classes is None else weights * (targets[chosen] @ of_classes))
        epoch += 1


def class_weights(
    asked: Literal["balanced"] | Mapping[str, float], targets: NDArray[np.float32], classes: Sequence[str]
) -> NDArray[np.float32]:
    """How much images of each class count; shape (classes,).

    With `balanced` the images of every class weigh the same together, and an image weighs 1 on average.

    Args:
        asked: See `wbc.specification.Specification.class_weight`.
        targets: Of the training images; shape (n, classes).
        classes: Their names.

    Raises:
        InputError: A class that the table names is none of the images.
    """
    if asked == "balanced":
        counts = targets.sum(axis=0)
        present = counts > 0
        weights = len(targets) / (present.sum() * np.where(present, counts, 1))
        return np.where(present, weights, 1).astype(np.float32)
    check_class_weight(asked, classes)
    return np.array([asked.get(name, 1.0) for name in classes], np.float32)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Number of steps in one pass over `count` images."""
    return -(-count // batch_size)


def _weights(count: int, padded: int, weight: float) -> NDArray[np.float32]:
    """The weight of each image of a padded batch, of which the first `count` count; shape (padded,)."""
    return np.where(np.arange(padded) < count, weight, 0).astype(np.float32)


class InputBatches(keras.utils.PyDataset):
    """Batches of inputs alone in file order, to be predicted.

    Args:
        inputs: As they are stored.
        batch_size: Images per batch.
        prepare: From a batch to the input of the network.
        at_least: Batches with fewer images are padded to so many.
        told: Is told of each batch that is taken.
    """

    def __init__(
        self,
        inputs: NDArray[Any],
        batch_size: int,
        prepare: Prepare,
        at_least: int,
        told: Callable[[int], None],
    ) -> None:
        super().__init__()
        self.inputs, self.batch_size, self.prepare = inputs, batch_size, prepare
        self.at_least, self.told = at_least, told

    def __len__(self) -> int:
        return steps_per_epoch(len(self.inputs), self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32]]:
        start = index * self.batch_size
        end = min(start + self.batch_size, len(self.inputs))
        chosen, _ = even_shares(np.arange(start, end), 1, self.at_least)
        self.told(index)
        return (self.prepare(self.inputs[chosen]),)


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
