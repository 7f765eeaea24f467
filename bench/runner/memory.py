"""Whether the kernel killed something because memory ran out."""

from pathlib import Path

from bench.machine.cgroup import CGROUPS, PROC, own_cgroup


def killed_for_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """How many processes the kernel has killed for memory so far: of this cgroup, else of the machine."""
    for path in (own_cgroup(proc, cgroups) / "memory.events", proc / "vmstat"):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    return 0
