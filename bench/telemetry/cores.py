"""The cores of the machine and how much they were wanted, as the kernel counts it. Standard library only."""

import os
from dataclasses import dataclass
from pathlib import Path

STAT, PRESSURE = Path("/proc/stat"), Path("/proc/pressure/cpu")

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_ROOM = 1 << 16  # the rows of some 500 cores; what follows them is not read


@dataclass(frozen=True)
class CoreTimes:
    """Seconds of some cores together since the machine started.

    Attributes:
        busy: In which they worked for this machine's processes and its kernel.
        steal: In which another virtual machine had them.
        total: Of any kind.
    """

    busy: float
    steal: float
    total: float


class KernelFile:
    """A file of the kernel that is kept open, for it is read ten times a second.

    Raises:
        OSError: It is not there, or may not be read.
    """

    def __init__(self, path: Path):
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.read()

    def read(self) -> str:
        """What it says now."""
        return os.pread(self._fd, _ROOM, 0).decode()


def core_times(stat: str, cores: set[int]) -> tuple[CoreTimes, CoreTimes]:
    """Of the machine, and of some of its cores, from the text of `/proc/stat`."""
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
