"""Keras with PyTorch."""

import os
from typing import Any

from bench.worker.environment import granted_cores

TITLE = "PyTorch"


def claim(deterministic: bool) -> None:
    """Give cuBLAS the workspace without which its sums come in any order; `wbc` asks PyTorch for the rest."""
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"


def load() -> dict[str, Any]:
    """See `bench.worker.backends.load_backend`."""
    import torch

    torch.set_num_threads(granted_cores())
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    without = "none: a CPU build"
    return {
        "torch": torch.__version__,
        "gpus": [torch.cuda.get_device_name(gpu) for gpu in gpus],
        "cuda": torch.version.cuda or without,
        "cudnn": str(torch.backends.cudnn.version() or without),
    }
