"""What a trial runs in: cores, memory, variables, packages. Standard library only.

The frameworks are in `bench.worker.backends`.
"""

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.worker import protocol
from bench.worker.jsonl import Facts

_PREFIXES = (
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
_NAMES = ("LD_PRELOAD", "PYTHONHASHSEED", "PYTHONMALLOC")

_TERRAFORM = (
    *("TF_VAR_", "TF_CLI_", "TF_TOKEN_", "TF_PLUGIN_", "TF_LOG", "TF_WORKSPACE", "TF_CLOUD_", "TF_DATA_DIR"),
)
"""Terraform's names begin as TensorFlow's do, and some of its variables hold secrets."""

_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH")
"""A variable with such a word in its name may hold a secret; no setting of a framework has one."""

_LONGEST_VALUE = 500


class SetupError(Exception):
    """The trial cannot run in this environment."""


def keep_to_cores() -> None:
    """Keep this process, and the threads that it will start, to the cores that the trial was given.

    Call it before NumPy is imported, which counts the cores for its threads at import.

    Raises:
        SetupError: This process may use none of these cores.
    """
    if not (given := os.environ.get(protocol.CORES)):
        return
    try:
        os.sched_setaffinity(0, map(int, given.split(",")))
    except OSError as error:
        raise SetupError(f"the trial was given cores {given}, but may use none of them: {error}") from error
    os.environ["OMP_NUM_THREADS"] = str(granted_cores())


def granted_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def resident_memory() -> int | None:
    """Resident memory of this process, bytes; None where the kernel does not report it. Takes microseconds."""
    try:
        with Path("/proc/self/statm").open("rb", buffering=0) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def peak_of_process() -> int | None:
    """The peak of this process' resident memory (`VmHWM`), bytes; None where the kernel does not report it.

    `ru_maxrss` is of no use: that of a child starts at its parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def describe_machine() -> Facts:
    """The environment, without loading a framework.

    Returns:
        `python`, `kernel`, `cores` (that this process may use), `visible_gpus`, `variables` (see
        `compute_variables`), `packages` (name -> version).
    """
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": granted_cores(),
        "visible_gpus": [uuid for uuid in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if uuid],
        "variables": compute_variables(),
        "packages": installed_packages(),
    }


def compute_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables that change how frameworks compute, without secrets: name -> value."""
    return {
        name: value[:_LONGEST_VALUE]
        for name, value in sorted(environment.items())
        if (name.startswith(_PREFIXES) or name in _NAMES)
        and not name.startswith(_TERRAFORM)
        and not any(word in name.upper() for word in _SECRET)
    }


def installed_packages(folders: Iterable[str] | None = None) -> dict[str, str]:
    """Installed packages: name -> version.

    They are read from the names of folders: to ask every package costs half a second.

    Args:
        folders: Where packages lie, the first takes precedence; None: where Python looks.
    """
    found: dict[str, str] = {}
    for folder in sys.path if folders is None else folders:
        try:
            names = [path.name for path in Path(folder or ".").iterdir()]
        except OSError:  # a zip file, or nothing
            continue
        for name in names:
            package, _, version = name.removesuffix(".dist-info").rpartition("-")
            if name.endswith(".dist-info") and package:
                found.setdefault(package.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))
