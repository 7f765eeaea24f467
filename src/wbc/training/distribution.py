"""One model on several devices at once, by `tf.distribute.MirroredStrategy`. TensorFlow only.

Every batch is the suite's batch, shared out evenly. Keras averages the losses of the replicas, each the mean
over its share, so shares must be of one size. A batch that does not divide (the last of an epoch, or one
with fewer images than replicas) is filled up with images of its own, which weigh nothing, while the others
weigh a little more: the gradient is that of the batch on one device. The training loss that Keras shows for
an epoch weighs each batch by its filled size, which matters where an epoch has very few batches.

What depends on the images of a share, as batch normalisation does, depends on the filling too, and on the
share instead of the batch: that is so in Keras.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from wbc.errors import InputError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    Batches = Iterator[tuple[np.ndarray, ...]] | tf.data.Dataset


BATCHES_AHEAD = 4
"""So many batches wait to be trained on."""

AVERAGING = (3, 8)
"""The first version of Keras whose training on several devices equals that on one."""


class Distribution:
    """The devices that share the work on a model.

    Args:
        replicas: How many of them. With one, nothing is different from plain Keras.

    Raises:
        InputError: TensorFlow does not see as many devices, or this Keras does not train on several.
    """

    def __init__(self, replicas: int = 1):
        if replicas > 1:
            _check_keras()
        self.replicas = replicas
        self.strategy = _mirrored_strategy(replicas) if replicas > 1 else None

    def scope(self) -> contextlib.AbstractContextManager:
        """Where models and optimisers must be made, and get their values."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def predictor(self, model: "keras.Model") -> Callable[[np.ndarray], np.ndarray]:
        """A function from a batch of prepared inputs to the model's outputs, in their order."""
        if self.strategy is None:
            return lambda batch: np.asarray(model.predict_on_batch(batch))
        return _mirrored_predictor(self.strategy, model)

    def feed(self, batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]) -> "Batches":
        """Batches without end in the form that `fit` takes.

        Args:
            batches: Starts a generator; its batches are of one shape and type but for their length.
        """
        import keras

        # What Keras makes of a generator is no good here. With a strategy it takes a batch to look at, and
        # begins anew: that batch, and those made in advance, would be lost. Without one, see `dataset_of`.
        return dataset_of(batches) if keras.backend.backend() == "tensorflow" else batches()


def even_shares(indices: np.ndarray, replicas: int) -> tuple[np.ndarray, int]:
    """Fill a batch up so that it divides.

    Args:
        indices: The images of the batch; shape (n,).
        replicas: How many devices share it.

    Returns:
        The images with as many repeated at the end as are missing, and n.
    """
    filled = -(-len(indices) // replicas) * replicas
    return np.resize(indices, filled), len(indices)


def _check_keras() -> None:
    """Raise InputError for a Keras that sums the gradients of replicas unscaled."""
    import keras

    if tuple(map(int, keras.__version__.split(".")[:2])) < AVERAGING:
        raise InputError(
            f"Keras {keras.__version__} sums the gradients of several devices, where it should average them",
            f"Take Keras {'.'.join(map(str, AVERAGING))} or newer, or one device: gpus_per_trial = 1.",
        )


def _mirrored_strategy(replicas: int) -> "tf.distribute.Strategy":
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(devices) < replicas:
        raise InputError(
            f"the experiment is to be trained on {replicas} devices at once, but TensorFlow sees "
            f"{len(devices)} ({kind})"
        )
    # On processors sums are made on one device: collectives would gain nothing there, and two strategies in
    # one process mix theirs up. On GPUs None is NCCL.
    operations = tf.distribute.ReductionToOneDevice() if kind == "CPU" else None
    return tf.distribute.MirroredStrategy(devices[:replicas], operations)


def dataset_of(batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]) -> "tf.data.Dataset":
    """Batches made in advance by a thread of their own, as Keras has them made, but a fixed number of them.

    TensorFlow would tune that number in a thread that sleeps between its looks, each time twice as long, up
    to a minute; at the end of training it is waited for, and now and then it sleeps on: a cell that does
    nothing for seconds, within its fit time.
    """
    import tensorflow as tf

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in next(batches()))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.prefetch(BATCHES_AHEAD).with_options(options)


def _mirrored_predictor(strategy, model) -> Callable[[np.ndarray], np.ndarray]:
    """Keras' own `predict_on_batch` gives every replica the whole batch."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(share):
        return strategy.run(lambda x: model(x, training=False), args=(share,))

    def predict(batch: np.ndarray) -> np.ndarray:
        chosen, count = even_shares(np.arange(len(batch)), strategy.num_replicas_in_sync)
        shares = np.split(batch[chosen], strategy.num_replicas_in_sync)
        values = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(shares[context.replica_id_in_sync_group])
        )
        outputs = strategy.experimental_local_results(step(values))
        return np.concatenate([output.numpy() for output in outputs])[:count]

    return predict
