"""The Keras settings of a process, and the devices that share the work on a model. Loads Keras on demand.

Several devices work together through `tf.distribute.MirroredStrategy`, which needs TensorFlow. Each batch is
split evenly. Keras averages the losses of the replicas, each the mean over its share, so all shares must have
the same size. A batch that does not divide evenly is padded with some of its own images. The padding weighs
nothing, and the other images weigh a little more: the gradient equals that of the batch on one device. The
training loss that Keras shows for an epoch weighs each batch by its padded size. That only matters where an
epoch has very few batches.

Where XLA compiles (see `compiles_shapes`), the last batch of an epoch is padded in the same way, to the size of
the others.

Layers that depend on the whole batch, such as batch normalization, see one share and its padding. This is how
Keras works.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wbc.backends import make_deterministic, runs_ahead
from wbc.errors import InputError
from wbc.specification import Specification

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Batch = tuple[NDArray[Any], ...]
"""Inputs and targets, and on several devices the weights of the images."""

BATCHES_AHEAD = 4
"""Number of batches that are prepared in advance."""

AVERAGING = (3, 8)
"""The first version of Keras whose training on several devices equals that on one."""


def open_session(specification: Specification) -> "Distribution":
    """Set data format, precision, seeds and determinism, whatever a user's `keras.json` says.

    Returns:
        The devices that share the work. Models must be built in its scope.

    Raises:
        InputError: There are too few devices, the backend lacks a feature that the experiment needs, or Keras
            was loaded with another backend.
    """
    import keras

    specification.check_backend()
    backend = keras.backend.backend()
    if backend != specification.backend:
        raise InputError(
            f"the experiment is for Keras with {specification.backend}, but Keras was loaded with {backend}",
            f"Set KERAS_BACKEND={specification.backend} before Keras is imported.",
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(specification.seed)
    if specification.deterministic:
        make_deterministic(backend)
    return Distribution(specification.replicas, specification.precision)


class Distribution:
    """The devices that share the work on a model.

    Args:
        replicas: Number of devices. With one, everything is plain Keras.
        precision: Policy of the layers that are made in `building`.

    Raises:
        InputError: TensorFlow sees too few devices, or this Keras cannot train on several.
    """

    def __init__(self, replicas: int = 1, precision: str = "float32") -> None:
        if replicas > 1:
            _check_keras()
        self.replicas, self.precision = replicas, precision
        self.strategy = _mirrored_strategy(replicas) if replicas > 1 else None
        self._largest: dict[int, int] = {}
        """Model, by its `id` -> the largest batch that it predicted."""

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which models and optimizers are made and get their values."""
        scope: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext() if self.strategy is None else self.strategy.scope()
        )
        return scope

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """The context in which networks are made: their layers compute in the precision that was asked for."""
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            with self.scope():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def predictor(self, model: "keras.Model") -> Callable[[NDArray[Any]], NDArray[Any]]:
        """A function from a batch of prepared inputs to the model's outputs, in the same order."""
        if self.strategy is None:
            return self._predictor(model)
        return _mirrored_predictor(self.strategy, model)

    def exact_predictor(self, model: "keras.Model") -> Callable[[NDArray[Any]], NDArray[Any]]:
        """The same without filling up any batch: XLA compiles for each size."""
        if self.strategy is None:
            return lambda batch: np.asarray(model.predict_on_batch(batch), np.float32)
        return _mirrored_predictor(self.strategy, model)

    def _predictor(self, model: "keras.Model") -> Callable[[NDArray[Any]], NDArray[Any]]:
        """Predict on one device. Where XLA would compile anew, a batch is filled up to the largest one before it."""
        fills = compiles_shapes(model)

        def predict(batch: NDArray[Any]) -> NDArray[Any]:
            largest = max(self._largest.get(id(model), 0), len(batch)) if fills else 0
            self._largest[id(model)] = largest
            chosen, count = even_shares(np.arange(len(batch)), 1, largest)
            padded = batch if len(chosen) == count else batch[chosen]
            return np.asarray(model.predict_on_batch(padded), np.float32)[:count]

        return predict

    @property
    def ahead(self) -> bool:
        """Whether the host can give the device batches to predict before it has the outputs of earlier ones."""
        import keras

        return self.strategy is None and runs_ahead(keras.backend.backend())

    def feed(self, batches: Callable[[], Iterator[Batch]]) -> "Iterator[Batch] | tf.data.Dataset":
        """Endless batches in the form that `fit` takes.

        Args:
            batches: Starts a generator. Its batches differ in length only, not in shape or type.
        """
        import keras

        # Keras would handle a generator badly. With a strategy it takes a batch to inspect it and starts
        # again, so it loses that batch and those prepared in advance. Without a strategy see `dataset_of`.
        return dataset_of(batches) if keras.backend.backend() == "tensorflow" else batches()


def even_shares(indices: NDArray[np.intp], replicas: int, at_least: int = 0) -> tuple[NDArray[np.intp], int]:
    """Pad a batch so that it divides evenly.

    Args:
        indices: The images of the batch; shape (n,).
        replicas: Number of devices that share it.
        at_least: Pad to this many images; see `compiles_shapes`.

    Returns:
        The images, padded at the end with images from the beginning, and n.
    """
    padded = -(-max(len(indices), at_least) // replicas) * replicas
    return np.resize(indices, padded), len(indices)


def compiles_shapes(model: "keras.Model") -> bool:
    """Whether XLA compiles the steps of a model, which it does anew for each size of a batch.

    That takes seconds to minutes. So batches that are too short are filled up with images that weigh nothing.
    `jit_compile = "auto"` means XLA on a GPU; JAX always compiles.
    """
    import keras

    return bool(keras.backend.backend() == "jax" or model.jit_compile)


def dataset_of(batches: Callable[[], Iterator[Batch]]) -> "tf.data.Dataset":
    """Batches that a thread of their own prepares in advance, as Keras does it, but a fixed number of them.

    TensorFlow would tune that number in a thread that sleeps between its checks, up to a minute. The end of
    training waits for this thread, so now and then a trial would idle for seconds within its fit time.
    """
    import tensorflow as tf

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in next(batches()))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.prefetch(BATCHES_AHEAD).with_options(options)


def _check_keras() -> None:
    """Raise InputError for a Keras that sums the gradients of replicas instead of averaging them."""
    import keras

    if tuple(map(int, keras.__version__.split(".")[:2])) < AVERAGING:
        raise InputError(
            f"Keras {keras.__version__} sums the gradients of several devices, but must average them",
            f"Use Keras {'.'.join(map(str, AVERAGING))} or newer, or one device: gpus_per_trial = 1.",
        )


def _mirrored_strategy(replicas: int) -> "tf.distribute.Strategy":
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(devices) < replicas:
        raise InputError(
            f"the experiment needs {replicas} devices at once, but TensorFlow sees {len(devices)} ({kind})"
        )
    # On CPUs one device computes the sums. Collectives would gain nothing, and two strategies in one process
    # would mix up theirs. On GPUs, None means NCCL.
    operations = tf.distribute.ReductionToOneDevice() if kind == "CPU" else None
    return tf.distribute.MirroredStrategy(devices[:replicas], operations)


def _mirrored_predictor(
    strategy: "tf.distribute.Strategy", model: "keras.Model"
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Predict with all replicas. Keras' own `predict_on_batch` would give each of them the whole batch."""
    import tensorflow as tf

    def step(share: "tf.Tensor") -> Any:
        return strategy.run(lambda x: model(x, training=False), args=(share,))

    traced_step = tf.function(step, reduce_retracing=True)

    def predict(batch: NDArray[Any]) -> NDArray[Any]:
        chosen, count = even_shares(np.arange(len(batch)), strategy.num_replicas_in_sync)
        shares = np.split(batch[chosen], strategy.num_replicas_in_sync)
        values = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(shares[context.replica_id_in_sync_group])
        )
        outputs = strategy.experimental_local_results(traced_step(values))
        return np.concatenate([output.numpy() for output in outputs])[:count].astype(np.float32)

    return predict
