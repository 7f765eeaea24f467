"""Keras with JAX."""

import os
from typing import Any

TITLE = "JAX"

_DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops=true"


def claim(deterministic: bool) -> None:
    """Have JAX take memory as it needs it; ask XLA for deterministic operations where that is wanted.

    On processors XLA's operations repeat to the last bit anyway, as long as the number of cores is the same.
    """
    # Otherwise JAX takes three quarters of a GPU at once, and what the trial needs cannot be seen.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if deterministic:
        flags = os.environ.get("XLA_FLAGS", "").split()
        os.environ["XLA_FLAGS"] = " ".join([*flags, _DETERMINISTIC])


def load() -> dict[str, Any]:
    """See `bench.worker.backends.load_backend`."""
    import jax

    devices = [device for device in jax.devices() if device.platform == "gpu"]
    untold = "unavailable: JAX does not say what its plugin was built with"
    return {
        "jax": jax.__version__,
        "gpus": [device.device_kind for device in devices],
        "cuda": untold if devices else "none: no GPU is in use",
        "cudnn": untold if devices else "none: no GPU is in use",
    }
