"""Whether the kernel killed something because memory ran out."""

from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def killed_for_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """How many processes the kernel has killed for memory so far: of this cgroup, else of the machine."""
    for path in (_own_cgroup(proc, cgroups) / "memory.events", proc / "vmstat"):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    return 0


def _own_cgroup(proc: Path, cgroups: Path) -> Path:
    try:
        line = next(
            line for line in (proc / "self/cgroup").read_text().splitlines() if line.startswith("0::")
        )
    except (OSError, StopIteration):
        return cgroups
    return cgroups / line.removeprefix("0::").lstrip("/")
