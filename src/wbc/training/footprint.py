"""How much memory training takes: worked out from the step that was traced, and as TensorFlow's allocator
counted it."""

import os
from typing import Any

import keras
import numpy as np

LEAST_COUNTED = {"CPU": 256 << 10, "GPU": 0}
"""Bytes below which an allocator counts nothing: on processors small tensors have one of their own (seen in
TensorFlow 2.21)."""


class Footprint:
    """Watches the memory of a model that is trained; costs nothing while it trains.

    The step is taken as Keras traces it: to trace a second time would take as long as the first.

    Args:
        model: The compiled model, before it is trained.
        images: Images a step.
        replicas: How many devices share them.
        beside: A model that is in memory without being trained.
    """

    def __init__(self, model: keras.Model, images: int, replicas: int = 1, beside: keras.Model | None = None):
        self.model, self.images, self.beside = model, images, beside
        self.reason = ""
        self._graph: Any = None
        self.peak: int | None = None
        if keras.backend.backend() != "tensorflow":
            self.reason = (
                f"only TensorFlow's graph and allocator can be read, not those of {keras.backend.backend()}"
            )
        elif replicas > 1:
            self.reason = "only the step of a single device can be read"
        else:
            self._listen()

    def callback(self) -> keras.callbacks.Callback:
        """Tells when the first step, which traces, and training are over."""
        return _Moments(self)

    def begin(self) -> None:
        """The first step is over: from now on the allocator's peak is that of training."""
        if not self.reason:
            import tensorflow as tf

            try:
                tf.config.experimental.reset_memory_stats(_device())
            except ValueError as error:  # an allocator without a memory of its own
                self.reason = " ".join(str(error).split())[:200]

    def end(self, steps: int) -> None:
        """Training is over, `steps` steps after its first one."""
        if self.reason:
            return
        if steps < 1:
            self.reason = "a single step was trained, which traces as well"
            return
        import tensorflow as tf

        try:
            self.peak = int(tf.config.experimental.get_memory_info(_device())["peak"])
        except ValueError as error:
            self.reason = " ".join(str(error).split())[:200]

    def figures(self) -> dict[str, Any]:
        """What training took; takes seconds for networks of many layers, so ask when nobody waits.

        Returns:
            `analytic` (see `wbc.training.memory.StepMemory`) and `allocator_peak`, bytes; or `unavailable`:
            the reason.
        """
        if self._graph is None and not self.reason:
            self.reason = "no step was traced: all of it was trained before"
        if self.reason:
            return {"unavailable": self.reason}
        from wbc.training.graph import read_graph
        from wbc.training.memory import step_memory

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

    def _listen(self) -> None:
        import tensorflow as tf

        traced = self.model.train_step

        def train_step(data):
            result = traced(data)
            if not tf.executing_eagerly():
                self._graph = tf.compat.v1.get_default_graph()
            return result

        self.model.train_step = train_step


class _Moments(keras.callbacks.Callback):
    """It has no `on_train_batch_end`, because Keras gives up asynchronous dispatch where one is defined."""

    def __init__(self, footprint: Footprint):
        super().__init__()
        self._footprint, self._begun = footprint, 0

    def on_train_batch_begin(self, batch, logs=None):
        """A step begins; the second one is the first that traces nothing."""
        self._begun += 1
        if self._begun == 2:
            self._footprint.begin()

    def on_train_end(self, logs=None):
        """The last step is over, and validation."""
        self._footprint.end(self._begun - 1)


def _device() -> str:
    import tensorflow as tf

    return "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"


def _threads() -> int:
    """How many operations run at once. On a GPU one thread hands them to the device one after the other."""
    import tensorflow as tf

    if _device().startswith("GPU"):
        return 1
    return tf.config.threading.get_inter_op_parallelism_threads() or len(os.sched_getaffinity(0))


def _bytes(variable: keras.Variable) -> int:
    kind = keras.backend.standardize_dtype(variable.dtype)
    width = 2 if kind == "bfloat16" else 0 if kind == "string" else np.dtype(kind).itemsize
    return int(np.prod(variable.shape)) * width
