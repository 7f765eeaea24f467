"""The memory that training takes: computed from the traced step, and as TensorFlow's allocator counted it."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from wbc.backends import has_gpu, peak_memory, reset_peak_memory
from wbc.memory.graph import read_graph
from wbc.memory.step import step_memory
from wbc.observer import Figures

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

LEAST_COUNTED = {"CPU": 256 << 10, "GPU": 0}
"""Bytes below which an allocator counts nothing. On CPUs small tensors have an allocator of their own
(observed in TensorFlow 2.21)."""


class Footprint:
    """Observes the memory of a model during training, at no cost to the training.

    It keeps the step that Keras traces; tracing again would take as long as the first time.

    Args:
        model: The compiled model, before it is trained.
        images: Images per step.
        replicas: Number of devices that share them.
        beside: A model that is in memory without being trained.
    """

    def __init__(
        self, model: "keras.Model", images: int, replicas: int = 1, beside: "keras.Model | None" = None
    ) -> None:
        import keras

        self.model, self.images, self.beside = model, images, beside
        self.reason = ""
        """Why there are no figures; empty while there may be some."""
        self.peak: int | None = None
        """The allocator's peak during training, in bytes."""
        self._graph: tf.Graph | None = None
        self._earlier: int | None = None
        """The allocator's peak before training: with JAX it stays, with the reference work and features in it."""
        self._backend = keras.backend.backend()
        if self._backend != "tensorflow":
            self.reason = f"the graph of a step is known for TensorFlow only, not for {self._backend}"
            self._earlier = peak_memory(self._backend)
        elif replicas > 1:
            self.reason = "the memory of a step is known for a single device only"
        else:
            self._keep_graph()

    def callback(self) -> "keras.callbacks.Callback":
        """A callback that calls `begin` after the first step, which traces, and `end` after training.

        It calls `begin` again after the first epoch: XLA may compile until then. If there is no second epoch,
        the peak is that after the first step.

        It has no `on_train_batch_end`, because Keras turns asynchronous dispatch off where one is defined.
        """
        import keras

        footprint, begun, epochs = self, 0, 0

        class Moments(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                nonlocal epochs
                epochs += 1
                if epochs == 2:
                    footprint.begin()

            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                nonlocal begun
                begun += 1
                if begun == 2:
                    footprint.begin()

            def on_train_end(self, logs: Any = None) -> None:
                footprint.end(begun - 1)

        return Moments()

    def begin(self) -> None:
        """The first step is over: from here on, the allocator's peak is that of training."""
        if self._backend != "tensorflow":
            reset_peak_memory(self._backend)
        elif not self.reason:
            import tensorflow as tf

            try:
                tf.config.experimental.reset_memory_stats(_device())
            except ValueError as error:  # an allocator without statistics
                self.reason = " ".join(str(error).split())[:200]

    def end(self, steps: int) -> None:
        """Training is over, `steps` steps after the first one."""
        if self._backend != "tensorflow":
            self.peak = peak_memory(self._backend)
            if self.peak is not None and self._backend == "jax" and self.peak == self._earlier:
                self.peak = None
                self.reason += "; JAX's allocator had its peak before training, and cannot forget it"
        if self.reason:
            return
        if steps < 1:
            self.reason = "only one step was trained, and that one traces as well"
            return
        import tensorflow as tf

        try:
            self.peak = int(tf.config.experimental.get_memory_info(_device())["peak"])
        except ValueError as error:
            self.reason = " ".join(str(error).split())[:200]

    def figures(self) -> Figures:
        """The memory that training took. This takes seconds for networks of many layers.

        Returns:
            `analytic` (see `StepMemory`) and `allocator_peak`, in bytes; or `unavailable`, the reason. With other
            backends on a GPU, both the reason and `allocator_peak`.
        """
        if self._graph is None and not self.reason:
            self.reason = "no step was traced: an earlier attempt trained all of them"
        if self.reason:
            known: Figures = {} if self.peak is None else {"allocator_peak": self.peak}
            return {"unavailable": self.reason, **known}
        nodes = read_graph(self._graph, self.images)
        models = [self.model] if self.beside is None else [self.beside, self.model]
        memory = step_memory(
            nodes,
            [_bytes(variable) for model in models for variable in model.variables],
            [_bytes(variable) for variable in self.model.optimizer.variables],
            _threads(),
            LEAST_COUNTED[_device().split(":")[0]],
        )
        return {"analytic": memory.figures(), "allocator_peak": self.peak}

    def _keep_graph(self) -> None:
        import tensorflow as tf

        traced = self.model.train_step

        def train_step(data: Any) -> Any:
            result = traced(data)
            if not tf.executing_eagerly():
                self._graph = tf.compat.v1.get_default_graph()
            return result

        self.model.train_step = train_step


def _device() -> str:
    return "GPU:0" if has_gpu("tensorflow") else "CPU:0"


def _threads() -> int:
    """Operations that run at the same time. A GPU gets its operations one by one, from one thread."""
    import tensorflow as tf

    if _device().startswith("GPU"):
        return 1
    return int(tf.config.threading.get_inter_op_parallelism_threads()) or len(os.sched_getaffinity(0))


def _bytes(variable: "keras.Variable") -> int:
    import keras

    kind = keras.backend.standardize_dtype(variable.dtype)
    width = 2 if kind == "bfloat16" else 0 if kind == "string" else np.dtype(kind).itemsize
    return int(np.prod(variable.shape)) * width
