"""What a cell runs in: the machine and its cores. Frameworks are in `bench.worker.backends`."""

import os
import platform
from typing import Any

from bench.worker import protocol


class SetupError(Exception):
    """The cell cannot run in this environment."""


def keep_to_cores() -> None:
    """Keep this process, and the threads that it will start, to the cores that the cell was given.

    To be called before NumPy is imported, whose threads are counted at import.

    Raises:
        SetupError: None of these cores may be used any more.
    """
    if not (given := os.environ.get(protocol.CORES)):
        return
    try:
        os.sched_setaffinity(0, map(int, given.split(",")))
    except OSError as error:
        raise SetupError(f"the cell was given cores {given}, but may use none of them: {error}") from error
    os.environ["OMP_NUM_THREADS"] = str(granted_cores())


def granted_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def describe_machine() -> dict[str, Any]:
    """What can be said without loading a framework."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": granted_cores(),
        "visible_gpus": [uuid for uuid in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if uuid],
    }
