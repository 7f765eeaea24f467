"""What a trial runs in: the machine and its cores. Frameworks are in `bench.worker.backends`."""

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.worker import protocol
from bench.worker.variables import compute_variables


class SetupError(Exception):
    """The trial cannot run in this environment."""


def keep_to_cores() -> None:
    """Keep this process, and the threads that it will start, to the cores that the trial was given.

    To be called before NumPy is imported, whose threads are counted at import.

    Raises:
        SetupError: None of these cores may be used any more.
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


def peak_of_process() -> int | None:
    """The most memory that this process had in RAM so far (`VmHWM`), bytes; None where the kernel does not
    tell.

    `ru_maxrss` would be no use: that of a child starts at its parent's.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def describe_machine() -> dict[str, Any]:
    """What can be said without loading a framework.

    Returns:
        `python`, `kernel`, `cores` (that this process may use), `visible_gpus`, `variables` (see
        `bench.worker.variables`), `packages` (name -> version).
    """
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": granted_cores(),
        "visible_gpus": [uuid for uuid in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if uuid],
        "variables": compute_variables(),
        "packages": installed_packages(),
    }


def installed_packages(folders: Iterable[str] | None = None) -> dict[str, str]:
    """Name -> version of what is installed, from the names of its folders: to read them all takes too long.

    Args:
        folders: Where packages lie, the first goes before; where Python looks, if not given.
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
