"""The memory and disk that trials need."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.devices.cgroup import free_bytes
from bench.devices.device import Slot
from bench.trials.settings import LARGEST, images_of
from bench.trials.trial import Trial
from wbc.networks.facts import Facts, facts_of
from wbc.specification import HEAD_UNITS

_FLOAT = 4
RUNTIME_BYTES = 500e6
"""Of a process with TensorFlow and its libraries, before it holds any data."""

_COPIES = {"SGD": 3, "Nesterov": 3, "RMSprop": 3, "Adagrad": 3}
"""Numbers kept for each trained parameter: itself, its gradient, the state of the optimizer."""

_MOST_COPIES = 4

_EXTRACTING = frozenset({"transfer", "features"})
"""Modes that extract the features of all images."""

_FITTING_COPIES = 4
"""Of the features while scikit-learn fits: as extracted, scaled, and in twice the precision."""


@dataclass(frozen=True)
class Needs:
    """Bytes that a trial needs."""

    features: float
    """Features of all images, as a frozen backbone extracts them."""
    memory: float
    """Of the process: images and features that are not in files, and on a processor `device` as well."""
    device: float
    """Of the device: parameters with gradients and optimizer state, feature maps of a batch."""
    disk: float
    """A checkpoint while it is being replaced, and the journals."""
    maps_known: bool = True
    """Whether `device` includes the feature maps; otherwise nobody knows them."""


def needs_of(
    trial: Trial,
    images: dict[str, int],
    kind: str = "cpu",
    replicas: int = 1,
    batch_size: int | None = None,
) -> Needs:
    """What a trial needs.

    Args:
        trial: The trial.
        images: Images of each split.
        kind: `gpu` or `cpu`, what it runs on.
        replicas: How many GPUs share a batch; `device` is of one of them.
        batch_size: Images of a batch; None: as its settings say.
    """
    settings, mapped = trial.settings, trial.specification.get("feature_cache") or {"features": False}
    total = sum(images.values())
    pixels = 0.0 if mapped.get("pixels") else total * settings.image_size**2 * 3
    facts = facts_of(settings.network, settings.options, settings.image_size)
    features = total * facts.features * _FLOAT if facts and settings.mode in _EXTRACTING else 0.0
    trained, held = _parameters(facts, settings.mode)
    copies = _COPIES.get(settings.optimizer.name if settings.optimizer else "", _MOST_COPIES)
    # No batch is larger than the largest split.
    batch = min(batch_size or images_of(settings.batch_size), max(images.values(), default=0))
    maps = _maps(facts, settings.mode, batch)
    if maps and kind == "gpu":
        maps /= replicas
    # One more copy for the update that the optimizer computes before it changes the weights.
    device = (held + trained * (copies + 1) + (maps or 0.0)) * _FLOAT
    # What is in files does not take the memory of the process, but scikit-learn and a loop on the device copy it.
    whole = settings.loop == "compiled" or not mapped.get("features", True)
    copied = features * (_FITTING_COPIES if settings.mode == "features" else whole)
    memory = RUNTIME_BYTES + pixels + copied + (device if kind == "cpu" else 0.0)
    # The old checkpoint stays until the new one is whole; gradients are in neither.
    disk = 2 * trained * (copies - 1) * _FLOAT + 1e6
    return Needs(features, memory, device, disk, maps is not None)


def too_large(trials: Iterable[tuple[Trial, Needs]], slot: Slot) -> list[str]:
    """A sentence for each network whose batches will hardly fit the device, and one for the unknown ones.

    Args:
        trials: The trials that will run, and what they need.
        slot: Where they run. Several GPUs share a batch, but each has all parameters.
    """
    device = slot.devices[0]
    gpu = device.kind == "gpu"
    memory = device.memory_bytes if gpu else psutil.virtual_memory().total
    if memory is None:
        return []
    where = f"a {device.model}" if gpu and slot.replicas > 1 else device.model if gpu else "this machine"
    said: dict[tuple[object, ...], str] = {}
    unknown: list[str] = []
    for trial, needs in trials:
        if not needs.maps_known:
            unknown.append(trial.network)
        needed = needs.device if gpu else needs.device + RUNTIME_BYTES
        settings = trial.settings
        about = (trial.network, settings.mode, settings.batch_size, settings.image_size)
        if needed > memory and about not in said and settings.batch_size != LARGEST:
            said[about] = (
                f"{trial.network} ({settings.mode}) at {settings.image_size} pixels in batches of "
                f"{settings.batch_size} needs about {needed / 1e9:.1f} GB, and {where} has "
                f"{memory / 1e9:.1f} GB: try a smaller batch_size or image_size."
            )
    if unknown:
        networks = ", ".join(dict.fromkeys(unknown))
        said[("unknown",)] = f"Whether a batch fits {where} is unknown for {networks}."
    return list(said.values())


def _maps(facts: Facts | None, mode: str, batch: int) -> float | None:
    """Numbers in the feature maps of a batch, kept for gradients or in transit; None if unknown."""
    if mode == "classical":
        return 0.0
    if facts is None or facts.kept_maps is None or facts.passing_maps is None:
        return None
    kept = 0.0 if mode in _EXTRACTING else facts.kept_maps
    return batch * (kept + 2 * facts.passing_maps)


def most_at_once(needs: Iterable[Needs], slots: int) -> float:
    """Memory of the largest trials that may run side by side."""
    return sum(sorted((one.memory for one in needs), reverse=True)[:slots])


def free_memory() -> int:
    """Bytes that are available without swapping, within the limits of the control group."""
    available = int(psutil.virtual_memory().available)
    limited = free_bytes()
    return available if limited is None else min(available, limited)


def free_disk(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    there = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    return shutil.disk_usage(there).free


def _parameters(facts: Facts | None, mode: str) -> tuple[float, float]:
    """Trained parameters, and frozen ones."""
    if facts is None:
        return 0.0, 0.0
    if mode == "transfer":
        return facts.features * HEAD_UNITS, facts.parameters
    if mode == "features":
        return 0.0, facts.parameters
    return facts.parameters, 0.0
