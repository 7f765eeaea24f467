"""What differs between the backends of Keras. A backend is loaded inside the functions only."""

import sys

BACKENDS = ("tensorflow", "jax", "torch")
"""The backends that Keras can compute with. TensorFlow is the main one; the others run the same code."""

ONLY_TENSORFLOW: dict[str, tuple[str | int, str]] = {
    "jit_compile": (
        "auto",
        "only TensorFlow lets you choose whether XLA compiles: JAX always compiles, PyTorch has no XLA",
    ),
    "replicas": (1, "training one model on several devices needs TensorFlow's MirroredStrategy"),
}
"""Setting that only TensorFlow supports -> the value that leaves it alone, and the reason."""


def has_gpu(backend: str) -> bool:
    """Whether a backend computes on a GPU. Imports the backend and takes its devices into use."""
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU"))
    if backend == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    import torch

    return bool(torch.cuda.is_available())


def runs_ahead(backend: str) -> bool:
    """Whether the host may begin a step while the device still works on the one before."""
    return backend == "jax" or has_gpu(backend)


def can_wait(backend: str) -> bool:
    """Whether `wait_for_device` waits. JAX does not run its work in order on CPUs."""
    return backend != "jax"


def wait_for_device() -> None:
    """Wait until the device has finished all the work it was given.

    A device works in order, so the result of one more sum is ready when everything before it is done.
    """
    import keras

    one = keras.ops.ones(())
    keras.ops.convert_to_numpy(keras.ops.add(one, one))


def make_deterministic(backend: str) -> None:
    """Ask a backend for operations that give the same bits in every run. They may be slower.

    JAX needs nothing here: its random numbers are functions of their keys, and XLA is deterministic on CPUs.
    For GPUs the caller sets two environment variables before the import:
    `XLA_FLAGS=--xla_gpu_exclude_nondeterministic_ops=true` (JAX) and `CUBLAS_WORKSPACE_CONFIG=:4096:8`
    (PyTorch).
    """
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a backend raised this error because its device has no memory left."""
    tensorflow, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
    if tensorflow is not None and isinstance(error, tensorflow.errors.ResourceExhaustedError):
        return True
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    # XLA raises one class for every failure; only the message has the status.
    return "RESOURCE_EXHAUSTED" in str(error)
