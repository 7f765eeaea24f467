"""The control group of this process, as the kernel shows it (cgroup v2)."""

from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def own_cgroup(proc: Path = PROC, cgroups: Path = CGROUPS) -> Path:
    """Its folder; the root's where the kernel does not tell."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::") for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        return cgroups
    return cgroups / own.lstrip("/")


def own_cgroups(proc: Path = PROC, cgroups: Path = CGROUPS) -> list[Path]:
    """Its folder and those of the groups around it, up to the root: limits of any of them hold."""
    own = own_cgroup(proc, cgroups)
    return [own, *(parent for parent in own.parents if parent.is_relative_to(cgroups))]


def killed_for_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """How many processes the kernel has killed for memory so far: of this cgroup, else of the machine."""
    for path in (own_cgroup(proc, cgroups) / "memory.events", proc / "vmstat"):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    return 0
