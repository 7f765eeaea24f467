"""Whether a backend of Keras computes on a GPU."""


def has_gpu(backend: str) -> bool:
    """Whether it does; the backend is imported."""
    return _GPUS[backend]()


def _tensorflow_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def _jax_gpu() -> bool:
    import jax

    return jax.default_backend() == "gpu"


def _torch_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


_GPUS = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}
