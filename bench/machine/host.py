"""What this machine is and how it is set up, as far as the kernel tells. Nothing is changed."""

import os
import platform
from pathlib import Path

import psutil

from bench.devices.cgroup import quota_cores
from bench.trials.origin import MachineFacts

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


def _chosen(path: Path) -> str:
    """The choice that the kernel prints in brackets."""
    said = _text(path)
    return said.split("[", 1)[1].split("]", 1)[0] if "[" in said else _HIDDEN


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
