"""What differs between the backends of Keras. A backend is loaded inside the functions only."""

import sys
from typing import Literal

BACKENDS = ("tensorflow", "jax", "torch")
"""The backends that Keras can compute with. TensorFlow is the main one; the others run the same code."""

ONLY_TENSORFLOW: dict[str, tuple[str | int, str]] = {
    "jit_compile": (
        "auto",
        "only TensorFlow lets you choose whether XLA compiles: JAX always compiles, PyTorch has no XLA",
    ),
    "precision": ("float32", "lower precision was tried with TensorFlow only"),
    "steps_per_execution": (1, "several steps in a call were tried with TensorFlow only"),
    "replicas": (1, "training one model on several devices needs TensorFlow's MirroredStrategy"),
}
"""Setting that only TensorFlow supports -> the value that leaves it alone, and the reason."""

COMPILED_BACKENDS = ("tensorflow", "jax")
"""The backends that can compile a loop over training steps."""

_DEVICE_FULL = (
    "RESOURCE_EXHAUSTED",  # XLA raises one class for every failure
    "Dst tensor is not initialized",  # TensorFlow: no room for a copy
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "CUDA error: out of memory",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
)
"""Words with which frameworks and NVIDIA's libraries report that a device has no memory left."""

_HOST_FULL = (
    "device:CPU:0 by allocator",  # TensorFlow
    "DefaultCPUAllocator: not enough memory",  # PyTorch
    "DefaultCPUAllocator: can't allocate memory",
)
"""Words with which they report that the host has none left."""


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


def reset_peak_memory(backend: str) -> None:
    """Let PyTorch's allocator forget the peak so far. JAX's cannot: its peak is that of the whole process."""
    if backend == "torch" and has_gpu(backend):
        import torch

        torch.cuda.reset_peak_memory_stats()


def peak_memory(backend: str) -> int | None:
    """The peak of the allocator of JAX or PyTorch on the first GPU, bytes; None where it does not count, as on
    processors."""
    if backend == "jax":
        import jax

        statistics = jax.local_devices()[0].memory_stats() or {}
        peak = statistics.get("peak_bytes_in_use")
        return None if peak is None else int(peak)
    if not has_gpu(backend):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated())


def memory_in_use(backend: str) -> int | None:
    """What the backend's allocator has in use on the first GPU, bytes; None on processors, or where it is unknown."""
    if not has_gpu(backend):
        return None
    try:
        if backend == "tensorflow":
            import tensorflow as tf

            return int(tf.config.experimental.get_memory_info("GPU:0")["current"])
        if backend == "jax":
            import jax

            used = (jax.local_devices()[0].memory_stats() or {}).get("bytes_in_use")
            return None if used is None else int(used)
        import torch

        return int(torch.cuda.memory_allocated())
    except (ValueError, RuntimeError):  # an allocator without statistics
        return None


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


def out_of_memory(error: BaseException) -> Literal["device", "host"] | None:
    """Whose memory had no room left, if a backend raised this error for that reason; else None.

    Libraries below a backend report a full GPU under many names, which reach Python as a message only. TensorFlow
    names the device of the allocator: on a GPU, an operation on the processor may still fill the host's memory.
    """
    tensorflow, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
    typed = (tensorflow is not None and isinstance(error, tensorflow.errors.ResourceExhaustedError)) or (
        torch is not None and isinstance(error, torch.cuda.OutOfMemoryError)
    )
    return memory_named_in(str(error)) or ("device" if typed else None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a backend raised this error because its device, or the host, has no memory left."""
    return out_of_memory(error) is not None


def memory_named_in(message: str) -> Literal["device", "host"] | None:
    """Whose memory a message of a framework or of CUDA says is full; None where it says nothing of it."""
    if any(words in message for words in _HOST_FULL):
        return "host"
    return "device" if any(words in message for words in _DEVICE_FULL) else None
