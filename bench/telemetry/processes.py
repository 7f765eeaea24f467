"""Processes and their threads, as the kernel counts them. Standard library only, few calls."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = "/proc"

# Fields of /proc/<pid>/stat after the program's name, which may hold blanks and brackets.
_PARENT, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14


def parents() -> dict[int, int]:
    """Every process -> its parent; costs a few milliseconds."""
    found = {}
    for name in _names(_PROC):
        if name.isdecimal():
            with suppress(OSError):
                found[int(name)] = int(_stat(int(name))[_PARENT])
    return found


def tree(root: int, parent_of: dict[int, int]) -> list[int]:
    """A process and all that descend from it, each after its parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


class CpuTime:
    """CPU seconds that processes used, with what children used that they waited for; never falls.

    A child that ends hands its time to a parent that waits for it. The time of one that nobody waits for
    would be lost, so it is kept here.
    """

    def __init__(self) -> None:
        self._last = self._kept = 0.0

    def read(self, pids: Iterable[int]) -> float:
        """Their sum by now, in seconds. `pids`: each after its parent."""
        pids = list(pids)
        now = _cpu_s(pids)
        if now + self._kept < self._last:
            now = _cpu_s(pids)  # a child may have ended between its parent's turn and its own
            self._kept += max(0.0, self._last - self._kept - now)
        self._last = now + self._kept
        return self._last


class OthersCpuTime:
    """CPU seconds of processes that come and go and are not each other's family; never falls.

    Only what each used itself counts: the harness waits for workers that are no concern of this trial.
    """

    def __init__(self) -> None:
        self._before: dict[int, float] | None = None
        self._total = 0.0

    def read(self, pids: Iterable[int]) -> float:
        """Their sum since the first call, in seconds."""
        now = {}
        for pid in pids:
            with suppress(OSError):
                now[pid] = time.clock_gettime(_clock_of(pid))
        if self._before is not None:
            # One that was not there before has begun since.
            self._total += sum(max(0.0, used - self._before.get(pid, 0.0)) for pid, used in now.items())
        self._before = now
        return self._total


class QueueWait:
    """Seconds in which threads were ready to run and had no core; those of ended threads stay counted.

    Raises:
        OSError: The kernel does not count it.
    """

    def __init__(self) -> None:
        _read(f"{_PROC}/self/schedstat")
        self._threads: dict[tuple[int, int], int] = {}
        self._ended = 0

    def read(self, pids: Iterable[int]) -> float:
        """Their sum by now, over all threads, in seconds."""
        now = {}
        for pid, tid in _threads(pids):
            with suppress(OSError):
                now[pid, tid] = int(_read(f"{_PROC}/{pid}/task/{tid}/schedstat").split()[1])
        self._ended += sum(waited for thread, waited in self._threads.items() if thread not in now)
        self._threads = now
        return (self._ended + sum(now.values())) / 1e9


def resident_bytes(pids: Iterable[int]) -> int | None:
    """Memory that processes hold, in bytes; pages that they share count for each. None where none is left."""
    total = None
    for pid in pids:
        with suppress(OSError, IndexError):
            pages = int(_read(f"{_PROC}/{pid}/statm").split()[1])
            total = (total or 0) + pages * _PAGE
    return total


def may_use(pid: int, cores: set[int]) -> bool:
    """Whether a process may run on some of these cores."""
    try:
        return bool(os.sched_getaffinity(pid) & cores)
    except OSError:
        return False


def _cpu_s(pids: Iterable[int]) -> float:
    total = 0.0
    for pid in pids:
        with suppress(OSError, IndexError, ValueError):
            stat = _stat(pid)
            waited_for = int(stat[_CHILDREN_USER]) + int(stat[_CHILDREN_SYSTEM])
            # The clock of another process, in nanoseconds; stat counts in hundredths of a second.
            own = time.clock_gettime(_clock_of(pid))
            total += own + waited_for * _TICK_S
    return total


def _clock_of(pid: int) -> int:
    """The number of a process' CPU clock, as the kernel's interface defines it (clock_getcpuclockid)."""
    return (~pid << 3) | 2


def _stat(pid: int) -> list[bytes]:
    content = _read(f"{_PROC}/{pid}/stat")
    return content[content.rindex(b")") + 2 :].split()


def _threads(pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    for pid in pids:
        with suppress(OSError):
            yield from ((pid, int(name)) for name in _names(f"{_PROC}/{pid}/task"))


def _names(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _read(path: str) -> bytes:
    """Without the objects and the buffers of `Path.read_bytes`: some of this is asked for every thread."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
