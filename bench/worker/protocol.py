"""What a worker and its parent agree on: the variables that the worker reads, and how it ends.

Standard library only.
"""

import atexit
import ctypes
import os
import signal
import sys
import threading
from typing import NoReturn

SPAWNED_NS = "LEUKOBENCH_SPAWNED_NS"
"""Monotonic time, in nanoseconds, at which the parent started the process."""

EVENT_FD = "LEUKOBENCH_EVENT_FD"
"""File descriptor of the pipe that gets a copy of the events."""

PARENT_PID = "LEUKOBENCH_PARENT_PID"
"""The parent. A worker whose parent has ended must not train on."""

TURN_FD = "LEUKOBENCH_TURN_FD"
"""File descriptor that says when it is the worker's turn; unset: it shares its place with nobody."""

DEVICE_KIND = "LEUKOBENCH_DEVICE_KIND"
"""`gpu` or `cpu`: what the worker was given."""

CORES = "LEUKOBENCH_CORES"
"""The cores that the worker may use, such as `0,1`; unset: all that its parent may use."""

REPLICAS = "LEUKOBENCH_REPLICAS"
"""The number of devices that train the trial together; unset: 1."""

EXPLAINED_FOLDER = "explained"
"""Folder of an attempt: pictures of what its network looks at."""

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends, for whatever reason. Linux only.

    Args:
        parent: The expected parent. If it has ended already, this process ends at once.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_at_once(code: int) -> NoReturn:
    """End this process without taking its modules apart, for which a framework needs more than a second.

    What is registered with `atexit` still runs. Threads of a user's that go on are waited for as usual.
    """
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
