"""Look at this machine as a measuring instrument: what it has, what can be seen of it, what disturbs it."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.devices.choose import choose_slots
from bench.devices.device import Slot
from bench.devices.gauges import PROCESS_MEMORY
from bench.devices.gpm import INTERVAL_S as GPM_S
from bench.devices.machine import Machine, find_machine
from bench.devices.nvml import Nvml, NvmlError, open_nvml
from bench.devices.other_users import company, sees_the_hosts_pids
from bench.doctor.advice import advice_of
from bench.doctor.noise import Noise, measure_noise
from bench.machine.calibration import Peak, fingerprint, load_peak
from bench.machine.host import describe_host
from bench.machine.notes import driver_versions
from bench.plan.needs import free_disk, free_memory
from bench.records.energy import NO_GPU
from bench.telemetry import gpu as gpu_telemetry
from bench.telemetry import host as host_telemetry
from bench.trials.backends import BACKENDS, backend_version, installed_backends, version_of
from bench.version import __version__
from bench.worker.variables import compute_variables
from wbc.networks.catalog import NETWORKS
from wbc.networks.weights import SUFFIX, keras_homes


@dataclass(frozen=True)
class Sight:
    """What telemetry sees of something.

    Attributes:
        of: The processor, or a GPU's name.
        seen: Metrics.
        unseen: Metric -> why not.
    """

    of: str
    seen: list[str]
    unseen: dict[str, str]


@dataclass(frozen=True)
class Examination:
    """What was found; plain values.

    Attributes:
        host: See `bench.machine.host.describe_host`.
        fingerprint: Of the machine, see `bench.machine.calibration.fingerprint`.
        devices: A sentence for each GPU, usable or not; the reason where there is none.
        versions: Of what runs trials; an empty version: not installed.
        variables: Set in the environment, and changing how TensorFlow computes.
        telemetry: What can be seen.
        weights: Networks whose pretrained weights are at hand -> where.
        without_weights: Networks that Keras would have to download weights for.
        noise: As measured just now.
        peaks: Of slots, by name; None where none was measured.
        advice: What to change, in sentences.
    """

    host: dict[str, Any]
    fingerprint: str
    devices: list[str]
    versions: dict[str, str]
    variables: dict[str, str]
    telemetry: list[Sight]
    weights: dict[str, str]
    without_weights: list[str]
    noise: Noise
    peaks: dict[str, Peak | None]
    advice: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def examine(
    results: Path,
    weights_folder: Path | None = None,
    slots: Sequence[Slot] | None = None,
    machine: Machine | None = None,
    noise_s: float = 2.0,
) -> Examination:
    """Examine this machine; takes some seconds, loads no framework and writes nothing.

    Args:
        results: The results folder, for measured peaks and free disk.
        weights_folder: Where pretrained weights are looked for besides Keras' cache.
        slots: Where trials would run; chosen as a run would where not given.
        machine: What there is; found out where not given.
        noise_s: For how long noise is measured, in seconds.
    """
    machine = machine or find_machine()
    slots = choose_slots("all", 1, machine).slots if slots is None else slots
    host = describe_host(machine.processor)
    versions = {
        "leukobench": __version__,
        "python": platform.python_version(),
        **_versions(),
        **driver_versions(),
    }
    foreign: list[str] = []
    sights = [_sight_of_host(machine)]
    try:
        with open_nvml() as nvml:
            sights += [_sight_of_gpu(nvml, gpu) for gpu in machine.gpus]
            gpu_slots = [slot for slot in slots if slot.kind == "gpu"]
            seen = [company(slot, nvml) for slot in gpu_slots]
            foreign = [str(process) for one in seen for process in one.foreign if process.kind == "compute"]
    except NvmlError:
        pass  # the machine says why there is none
    at_hand, missing = weights_at_hand(weights_folder)
    noise = measure_noise(noise_s)
    peaks = {slot.name: load_peak(results, machine, slot) for slot in slots}
    variables = compute_variables()
    return Examination(
        host,
        fingerprint(machine),
        _devices(machine),
        versions,
        variables,
        sights,
        at_hand,
        missing,
        noise,
        peaks,
        advice_of(
            host,
            noise,
            machine.reason if machine.gpus or machine.unusable else "",
            all(peaks.values()),
            installed_backends(),
            variables,
            foreign,
            free_memory(),
            free_disk(results),
        ),
    )


def weights_at_hand(folder: Path | None) -> tuple[dict[str, str], list[str]]:
    """Networks with their defaults and at their native sizes: where weights are, and who has none.

    Only names of files are looked at: to hash half a gigabyte each would take minutes.
    """
    found, missing = {}, []
    for name, network in NETWORKS.items():
        if network.imagenet is None:
            continue
        own = [folder / f"{label}{SUFFIX}" for label in network.backbone_labels({})] if folder else []
        file = network.imagenet_file({}, network.native_size).name
        cached = [home / "models" / file for home in keras_homes()]
        place = next((path for path in (*own, *cached) if path.is_file()), None)
        if place is None:
            missing.append(name)
        else:
            found[name] = str(place)
    return found, missing


def _versions() -> dict[str, str]:
    frameworks = {name: backend_version(name) for name in BACKENDS}
    others = ("keras", "numpy", "scikit-learn", "mlflow", "nvidia-ml-py")
    return {**frameworks, **{name: version_of(name) or "" for name in others}}


def _devices(machine: Machine) -> list[str]:
    said = []
    for gpu in machine.gpus:
        memory = f", {gpu.memory_bytes / 2**30:.0f} GiB" if gpu.memory_bytes else ""
        said.append(f"{gpu.name}: {gpu.model}{memory}, {gpu.uuid}")
    said += [f"{name}: not usable, {why}" for name, why in machine.unusable.items()]
    if machine.reason and not machine.unusable:
        said.append(f"none for trials, which run on the processor: {machine.reason}")
    return said


def _sight_of_host(machine: Machine) -> Sight:
    reader = host_telemetry.HostReader(os.getpid(), os.getpid(), set(machine.cores))
    names = dict.fromkeys((*host_telemetry.FAST, *host_telemetry.SLOW))
    unseen = {name: why for name, why in reader.unavailable.items() if name in names} | {"energy_j": NO_GPU}
    return Sight("processor", [name for name in names if name not in unseen], unseen)


def _sight_of_gpu(nvml: Nvml, gpu) -> Sight:
    reader = gpu_telemetry.GpuReader(nvml, gpu.uuid)
    names = dict.fromkeys((*gpu_telemetry.GAUGES, *gpu_telemetry.COUNTER_NAMES))
    time.sleep(GPM_S)  # what it tells is of a stretch of time
    reader.finer()
    unseen = {name: why for name, why in reader.unavailable.items() if name in names}
    if not sees_the_hosts_pids():
        unseen.setdefault(PROCESS_MEMORY, "a container does not see whose processes these are")
    return Sight(gpu.name, [name for name in names if name not in unseen], unseen)
