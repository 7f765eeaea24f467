"""What this machine is and how it is set up, as far as the kernel tells. Nothing is changed."""

import os
import platform
from pathlib import Path

import psutil

from bench.trials.origin import MachineFacts

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_CPUS = Path("/sys/devices/system/cpu")
_HIDDEN = "unavailable: the kernel does not show it (as on most virtual machines)"


def describe_host(processor: str) -> MachineFacts:
    """Facts of the machine that change how fast it is.

    Args:
        processor: Its name.

    Returns:
        The facts, without a fingerprint and the driver's versions, see `bench.machine.notes`.
    """
    return MachineFacts(
        processor=processor,
        cores=os.cpu_count(),
        usable_cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        governor=governor(),
        boost=boost(),
        virtual=is_virtual(),
        container=in_container(),
        quota_cores=quota_cores(),
        huge_pages=_chosen(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
    )


def governor(cpus: Path = _CPUS) -> str:
    """The policy of the cores' clock: `performance`, `powersave`; several where cores differ."""
    found = {_text(path) for path in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    return ", ".join(sorted(found)) or _HIDDEN


def boost(cpus: Path = _CPUS) -> str:
    """Whether cores may run above their base clock: `on` or `off`."""
    for path, on in ((cpus / "cpufreq/boost", "1"), (cpus / "intel_pstate/no_turbo", "0")):
        if said := _text(path):
            return "on" if said == on else "off"
    return _HIDDEN


def is_virtual(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether this is a virtual machine; None where the kernel does not tell."""
    flags = [line for line in _text(cpuinfo).splitlines() if line.startswith("flags")]
    return "hypervisor" in flags[0].split() if flags else None


def in_container(root: Path = Path("/")) -> bool:
    """Whether this looks like a container."""
    marks = (root / ".dockerenv", root / "run/.containerenv")
    return any(mark.exists() for mark in marks) or "container" in os.environ


def quota_cores(cgroup: Path = CGROUPS, proc: Path = PROC) -> float | None:
    """Processor time that the control group and those around it may use, in cores; None: no limit."""
    limits = [_text(group / "cpu.max").split() for group in own_cgroups(proc, cgroup)]
    quotas = [int(said[0]) / int(said[1]) for said in limits if len(said) == 2 and said[0] != "max"]
    if quotas:
        return min(quotas)
    quota, period = (_text(cgroup / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota and period and int(quota) > 0:
        return int(quota) / int(period)
    return None


def _chosen(path: Path) -> str:
    """The choice that the kernel prints in brackets."""
    said = _text(path)
    return said.split("[", 1)[1].split("]", 1)[0] if "[" in said else _HIDDEN


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def own_cgroup(proc: Path = PROC, cgroups: Path = CGROUPS) -> Path:
    """The folder of the control group of this process (cgroup v2); the root where the kernel does not tell."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::") for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        return cgroups
    return cgroups / own.lstrip("/")


def own_cgroups(proc: Path = PROC, cgroups: Path = CGROUPS) -> list[Path]:
    """The same and the groups around it, up to the root: the limits of all of them hold."""
    own = own_cgroup(proc, cgroups)
    return [own, *(parent for parent in own.parents if parent.is_relative_to(cgroups))]


def killed_for_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Processes that the kernel has killed for lack of memory: of this cgroup, else of the machine."""
    for path in (own_cgroup(proc, cgroups) / "memory.events", proc / "vmstat"):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    return 0
