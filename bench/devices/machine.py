"""What this machine has for trials to run on, and from what the user wants (`--devices`, `[devices] use`) to slots."""

import os
import platform
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.devices.device import Device, Slot
from bench.devices.nvml import NvmlError, open_nvml
from bench.trials.runtime import version_of
from wbc.errors import InputError

_CPUS = Path("/sys/devices/system/cpu")
_SPELLINGS = "Give all, gpu:0,gpu:1 (or UUIDs), cpu, or cpu:2 for two trials at a time."


@dataclass(frozen=True)
class Machine:
    """GPUs and cores that trials may use."""

    processor: str
    """Name of the processor."""
    cores: tuple[int, ...]
    """Cores that this process may use; those that share caches or a physical core are next to each other."""
    gpus: tuple[Device, ...] = ()
    """GPUs that may be used, in the order of `CUDA_VISIBLE_DEVICES` if that is set."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Names of other GPUs, such as `gpu:1`, and why they may not be used."""
    reason: str = ""
    """Why no GPU is used unless the user names one; empty if one is."""
    blind: Mapping[str, str] = field(default_factory=dict)
    """Backend that is installed without support for GPUs -> the reason."""

    def __str__(self) -> str:
        gpus = [f"{gpu.name} ({gpu.model}, {gpu.uuid})" for gpu in self.gpus]
        gpus += [f"{name} (not usable: {why})" for name, why in self.unusable.items()]
        return f"{', '.join(gpus) or 'no GPU'}, and {plural(len(self.cores), 'core')}"


def find_machine() -> Machine:
    """Look at this machine, without TensorFlow and CUDA."""
    processor, cores = _processor(), by_topology(os.sched_getaffinity(0))
    try:
        with open_nvml() as nvml:
            listing = nvml.listing()
    except NvmlError as error:
        return Machine(processor, cores, reason=error.reason)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = allowed(listing.gpus, visible)
    hidden = {gpu.name: f"CUDA_VISIBLE_DEVICES={visible} hides it" for gpu in listing.gpus if gpu not in gpus}
    unusable = {**listing.unusable, **hidden}
    reason = ""
    if not gpus:
        reason = "; ".join(f"{name}: {why}" for name, why in unusable.items()) or "NVML shows no GPU"
    return Machine(processor, cores, gpus, unusable, reason, blind_backends())


def allowed(gpus: Sequence[Device], visible: str | None) -> tuple[Device, ...]:
    """The GPUs that `CUDA_VISIBLE_DEVICES` allows, in its order.

    As in CUDA, entries are numbers or the beginnings of UUIDs, and the first that names no GPU ends the list.
    Numbers are NVML's (CUDA's own with `CUDA_DEVICE_ORDER=PCI_BUS_ID`, and on machines with equal GPUs).
    """
    if visible is None:
        return tuple(gpus)
    chosen: list[Device] = []
    for entry in map(str.strip, visible.split(",")):
        found = [
            gpu
            for gpu in gpus
            if entry == str(gpu.index) or (entry[:4] == "GPU-" and gpu.uuid.startswith(entry))
        ]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen += found
    return tuple(chosen)


def by_topology(cores: Iterable[int], cpus: Path = _CPUS) -> tuple[int, ...]:
    """Order cores so that hardware threads of one core, and cores of one socket, are next to each other.

    Linux often numbers the second threads of all cores after the first ones: trials on cores 0-3 and 4-7 would
    then share every physical core.
    """

    def place(core: int) -> tuple[int, int, int]:
        topology = cpus / f"cpu{core}" / "topology"
        try:
            socket = int((topology / "physical_package_id").read_text())
            return socket, int((topology / "core_id").read_text()), core
        except (OSError, ValueError):
            return 0, core, core

    return tuple(sorted(cores, key=place))


def plural(number: int, noun: str) -> str:
    """`1 core`, `2 cores`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def blind_backends(version: Callable[[str], str | None] = version_of) -> dict[str, str]:
    """Backend -> why its package cannot use GPUs, told from the names of installed packages.

    Args:
        version: The version of a package, None where it is not installed.
    """
    blind = {}
    if version("tensorflow") is None:
        blind["tensorflow"] = "the TensorFlow that is installed is built for the processor alone"
    if not any(version(f"jax-cuda{cuda}-plugin") for cuda in (12, 13)):
        blind["jax"] = "the JAX that is installed has no CUDA plugin"
    if (torch := version("torch")) is None or torch.endswith("+cpu"):
        blind["torch"] = "the PyTorch that is installed is built for the processor alone"
    return blind


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@dataclass(frozen=True)
class Choice:
    """The slots for a run."""

    slots: tuple[Slot, ...]
    """At least one; all of one kind, model and size, so that trials are comparable."""
    named: bool
    """The user named these GPUs, so a run with fewer of them is not what was asked for."""
    note: str = ""
    """A sentence for the user, or empty: that trials run on the processor, that a GPU is left out."""


class AcceleratorError(InputError):
    """There is no GPU of the model that is asked for."""


def choose_slots(
    wanted: str | Sequence[str] = "all",
    gpus_per_trial: int = 1,
    machine: Machine | None = None,
    backends: Collection[str] = ("tensorflow",),
    accelerator: str = "",
) -> Choice:
    """Choose the slots in which trials run.

    Args:
        wanted: `all` (every GPU; without one the whole processor), `gpu:0,gpu:1` or UUIDs, `cpu` (one slot
            with all cores), `cpu:2` (two slots, each with its own half of the cores). A list means the same
            as its items joined by commas.
        gpus_per_trial: GPUs that train a trial together; on a processor, logical devices.
        machine: What there is; this machine by default.
        backends: Of the trials. `all` takes GPUs only if each of these backends can use them; none: any.
        accelerator: Only GPUs with this in the name of their model, such as `A100`, in any case; empty: any.

    Raises:
        InputError: It is not there; the message lists what is.
    """
    machine = machine or find_machine()
    if accelerator:
        machine = with_accelerator(machine, accelerator)
    names = wanted.split(",") if isinstance(wanted, str) else wanted
    names = [name.strip() for name in names] or [""]
    if names == ["all"]:
        reason = machine.reason or why_no_gpu(machine, backends)
        if machine.gpus and not reason:
            gpus = _alike(machine.gpus)
            slots = _gpu_slots(gpus, gpus_per_trial, machine)
            return Choice(slots, named=False, note=_left_out(gpus, machine))
        note = f"Trials run on the processor: {reason}."
        return Choice(_cpu_slots(1, gpus_per_trial, machine), named=False, note=note)
    if len(names) == 1 and (names[0] == "cpu" or names[0].startswith("cpu:")):
        return Choice(_cpu_slots(_count(names[0], machine), gpus_per_trial, machine), named=True)
    gpus = [_named(name, machine) for name in names]
    for position, gpu in enumerate(gpus):
        if gpu in gpus[:position]:
            raise InputError(f"device {names[position]} is named twice")
    if len({gpu.model for gpu in gpus}) > 1:
        raise InputError(
            f"devices {', '.join(names)} are of different models, so their trials are not comparable",
            f"Run them one after the other. There is: {machine}.",
        )
    return Choice(_gpu_slots(gpus, gpus_per_trial, machine), named=True)


def with_accelerator(machine: Machine, accelerator: str) -> Machine:
    """The machine with GPUs of one model alone.

    Raises:
        InputError: There is none.
    """
    wanted = [gpu for gpu in machine.gpus if accelerator.lower() in gpu.model.lower()]
    if not wanted:
        raise AcceleratorError(
            f"no GPU here has {accelerator!r} in the name of its model", f"There is: {machine}."
        )
    others = {gpu.name: f"{gpu.model}, not {accelerator}" for gpu in machine.gpus if gpu not in wanted}
    return replace(machine, gpus=tuple(wanted), unusable={**machine.unusable, **others})


def why_no_gpu(machine: Machine, backends: Collection[str]) -> str:
    """Why trials with these backends do not use the GPUs of a machine; empty if they do."""
    return next((machine.blind[name] for name in backends if name in machine.blind), "")


def _named(name: str, machine: Machine) -> Device:
    """The GPU with a name or a UUID, or with a UUID that begins so and that no other shares."""
    if name.startswith("GPU-"):
        found = [gpu for gpu in machine.gpus if gpu.uuid.startswith(name)]
    elif name.startswith("gpu:") and name.removeprefix("gpu:").isdecimal():
        found = [gpu for gpu in machine.gpus if gpu.name == name]
    elif name in ("all", "cpu") or name.startswith("cpu:"):
        raise InputError(f"device {name} cannot be combined with others", _SPELLINGS)
    else:
        raise InputError(f"there is no device {name!r}", f"{_SPELLINGS} There is: {machine}.")
    if len(found) > 1:
        raise InputError(f"several GPUs have UUIDs that begin with {name}", f"There is: {machine}.")
    if not found and name in machine.unusable:
        raise InputError(f"device {name} cannot be used: {machine.unusable[name]}", f"There is: {machine}.")
    if not found:
        why = f" ({machine.reason})" if machine.reason and not machine.gpus else ""
        raise InputError(f"there is no device {name}{why}", f"There is: {machine}.")
    return found[0]


def _alike(gpus: Sequence[Device]) -> list[Device]:
    """The GPUs of the model with the most memory; a smaller one may be there for the desktop."""
    model = max(gpus, key=lambda gpu: gpu.memory_bytes or 0).model
    return [gpu for gpu in gpus if gpu.model == model]


def _left_out(gpus: Sequence[Device], machine: Machine) -> str:
    """A sentence on the GPUs that are not chosen, so that nobody misses one without knowing."""
    others = [
        f"{gpu.name} ({gpu.model}; trials are comparable on equal GPUs only)"
        for gpu in machine.gpus
        if gpu not in gpus
    ]
    others += [f"{name} ({why})" for name, why in machine.unusable.items()]
    return f"Left out: {', '.join(others)}." if others else ""


def _gpu_slots(gpus: Sequence[Device], per_trial: int, machine: Machine) -> tuple[Slot, ...]:
    if len(gpus) % per_trial:
        raise InputError(
            f"{plural(len(gpus), 'GPU')} cannot be divided into groups of {per_trial} (gpus_per_trial)",
            f"Name a multiple of it, such as --devices gpu:0,gpu:1. There is: {machine}.",
        )
    groups = [tuple(gpus[start : start + per_trial]) for start in range(0, len(gpus), per_trial)]
    return tuple(
        Slot(f"gpu:{'+'.join(str(gpu.index) for gpu in group)}", group, machine.cores) for group in groups
    )


def _cpu_slots(number: int, replicas: int, machine: Machine) -> tuple[Slot, ...]:
    """Slots of equal size, so that times are comparable; the remaining cores stay idle."""
    size = len(machine.cores) // number
    devices = tuple(Device("cpu", machine.processor, index=index) for index in range(replicas))
    return tuple(
        Slot(f"cpu:{slot}", devices, tuple(sorted(machine.cores[slot * size : (slot + 1) * size])))
        for slot in range(number)
    )


def _count(name: str, machine: Machine) -> int:
    """How many slots `cpu` or `cpu:2` asks for."""
    text = name.removeprefix("cpu").removeprefix(":") if name != "cpu" else "1"
    if not text.isdecimal() or len(text) > 4 or int(text) < 1:
        raise InputError(f"there is no device {name!r}", _SPELLINGS)
    if int(text) > len(machine.cores):
        raise InputError(
            f"{name} asks for {text} slots, but there {'is' if len(machine.cores) == 1 else 'are'} "
            f"{plural(len(machine.cores), 'core')}",
            "Each slot needs a core of its own.",
        )
    return int(text)
