"""The environment variables that change how frameworks compute, without secrets. Standard library only."""

import os
from collections.abc import Mapping

PREFIXES = (
    *(
        "TF_",
        "XLA_",
        "KERAS_",
        "JAX_",
        "TORCH_",
        "PYTORCH_",
        "CUDA_",
        "CUBLAS_",
        "CUDNN_",
        "NCCL_",
        "NVIDIA_",
    ),
    *("OMP_", "KMP_", "GOMP_", "MKL_", "DNNL_", "ONEDNN_", "OPENBLAS_", "BLIS_", "MALLOC_"),
)
NAMES = ("LD_PRELOAD", "PYTHONHASHSEED", "PYTHONMALLOC")

OF_OTHERS = (
    "TF_VAR_",
    "TF_CLI_",
    "TF_TOKEN_",
    "TF_PLUGIN_",
    "TF_LOG",
    "TF_WORKSPACE",
    "TF_CLOUD_",
    "TF_DATA_DIR",
)
"""Of Terraform, which begins its names as TensorFlow does, and keeps secrets in some."""

_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH")
"""Words in a name that none of these variables has for an innocent reason."""

_LONGEST = 500


def compute_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Names and values of those that are set, by name."""
    return {
        name: value[:_LONGEST]
        for name, value in sorted(environment.items())
        if (name.startswith(PREFIXES) or name in NAMES)
        and not name.startswith(OF_OTHERS)
        and not any(word in name.upper() for word in _SECRET)
    }
