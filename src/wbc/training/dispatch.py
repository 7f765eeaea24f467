"""How Keras hands steps to the device: whether the host runs ahead of it, and how the host waits for it.

Callbacks of Keras may be dispatched asynchronously, where none of them asks for the end of a batch: a
comparison of versions that does not know compares that.
"""

from collections.abc import Sequence

import keras

from wbc.accelerator import has_gpu


def dispatch_figures(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> dict:
    """What a compiled model and its callbacks come to, for the phase `compile`.

    Returns:
        `jit_compile`, `steps_per_execution`, and `asynchronous_callbacks`: None where Keras does not tell.
    """
    made = keras.callbacks.CallbackList(list(callbacks))
    return {
        "jit_compile": bool(model.jit_compile),
        "steps_per_execution": int(model.steps_per_execution),
        "asynchronous_callbacks": getattr(made, "_async_train", None),
    }


def runs_ahead() -> bool:
    """Whether a step may be under way on the device when the host begins the next one."""
    backend = keras.backend.backend()
    return backend == "jax" or has_gpu(backend)


def can_wait() -> bool:
    """Whether `wait_for_device` waits: JAX on processors gives no such order to its work."""
    return keras.backend.backend() != "jax"


def wait_for_device() -> None:
    """Wait until the device is done with all that it was given.

    A device works on what it is given in its order; the result of one more sum is there when all is done.
    """
    one = keras.ops.ones(())
    keras.ops.convert_to_numpy(keras.ops.add(one, one))
