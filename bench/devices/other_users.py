"""Who else uses a GPU while a trial is timed on it."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.devices.device import Slot
from bench.devices.nvml import GpuProcess, Nvml, NvmlError

_PID_NAMESPACE = Path("/proc/self/ns/pid")
_HOSTS_PIDS = "pid:[4026531836]"
"""The first PID namespace of a Linux machine; the number is fixed in the kernel's interface."""


@dataclass(frozen=True)
class ForeignProcess:
    """A process on a GPU that is none of the harness'.

    Attributes:
        gpu: Name of the GPU, such as `gpu:0`.
        pid: The process.
        name: Its program; empty where that may not be known. No arguments: they may hold secrets.
        kind: `compute` or `graphics`.
        memory_bytes: What it holds of the GPU's memory; None where that is unknown.
    """

    gpu: str
    pid: int
    name: str
    kind: str
    memory_bytes: int | None

    def __str__(self) -> str:
        return f"process {self.pid}{f' ({self.name})' if self.name else ''} on {self.gpu}"


@dataclass(frozen=True)
class Company:
    """Who is on the GPUs of a slot besides the harness.

    Attributes:
        foreign: Processes that are surely not the harness'.
        unknown: By GPU, how many computing processes may be the harness' or not: in a container the driver
            may give the host's process ids, which say nothing here.
        unreadable: By GPU, why its processes cannot be listed.
        lost: GPUs that are gone for good.
    """

    foreign: tuple[ForeignProcess, ...] = ()
    unknown: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    @property
    def alone(self) -> bool | None:
        """Whether the harness alone computes on the slot's GPUs; None where that cannot be told.

        A desktop that draws on one is listed, but is no company.
        """
        if any(process.kind == "compute" for process in self.foreign):
            return False
        return None if self.unknown or self.unreadable else True

    def to_json(self) -> dict[str, Any]:
        """As recorded with a trial."""
        return {"alone": self.alone, **asdict(self)}


def company(
    slot: Slot, nvml: Nvml | None, harness: int | None = None, hosts_pids: bool | None = None
) -> Company:
    """Look who is on the GPUs of a slot. Cheap enough (milliseconds) to be asked again and again.

    Args:
        slot: The slot; on that of a processor there is nobody to be seen.
        nvml: An open session; None only where there are no GPUs.
        harness: Its process, whose descendants are its own as well; this process where it is not given.
        hosts_pids: Whether process ids of the driver mean the same here; found out where it is not given.
    """
    harness = os.getpid() if harness is None else harness
    hosts_pids = sees_the_hosts_pids() if hosts_pids is None else hosts_pids
    foreign: list[ForeignProcess] = []
    unknown: dict[str, int] = {}
    unreadable: dict[str, str] = {}
    lost: list[str] = []
    for gpu in slot.devices:
        if gpu.kind != "gpu" or nvml is None:
            continue
        try:
            processes = nvml.processes(gpu.uuid)
        except NvmlError as error:
            unreadable[gpu.name] = error.reason
            lost += [gpu.name] if error.lost else []
            continue
        for process in processes:
            if _belongs_to(harness, process.pid):
                continue
            if not hosts_pids:
                if process.kind == "compute":
                    unknown[gpu.name] = unknown.get(gpu.name, 0) + 1
            elif (name := _name(process)) is not None:
                foreign.append(
                    ForeignProcess(gpu.name, process.pid, name, process.kind, process.memory_bytes)
                )
    return Company(tuple(foreign), unknown, unreadable, tuple(lost))


def _belongs_to(harness: int, pid: int) -> bool:
    try:
        return pid == harness or harness in {parent.pid for parent in psutil.Process(pid).parents()}
    except psutil.Error:
        return False


def _name(process: GpuProcess) -> str | None:
    """Its program's name, empty where that is hidden; None where the process has just ended."""
    try:
        return psutil.Process(process.pid).name()
    except psutil.Error:
        pass
    try:
        os.kill(process.pid, 0)  # asks without sending: /proc may hide the processes of other users
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""


def sees_the_hosts_pids() -> bool:
    """Whether the driver's process ids are those of this process: not so in a container of its own."""
    try:
        return str(_PID_NAMESPACE.readlink()) == _HOSTS_PIDS
    except OSError:
        return False
