"""What this machine has for trials to run on."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from bench.devices.device import Device
from bench.devices.nvml import NvmlError, open_nvml

_CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Machine:
    """GPUs and cores that trials may use.

    Attributes:
        processor: Name of the processor.
        cores: The cores that this process may use; those that share caches or a physical core stand together.
        gpus: GPUs that may be used, in the order of `CUDA_VISIBLE_DEVICES` where that is set.
        unusable: Names of other GPUs, such as `gpu:1`, and why they may not be used.
        reason: Why there is no GPU to choose by itself; empty where there is one.
    """

    processor: str
    cores: tuple[int, ...]
    gpus: tuple[Device, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __str__(self) -> str:
        gpus = [f"{gpu.name} ({gpu.model}, {gpu.uuid})" for gpu in self.gpus]
        gpus += [f"{name} (not usable: {why})" for name, why in self.unusable.items()]
        return f"{', '.join(gpus) or 'no GPU'}, and {plural(len(self.cores), 'core')}"


def find_machine() -> Machine:
    """Look at this machine; loads neither TensorFlow nor CUDA."""
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
    if not gpus:
        reason = "; ".join(f"{name}: {why}" for name, why in unusable.items()) or "NVML shows no GPU"
    elif not _tensorflow_may_use_gpus():
        reason = "the TensorFlow that is installed is built for the processor alone"
    else:
        reason = ""
    return Machine(processor, cores, gpus, unusable, reason)


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
    """Order cores so that hardware threads of one core, and cores of one socket, are neighbours.

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


def _tensorflow_may_use_gpus() -> bool:
    """Whether the TensorFlow that is installed is not `tensorflow-cpu`."""
    try:
        metadata.version("tensorflow")
    except metadata.PackageNotFoundError:
        return False
    return True


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
