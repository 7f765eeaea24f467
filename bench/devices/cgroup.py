"""Control groups: limits of processor time and memory, and what the kernel counts of a group. Versions 1 and 2.

Standard library only, because samplers load it.
"""

from collections.abc import Iterable
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

_THROTTLED = {"throttled_usec": 1e6, "throttled_time": 1e9}
"""Name of the time in `cpu.stat`, of version 2 and of version 1 -> its units in a second."""


def quota_cores(cgroups: Path = CGROUPS, proc: Path = PROC) -> float | None:
    """Processor time that the group of this process and those around it may use, in cores; None: no limit."""
    quotas = [quota for group in _processor_groups(proc, cgroups) if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def throttling_files(cgroups: Path = CGROUPS, proc: Path = PROC) -> list[Path]:
    """The files in which the kernel counts how long a quota held this process back; none without a quota."""
    limited = (group / "cpu.stat" for group in _processor_groups(proc, cgroups) if _quota(group) is not None)
    return [path for path in limited if throttled_s(_text(path)) is not None]


def throttled_s(stat: str) -> float | None:
    """Seconds that a quota held processors back, summed over them, from the text of `cpu.stat`; None where it
    is not told."""
    for line in stat.splitlines():
        name, _, count = line.partition(" ")
        if name in _THROTTLED and count.isdecimal():
            return int(count) / _THROTTLED[name]
    return None


def free_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Memory that the group of this process and those around it still leave it; None: no limit.

    What the kernel keeps of files is free: it gives that up where memory is short.
    """
    found = []
    for group in [*_groups("", proc, cgroups), *_groups("memory", proc, cgroups)]:
        for limit, used, whole in (
            ("memory.max", "memory.current", ""),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
        ):
            most, now = _text(group / limit), _text(group / used)
            if most.isdecimal() and now.isdecimal():
                stat = dict(
                    line.split(None, 1) for line in _text(group / "memory.stat").splitlines() if " " in line
                )
                files = sum(int(stat.get(f"{whole}{kind}_file", 0)) for kind in ("active", "inactive"))
                found.append(max(0, int(most) - int(now) + files))
    return min(found, default=None)


def killed_for_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Processes that the kernel has killed for lack of memory: of this group, else of the machine."""
    groups = [*_groups("", proc, cgroups)[:1], *_groups("memory", proc, cgroups)[:1]]
    names = ("memory.events", "memory.oom_control")
    for path in (*(group / name for group in groups for name in names), proc / "vmstat"):
        counts = dict(line.split(None, 1) for line in _text(path).splitlines() if " " in line)
        if counts.get("oom_kill", "").isdecimal():
            return int(counts["oom_kill"])
    return 0


def _processor_groups(proc: Path, cgroups: Path) -> list[Path]:
    return [*_groups("", proc, cgroups), *_groups("cpu", proc, cgroups)]


def _groups(controller: str, proc: Path, cgroups: Path) -> list[Path]:
    """The folder of this process' group and those around it: the limits of all of them hold.

    Args:
        controller: Of version 1, such as `cpu`; empty: version 2.
        proc: Where the kernel tells of processes.
        cgroups: Where groups are mounted.
    """
    mounts = [cgroups, cgroups / "unified"] if not controller else []
    path = "/"
    for line in _text(proc / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, own = rest.partition(":")
        if (number == "0" and not controllers) if not controller else controller in controllers.split(","):
            path, together = own, controllers
            mounts += [cgroups / together] if controller and together != controller else []
    mounts += [cgroups / controller] if controller else []
    return list(dict.fromkeys(one for mount in mounts if mount.is_dir() for one in _upward(mount, path)))


def _upward(mount: Path, path: str) -> Iterable[Path]:
    """A group's folder and its parents up to the mount.

    In a container the mount may begin inside the path: then what is missing of it lies outside.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    below = (mount.joinpath(*parts[skipped:]) for skipped in range(len(parts) + 1))
    own = next(folder for folder in below if folder.is_dir())
    yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(mount))


def _quota(group: Path) -> float | None:
    said = _text(group / "cpu.max").split()
    if not said:
        said = [_text(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    if len(said) == 2 and all(word.isdecimal() for word in said) and int(said[1]):
        return int(said[0]) / int(said[1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
