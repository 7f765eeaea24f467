"""From what the user wants (`--devices`, `[devices] use`) to slots."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.devices.device import Device, Slot
from bench.devices.machine import Machine, find_machine, plural
from wbc.errors import InputError

_SPELLINGS = "Write all, gpu:0,gpu:1 (or UUIDs), cpu, or cpu:2 for two trials at a time."


@dataclass(frozen=True)
class Choice:
    """The slots for a run.

    Attributes:
        slots: At least one; all of one kind, model and size, so that trials compare.
        named: The user named these very GPUs, so that a run with fewer is not what was asked for.
        note: A sentence to be said once, or empty: that trials run on the processor, that a GPU is left out.
    """

    slots: tuple[Slot, ...]
    named: bool
    note: str = ""


def choose_slots(
    wanted: str | Sequence[str] = "all", gpus_per_trial: int = 1, machine: Machine | None = None
) -> Choice:
    """Choose the slots in which trials run.

    Args:
        wanted: `all` (every GPU; without one the whole processor), `gpu:0,gpu:1` or UUIDs, `cpu` (one slot
            with all cores), `cpu:2` (two slots, each with its own half of the cores); a list means the same
            as its parts with commas between.
        gpus_per_trial: On how many GPUs a trial trains at once. On a processor: on how many logical devices.
        machine: What there is; found out where it is not given.

    Raises:
        InputError: It cannot be had; the message says what there is.
    """
    machine = machine or find_machine()
    names = wanted.split(",") if isinstance(wanted, str) else wanted
    names = [name.strip() for name in names] or [""]
    if names == ["all"]:
        if machine.gpus and not machine.reason:
            gpus = _alike(machine.gpus)
            slots = _gpu_slots(gpus, gpus_per_trial, machine)
            return Choice(slots, named=False, note=_left_out(gpus, machine))
        note = f"Trials run on the processor: {machine.reason}."
        return Choice(_cpu_slots(1, gpus_per_trial, machine), named=False, note=note)
    if len(names) == 1 and (names[0] == "cpu" or names[0].startswith("cpu:")):
        return Choice(_cpu_slots(_count(names[0], machine), gpus_per_trial, machine), named=True)
    gpus = [_named(name, machine) for name in names]
    for position, gpu in enumerate(gpus):
        if gpu in gpus[:position]:
            raise InputError(f"device {names[position]} is named twice")
    if len({gpu.model for gpu in gpus}) > 1:
        raise InputError(
            f"devices {', '.join(names)} are of different models, whose trials would not compare",
            f"Run them one after the other. There is: {machine}.",
        )
    return Choice(_gpu_slots(gpus, gpus_per_trial, machine), named=True)


def _named(name: str, machine: Machine) -> Device:
    """The GPU with a name or a UUID, or with the beginning of one that no other has."""
    if name.startswith("GPU-"):
        found = [gpu for gpu in machine.gpus if gpu.uuid.startswith(name)]
    elif name.startswith("gpu:") and name.removeprefix("gpu:").isdecimal():
        found = [gpu for gpu in machine.gpus if gpu.name == name]
    elif name in ("all", "cpu") or name.startswith("cpu:"):
        raise InputError(f"device {name} stands for itself: nothing can be named beside it", _SPELLINGS)
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
    """A sentence on the GPUs that are not chosen: who leaves for the night must not miss one unawares."""
    others = [
        f"{gpu.name} ({gpu.model}; trials compare on equal GPUs only)"
        for gpu in machine.gpus
        if gpu not in gpus
    ]
    others += [f"{name} ({why})" for name, why in machine.unusable.items()]
    return f"Left out: {', '.join(others)}." if others else ""


def _gpu_slots(gpus: Sequence[Device], per_trial: int, machine: Machine) -> tuple[Slot, ...]:
    if len(gpus) % per_trial:
        raise InputError(
            f"{plural(len(gpus), 'GPU')} cannot be shared out in groups of {per_trial} (gpus_per_trial)",
            f"Name as many as fit, such as --devices gpu:0,gpu:1. There is: {machine}.",
        )
    groups = [tuple(gpus[start : start + per_trial]) for start in range(0, len(gpus), per_trial)]
    return tuple(
        Slot(f"gpu:{'+'.join(str(gpu.index) for gpu in group)}", group, machine.cores) for group in groups
    )


def _cpu_slots(number: int, replicas: int, machine: Machine) -> tuple[Slot, ...]:
    """Slots of equal size, so that times compare; cores that are left over stay idle."""
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
