"""Other users of the machine: who is on a GPU while a trial is timed on it, and waiting until nobody is."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from bench.devices.device import Slot
from bench.devices.nvml import GpuProcess, Nvml, NvmlError
from bench.trials.origin import ForeignProcess, Neighbors

PRESSURE_LIMIT = 5.0
"""Percent of the last ten seconds in which some process waited for a core. An idle desktop stays below 2."""

LOAD_LIMIT = 0.25
"""Runnable processes per core over the last minute, on kernels that do not report the pressure."""

INTERVAL_S = 5.0
"""Time between two looks while waiting."""

_PRESSURE = Path("/proc/pressure/cpu")
_PID_NAMESPACE = Path("/proc/self/ns/pid")
_HOSTS_PIDS = "pid:[4026531836]"
"""The first PID namespace of a Linux machine; the number is fixed in the kernel's interface."""


def neighbors(
    slot: Slot, nvml: Nvml | None, harness: int | None = None, hosts_pids: bool | None = None
) -> Neighbors:
    """List the other users of the GPUs of a slot. It takes milliseconds, so it can be asked again and again.

    A desktop that draws on a GPU is listed, but the harness still counts as alone.

    Args:
        slot: The slot. On a slot of a processor, nobody is listed.
        nvml: An open session; None only where there are no GPUs.
        harness: Its process, whose descendants are its own as well; by default, this process.
        hosts_pids: Whether the driver's process ids are those of this process; found out by default. In a
            container the driver may give the ids of the host, which say nothing here, or hide processes of
            others. Whether the harness is alone is not known there.
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
                    ForeignProcess(
                        gpu=gpu.name,
                        pid=process.pid,
                        name=name,
                        kind=process.kind,
                        memory_bytes=process.memory_bytes,
                    )
                )
    # In a container the driver lists no process of another one.
    hidden = not hosts_pids and nvml is not None and any(gpu.kind == "gpu" for gpu in slot.devices)
    alone: bool | None = None if unknown or unreadable or hidden else True
    if any(process.kind == "compute" for process in foreign):
        alone = False
    return Neighbors(
        alone=alone, foreign=tuple(foreign), unknown=unknown, unreadable=unreadable, lost=tuple(lost)
    )


def _belongs_to(harness: int, pid: int) -> bool:
    try:
        return pid == harness or harness in {parent.pid for parent in psutil.Process(pid).parents()}
    except psutil.Error:
        return False


def _name(process: GpuProcess) -> str | None:
    """The name of its program, empty where that is hidden; None where the process has just ended.

    Without arguments, which may hold secrets.
    """
    try:
        return str(psutil.Process(process.pid).name())
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
    """Whether the driver's process ids are those of this process. In a container with its own, they are not."""
    try:
        return str(_PID_NAMESPACE.readlink()) == _HOSTS_PIDS
    except OSError:
        return False


def wait_until_quiet(
    slots: Sequence[Slot],
    nvml: Nvml | None,
    patience_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    say: Callable[[str], None],
    look: Callable[[Slot, Nvml | None], Neighbors] = neighbors,
    busy: Callable[[], str] | None = None,
) -> list[str]:
    """Wait until the machine is quiet, for `exclusive = true`. Call it while no trial of the harness runs.

    Desktops draw on a GPU all day: a process that only draws is recorded with the trial, but does not delay it.

    Args:
        slots: Where the trial will run.
        nvml: An open session; None where there are no GPUs.
        patience_s: How long to wait at most, in seconds.
        clock: `time.monotonic`.
        sleep: `time.sleep`.
        say: Is told once what it waits for.
        look: Lists the other users of a slot.
        busy: Why the processor is not quiet, or an empty string; `processor_noise` by default.

    Returns:
        Why the machine is not quiet, to be recorded with the trial; empty if it is. It does not wait for what
        waiting cannot change: a lost GPU, a driver that lists no processes.
    """
    busy = busy or processor_noise
    deadline = clock() + patience_s
    said = False
    while True:
        passing, lasting = _noise([look(slot, nvml) for slot in slots])
        if noise := busy():
            passing.append(noise)
        left = deadline - clock()
        if not passing or left <= 0:
            return passing + lasting
        if not said:
            say(f"Waiting for a quiet machine, at most {patience_s:.0f} s: {'; '.join(passing)}")
            said = True
        sleep(min(INTERVAL_S, left))


def processor_noise(pressure: Path = _PRESSURE) -> str:
    """Why the processor is not quiet; empty when it is."""
    try:
        some = next(line for line in pressure.read_text().splitlines() if line.startswith("some"))
        waiting = float(dict(part.split("=") for part in some.split()[1:])["avg10"])
    except (OSError, StopIteration, KeyError, ValueError):
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        return f"the load is {load:.2f} processes a core" if load > LOAD_LIMIT else ""
    if waiting > PRESSURE_LIMIT:
        return f"processes waited for a core in {waiting:.0f} % of the last 10 s"
    return ""


def _noise(found: Sequence[Neighbors]) -> tuple[list[str], list[str]]:
    """Why GPUs are not quiet: reasons that may pass, and reasons that will not."""
    passing: list[str] = []
    lasting: list[str] = []
    for seen in found:
        passing += [str(process) for process in seen.foreign if process.kind == "compute"]
        passing += [
            f"{number} process{'' if number == 1 else 'es'} of unknown origin on {gpu}"
            for gpu, number in seen.unknown.items()
        ]
        lasting += [f"{gpu}: {why}" for gpu, why in seen.unreadable.items()]
    return passing, lasting
