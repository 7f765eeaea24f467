"""Examine this machine: what it has, what telemetry can measure, what disturbs it, and what to change."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.devices.device import Device, Slot
from bench.devices.gauges import GPM_INTERVAL_S, PROCESS_MEMORY
from bench.devices.machine import Machine, choose_slots, find_machine, why_no_gpu
from bench.devices.nvml import Nvml, NvmlError, open_nvml
from bench.devices.other_users import neighbors, sees_the_hosts_pids
from bench.doctor.noise import Noise, measure_noise
from bench.errors import command
from bench.machine.calibration import Peak, load_peak
from bench.machine.notes import facts_of
from bench.plan.needs import free_disk, free_memory
from bench.records.energy import NO_GPU
from bench.telemetry import gpu as gpu_telemetry
from bench.telemetry import host as host_telemetry
from bench.trials.origin import MachineFacts
from bench.trials.runtime import BACKENDS, backend_version, installed_backends, version_of
from bench.version import __version__
from bench.worker.environment import compute_variables
from wbc.networks.catalog import NETWORKS
from wbc.networks.network import Network
from wbc.networks.weights import SUFFIX, keras_homes
from wbc.options import OptionValue

NOISY, PRESSED, STOLEN = 0.05, 0.10, 0.01
"""Shares above which noise deserves a sentence. The measurement alone makes no pressure on a machine with a
spare core."""

_SCARCE_MEMORY, _SCARCE_DISK = 4e9, 5e9


@dataclass(frozen=True)
class Sight:
    """What telemetry can measure of a device."""

    of: str
    """`processor`, or a GPU's name."""
    seen: list[str]
    """Metrics that can be measured."""
    unseen: dict[str, str]
    """Metric -> why it cannot be measured."""


@dataclass(frozen=True)
class Examination:
    """What was found; `doctor --json` prints it."""

    host: MachineFacts
    devices: list[str]
    """A sentence for each GPU, usable or not; if there is none, the reason."""
    versions: dict[str, str]
    """Versions of what runs trials; empty if it is not installed."""
    variables: dict[str, str]
    """Environment variables that are set and change how TensorFlow computes."""
    telemetry: list[Sight]
    weights: dict[str, str]
    """Network -> file of its pretrained weights, where there is one."""
    without_weights: list[str]
    """Networks for which Keras would have to download weights."""
    noise: Noise
    """As measured just now."""
    peaks: dict[str, Peak | None]
    """Slot -> what was measured of it; None where nothing was."""
    advice: list[str] = field(default_factory=list)
    """What to change, in sentences."""


def examine(
    results: Path,
    weights_folder: Path | None = None,
    slots: Sequence[Slot] | None = None,
    machine: Machine | None = None,
    noise_s: float = 2.0,
) -> Examination:
    """Examine this machine. It takes some seconds, loads no framework and writes nothing.

    Args:
        results: The results folder, for measured peaks and free disk space.
        weights_folder: A folder of pretrained weights, in addition to Keras' cache.
        slots: Where trials would run; chosen like a run does by default.
        machine: What there is; this machine by default.
        noise_s: How long to measure noise, in seconds.
    """
    machine = machine or find_machine()
    slots = choose_slots("all", 1, machine).slots if slots is None else slots
    host = facts_of(machine)
    versions = {
        "leukobench": __version__,
        "python": platform.python_version(),
        **_versions(),
        "driver": host.driver or "",
        "cuda_driver": host.cuda_driver or "",
    }
    foreign: list[str] = []
    sights = [_sight_of_host(machine)]
    try:
        with open_nvml() as nvml:
            sights += [_sight_of_gpu(nvml, gpu) for gpu in machine.gpus]
            gpu_slots = [slot for slot in slots if slot.kind == "gpu"]
            seen = [neighbors(slot, nvml) for slot in gpu_slots]
            foreign = [str(process) for one in seen for process in one.foreign if process.kind == "compute"]
    except NvmlError:
        pass  # `devices` has the reason
    backends = installed_backends()
    reason = machine.reason
    if backends and not reason and all(name in machine.blind for name in backends):
        reason = why_no_gpu(machine, backends)
    at_hand, missing = weights_at_hand(weights_folder)
    noise = measure_noise(noise_s)
    peaks = {slot.name: load_peak(results, machine, slot) for slot in slots}
    variables = compute_variables()
    return Examination(
        host,
        _devices(machine, reason),
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
            reason if machine.gpus or machine.unusable else "",
            all(peaks.values()),
            backends,
            variables,
            foreign,
            free_memory(),
            free_disk(results),
        ),
    )


def weights_at_hand(folder: Path | None) -> tuple[dict[str, str], list[str]]:
    """Look for pretrained weights of every network: of its default options, and of variants such as other widths.

    Only names of files are compared: hashing half a gigabyte each would take minutes.

    Returns:
        Network or variant, such as `MobileNet-alpha0.25` -> file; the networks without a file of any variant.
    """
    found: dict[str, str] = {}
    missing: list[str] = []
    for name, network in NETWORKS.items():
        if network.imagenet is None:
            continue
        shape = [option.name for option in network.options if option.in_backbone]
        variants = [dict(zip(shape, values, strict=True)) for values in network.imagenet.variants]
        standard = network.all_options({})
        here: dict[str, str] = {}
        for options in variants:
            place = _weights_of(network, options, folder)
            if place is not None:
                unusual = {key: value for key, value in options.items() if standard[key] != value}
                here[network.label(unusual)] = str(place)
        found |= here
        if not here:
            missing.append(name)
    return found, missing


def _weights_of(network: Network, options: dict[str, OptionValue], folder: Path | None) -> Path | None:
    """The file of a variant's weights, for images of any size; None where there is none."""
    own = [folder / f"{label}{SUFFIX}" for label in network.backbone_labels(options)] if folder else []
    sizes = dict.fromkeys((network.native_size, *(network.imagenet.sizes if network.imagenet else ())))
    files = dict.fromkeys(network.imagenet_file(options, size).name for size in sizes)
    cached = [home / "models" / file for home in keras_homes() for file in files]
    return next((path for path in (*own, *cached) if path.is_file()), None)


def _versions() -> dict[str, str]:
    frameworks = {name: backend_version(name) for name in BACKENDS}
    others = ("keras", "numpy", "scikit-learn", "mlflow", "nvidia-ml-py")
    return {**frameworks, **{name: version_of(name) or "" for name in others}}


def _devices(machine: Machine, reason: str) -> list[str]:
    said = []
    for gpu in machine.gpus:
        memory = f", {gpu.memory_bytes / 2**30:.0f} GiB" if gpu.memory_bytes else ""
        said.append(f"{gpu.name}: {gpu.model}{memory}, {gpu.uuid}")
    said += [f"{name}: not usable, {why}" for name, why in machine.unusable.items()]
    if reason and not machine.unusable:
        said.append(f"none for trials, which run on the processor: {reason}")
    return said


def _sight_of_host(machine: Machine) -> Sight:
    reader = host_telemetry.HostReader(os.getpid(), os.getpid(), set(machine.cores))
    names = dict.fromkeys((*host_telemetry.FAST, *host_telemetry.SLOW))
    unseen = {name: why for name, why in reader.unavailable.items() if name in names} | {"energy_j": NO_GPU}
    return Sight("processor", [name for name in names if name not in unseen], unseen)


def _sight_of_gpu(nvml: Nvml, gpu: Device) -> Sight:
    reader = gpu_telemetry.GpuReader(nvml, gpu.uuid)
    names = dict.fromkeys((*gpu_telemetry.GAUGES, *gpu_telemetry.COUNTER_NAMES))
    time.sleep(GPM_INTERVAL_S)  # it measures between two samples
    reader.gpm()
    unseen = {name: why for name, why in reader.unavailable.items() if name in names}
    if not sees_the_hosts_pids():
        unseen.setdefault(PROCESS_MEMORY, "a container does not see whose processes these are")
    return Sight(gpu.name, [name for name in names if name not in unseen], unseen)


def advice_of(
    host: MachineFacts,
    noise: Noise,
    no_gpu: str,
    calibrated: bool,
    backends: Sequence[str],
    environment: Mapping[str, str],
    foreign: Sequence[str] = (),
    free_memory: float | None = None,
    free_disk: float | None = None,
) -> list[str]:
    """What to change before the times of this machine are believed: sentences, the most important first.

    Args:
        host: Facts of the machine.
        noise: What was measured.
        no_gpu: Why no GPU can be used; empty if one can.
        calibrated: Whether the peak of every device is measured.
        backends: Frameworks that are installed.
        environment: Variables that change how TensorFlow computes.
        foreign: Other processes that compute on GPUs.
        free_memory: Free bytes of memory.
        free_disk: Free bytes on the disk of the results.
    """
    sentences = []
    if not backends:
        sentences.append(
            "No framework is installed, so only classical methods run: pip install 'leukobench[cpu]' adds "
            "TensorFlow."
        )
    if no_gpu:
        sentences.append(f"Trials run on the processor: {no_gpu}.")
    if noise.pressure is not None and noise.pressure > PRESSED:
        sentences.append(
            f"Processes waited for a core in {noise.pressure:.0%} of the time: stop other programs, or set "
            "exclusive = true in [devices], which waits for a quiet machine."
        )
    elif noise.mean > NOISY:
        sentences.append(
            f"The same work took {noise.mean:.0%} longer than at its best, on average: times here need "
            f"several replicates."
        )
    if noise.steal is not None and noise.steal > STOLEN:
        sentences.append(
            f"The host of this virtual machine gave {noise.steal:.0%} of the cores' time to others: times will "
            "differ from day to day, and only trials that run at the same time are comparable."
        )
    sentences += [
        f"{who} uses a GPU: trials there are slower, and are recorded as disturbed." for who in foreign
    ]
    sentences += _of_settings(host, environment)
    if free_memory is not None and free_memory < _SCARCE_MEMORY:
        sentences.append(f"Only {free_memory / 1e9:.1f} GB of memory are free: large networks will not fit.")
    if free_disk is not None and free_disk < _SCARCE_DISK:
        sentences.append(f"Only {free_disk / 1e9:.1f} GB of disk are free where results are kept.")
    if not calibrated and "tensorflow" in backends:
        sentences.append(
            "Not every device here has a measured peak, so trials cannot report what share of it they used: "
            f"{command()} doctor --calibrate measures it in seconds."
        )
    return sentences


def _of_settings(host: MachineFacts, environment: Mapping[str, str]) -> list[str]:
    sentences = []
    governor = host.governor or ""
    if governor and not governor.startswith("unavailable") and governor != "performance":
        sentences.append(
            f"The cores' governor is {governor}: clocks rise and fall with the load. "
            "As root: cpupower frequency-set --governor performance."
        )
    quota, usable = host.quota_cores, host.usable_cores
    if quota is not None and usable is not None and quota < usable:
        sentences.append(
            f"The container may use {quota:g} cores' worth of time, but sees {usable}: TensorFlow starts a "
            "thread for each and is throttled. Pin the container to cores instead: docker run --cpuset-cpus."
        )
    if environment.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        sentences.append("TF_ENABLE_ONEDNN_OPTS=0 turns oneDNN off, which is slower on processors.")
    if environment.get("TF_FORCE_GPU_ALLOW_GROWTH", "").lower() == "false":
        sentences.append("TF_FORCE_GPU_ALLOW_GROWTH=false hides how much of a GPU's memory a trial needs.")
    return sentences
