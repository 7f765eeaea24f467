"""Cores, processes and threads, as the kernel counts them. Standard library only, few system calls."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STAT, PRESSURE = Path("/proc/stat"), Path("/proc/pressure/cpu")

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = "/proc"
_ROOM = 1 << 16
"""Bytes for the rows of some 500 cores in `/proc/stat`; nothing behind them is needed."""

# Fields of /proc/<pid>/stat after the program's name, which may hold blanks and brackets.
_PARENT, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14


@dataclass(frozen=True)
class CoreTimes:
    """Seconds since the machine started, summed over some cores."""

    busy: float
    """Work for processes of this machine and its kernel."""
    steal: float
    """Time that the host gave to other virtual machines."""
    total: float
    """Work, idle and stolen time."""


class KernelFile:
    """A file of the kernel, kept open because it is read ten times a second.

    Raises:
        OSError: It does not exist, or may not be read.
    """

    def __init__(self, path: Path):
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.read()

    def read(self) -> str:
        """Its content now."""
        return os.pread(self._fd, _ROOM, 0).decode()


def core_times(stat: str, cores: set[int]) -> tuple[CoreTimes, CoreTimes]:
    """Times of the whole machine and of some of its cores, from the text of `/proc/stat`."""
    machine, some = CoreTimes(0.0, 0.0, 0.0), []
    for line in stat.splitlines():
        if not line.startswith("cpu"):
            break
        name, *ticks = line.split()
        if name == "cpu":
            machine = _times(ticks)
        elif int(name.removeprefix("cpu")) in cores:
            some.append(_times(ticks))
    together = CoreTimes(
        sum(one.busy for one in some), sum(one.steal for one in some), sum(one.total for one in some)
    )
    return machine, together


def pressure_s(pressure: str) -> float:
    """Seconds in which some process of the machine waited for a core, from `/proc/pressure/cpu`."""
    return int(pressure.split("total=", 1)[1].split(None, 1)[0]) / 1e6


def _times(ticks: list[str]) -> CoreTimes:
    # guest and guest_nice, which follow, are part of user and nice.
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, ticks[:8])
    busy = user + nice + system + irq + softirq
    return CoreTimes(busy * _TICK_S, steal * _TICK_S, (busy + idle + iowait + steal) * _TICK_S)


def parents() -> dict[int, int]:
    """Process -> its parent, for every process; takes a few milliseconds."""
    found = {}
    for name in _names(_PROC):
        if name.isdecimal():
            with suppress(OSError):
                found[int(name)] = int(_stat(int(name))[_PARENT])
    return found


def tree(root: int, parent_of: dict[int, int]) -> list[int]:
    """A process and its descendants, each after its parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


class CpuTime:
    """CPU seconds of processes and of the children that they waited for; never falls.

    The kernel adds the time of an ended child to a parent that waits for it. Without such a parent the time
    would be lost, so it is kept here.
    """

    def __init__(self) -> None:
        self._last = self._kept = 0.0

    def read(self, pids: Iterable[int]) -> float:
        """The sum so far, in seconds. `pids`: each after its parent."""
        pids = list(pids)
        now = _cpu_s(pids)
        if now + self._kept < self._last:
            now = _cpu_s(
                pids
            )  # a child may have ended after its parent was read and before it was read itself
            self._kept += max(0.0, self._last - self._kept - now)
        self._last = now + self._kept
        return self._last


class OthersCpuTime:
    """CPU seconds of unrelated processes that come and go; never falls.

    Children are not counted with their parents: the harness waits for workers of other trials.
    """

    def __init__(self) -> None:
        self._before: dict[int, float] | None = None
        self._total = 0.0

    def read(self, pids: Iterable[int]) -> float:
        """The sum since the first call, in seconds."""
        now: dict[int, float] = {}
        for pid in pids:
            with suppress(OSError):
                now[pid] = time.clock_gettime(_clock_of(pid))
        if self._before is not None:
            # A process that was not there before has started since.
            self._total += sum(max(0.0, used - self._before.get(pid, 0.0)) for pid, used in now.items())
        self._before = now
        return self._total


class QueueWait:
    """Seconds in which threads were ready to run but had no core; ended threads stay counted.

    Raises:
        OSError: The kernel does not count it.
    """

    def __init__(self) -> None:
        _read(f"{_PROC}/self/schedstat")
        self._threads: dict[tuple[int, int], int] = {}
        self._ended = 0

    def read(self, pids: Iterable[int]) -> float:
        """The sum so far over all threads, in seconds."""
        now: dict[tuple[int, int], int] = {}
        for pid, tid in _threads(pids):
            with suppress(OSError):
                now[pid, tid] = int(_read(f"{_PROC}/{pid}/task/{tid}/schedstat").split()[1])
        self._ended += sum(waited for thread, waited in self._threads.items() if thread not in now)
        self._threads = now
        return (self._ended + sum(now.values())) / 1e9


def resident_bytes(pids: Iterable[int]) -> int | None:
    """Resident memory of processes in bytes, shared pages counted for each; None if no process is left."""
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
    """Read without the objects and buffers of `Path.read_bytes`: some files are read for every thread."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
