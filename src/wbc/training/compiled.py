"""The loop `compiled`: epochs over features that stay on the device, many steps in one compiled call.

Each step is Keras' own `train_step`, so optimizer, loss, metrics, dropout and penalties are those of `fit`. What
is saved is the way of every batch through Python: its copy, the queue, the dispatch of the step. XLA compiles
the steps between two moments that are timed into one loop.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.backends import COMPILED_BACKENDS
from wbc.errors import InputError
from wbc.training.batches import epoch_order, steps_per_epoch

Arrays = tuple[NDArray[Any], ...]
"""Inputs, targets and, where images count differently, their weights; the first axis is that of the images."""


class _Steps(Protocol):
    """Compiled steps of one kind, training or validation, over arrays on the device."""

    def __call__(self, order: NDArray[np.int32], first: int, last: int) -> None:
        """Do the full batches `first` to `last` - 1 of an order of the images; the metrics add them up."""

    def rest(self, order: NDArray[np.int32]) -> None:
        """Do the last batch, which has fewer images."""


class CompiledEpochs:
    """Trains and validates a compiled Keras model.

    Args:
        model: A compiled model with its weights.
        train: Of the training images.
        validation: Of the validation images.
        batch_size: Images per step.
        seed: With it and the number of an epoch the order of the images is as in `fit`.
        jit: Whether XLA compiles the loop; only TensorFlow can do without.

    Raises:
        InputError: The backend cannot compile a loop.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Arrays,
        validation: Arrays,
        batch_size: int,
        seed: int,
        jit: bool = True,
    ) -> None:
        backend = keras.backend.backend()
        if backend not in COMPILED_BACKENDS:
            raise InputError(
                f'loop = "compiled" is not for backend = "{backend}"',
                f'Set loop = "fit", or backend = "{COMPILED_BACKENDS[0]}".',
            )
        model.optimizer.build(model.trainable_variables)
        self.model, self.batch_size, self.seed = model, batch_size, seed
        self.jit = jit or backend == "jax"
        self.images, self.validated = len(train[0]), len(validation[0])
        kind = _OfTensorFlow if backend == "tensorflow" else _OfJax
        self._train: _Steps = kind(model, train, batch_size, True, jit)
        self._validate: _Steps = kind(model, validation, batch_size, False, jit)

    def fit(
        self, first_epoch: int, epochs: int, piece: int, callbacks: list[keras.callbacks.Callback]
    ) -> None:
        """Train as `model.fit` does, with the same calls of the callbacks but those at the ends of batches.

        Args:
            first_epoch: Number of epochs done before.
            epochs: Number of epochs done after it.
            piece: Most steps in one call. The device is waited for after each.
            callbacks: See Keras.
        """
        model, steps = self.model, steps_per_epoch(self.images, self.batch_size)
        calls = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=steps)
        model.stop_training = False
        calls.on_train_begin()
        for epoch in range(first_epoch, epochs):
            order = epoch_order(self.images, self.seed, epoch).astype(np.int32)
            model.reset_metrics()
            calls.on_epoch_begin(epoch)
            # The first step compiles, so it is timed alone.
            for first, last in pieces(steps, piece, alone=epoch == first_epoch):
                for step in range(first, last):
                    calls.on_train_batch_begin(step)
                self._do(self._train, order, first, last)
            logs = self._metrics()
            calls.on_test_begin()
            logs |= {f"val_{name}": value for name, value in self.evaluate().items()}
            calls.on_test_end(logs)
            calls.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        calls.on_train_end()

    def evaluate(self) -> dict[str, float]:
        """Loss and metrics of the validation images."""
        self.model.reset_metrics()
        order = np.arange(self.validated, dtype=np.int32)
        self._do(self._validate, order, 0, steps_per_epoch(self.validated, self.batch_size))
        found = self._metrics()
        self.model.reset_metrics()
        return found

    def _do(self, steps: _Steps, order: NDArray[np.int32], first: int, last: int) -> None:
        full = len(order) // self.batch_size
        if first < min(last, full):
            steps(order, first, min(last, full))
        if last > full:
            steps.rest(order)
        for variable in self.model.metrics_variables[:1]:  # there once the device is done
            keras.ops.convert_to_numpy(variable)

    def _metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}


def pieces(steps: int, piece: int, alone: bool) -> Iterator[tuple[int, int]]:
    """Ranges of the steps of an epoch that are done in one call.

    Args:
        steps: Steps of the epoch.
        piece: Most steps of a range.
        alone: The first step is a range of its own.
    """
    first = 0
    if alone:
        yield 0, 1
        first = 1
    while first < steps:
        last = min(first + piece, steps)
        yield first, last
        first = last


@contextmanager
def named_generator() -> Iterator[None]:
    """While a step of TensorFlow is traced, Keras' dropout names the generator of its random numbers.

    The numbers are the same: XLA takes Philox anyway. But unnamed it gets its key by an operation for which XLA makes
    slow code on processors: 16 x 256 numbers take 1.9 ms, more than a pass over the weights of the head; named, 0.07.
    """
    import tensorflow as tf

    unnamed = tf.nn.experimental.stateless_dropout
    tf.nn.experimental.stateless_dropout = partial(unnamed, rng_alg="philox")
    try:
        yield
    finally:
        tf.nn.experimental.stateless_dropout = unnamed


class _OfTensorFlow:
    def __init__(self, model: keras.Model, arrays: Arrays, size: int, train: bool, jit: bool) -> None:
        import tensorflow as tf

        held = [tf.constant(array) for array in arrays]
        step = model.train_step if train else model.test_step
        left = len(arrays[0]) % size
        self._tf = tf

        def do(chosen: Any) -> None:
            with named_generator():
                step(tuple(tf.gather(one, chosen) for one in held))

        def some(order: Any, first: Any, last: Any) -> None:
            def body(index: Any) -> tuple[Any]:
                do(tf.slice(order, [index * size], [size]))
                return (index + 1,)

            tf.while_loop(lambda index: index < last, body, [first], parallel_iterations=1)

        def rest(order: Any) -> None:
            do(order[-left:])

        self._some, self._rest = (
            tf.function(steps, jit_compile=jit, autograph=False) for steps in (some, rest)
        )

    def __call__(self, order: NDArray[np.int32], first: int, last: int) -> None:
        self._some(*(self._tf.constant(one) for one in (order, np.int32(first), np.int32(last))))

    def rest(self, order: NDArray[np.int32]) -> None:
        self._rest(self._tf.constant(order))


class _OfJax:
    def __init__(self, model: keras.Model, arrays: Arrays, size: int, train: bool, jit: bool) -> None:
        import jax

        held = [jax.numpy.asarray(array) for array in arrays]
        model.test_on_batch(*(array[:size] for array in arrays))  # Keras makes the variables of metrics here
        step = model.train_step if train else model.test_step
        left = len(arrays[0]) % size
        self._model, self._train = model, train

        def after(state: Any, chosen: Any) -> Any:
            return step(state, tuple(one[chosen] for one in held))[1]

        def some(state: Any, order: Any, first: Any, last: Any) -> Any:
            def body(index: Any, state: Any) -> Any:
                return after(state, jax.lax.dynamic_slice(order, (index * size,), (size,)))

            return jax.lax.fori_loop(first, last, body, state)

        def rest(state: Any, order: Any) -> Any:
            return after(state, order[-left:])

        self._some, self._rest = jax.jit(some), jax.jit(rest)

    def __call__(self, order: NDArray[np.int32], first: int, last: int) -> None:
        self._keep(self._some(self._state(), order, first, last))

    def rest(self, order: NDArray[np.int32]) -> None:
        self._keep(self._rest(self._state(), order))

    def _variables(self) -> list[list[keras.Variable]]:
        model = self._model
        kinds = [model.trainable_variables, model.non_trainable_variables]
        kinds += [model.optimizer.variables] if self._train else []
        return [*kinds, model.metrics_variables]

    def _state(self) -> tuple[list[Any], ...]:
        """What Keras' functional steps take and return, in its order."""
        return tuple([variable.value for variable in kind] for kind in self._variables())

    def _keep(self, state: tuple[list[Any], ...]) -> None:
        for kind, values in zip(self._variables(), state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
