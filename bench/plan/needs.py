"""What a cell takes of the machine besides time: memory and disk."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.devices.device import Slot
from bench.suite.cell import Cell
from wbc.networks.facts import Facts, facts_of

_FLOAT = 4
_RUNTIME_BYTES = 500e6
"""A process with TensorFlow and its libraries, before it holds anything."""

_HEAD_UNITS = 256
_COPIES = {"SGD": 3, "Nesterov": 3, "RMSprop": 3, "Adagrad": 3}
"""Numbers held for each trained parameter: itself, its gradient, what the optimiser remembers."""

_MOST_COPIES = 4


@dataclass(frozen=True)
class Needs:
    """Bytes.

    Attributes:
        features: What a frozen backbone makes of all images; part of `memory`.
        memory: Of the process: images, features, and on a processor what stands in `device` too.
        device: Of the device: parameters with gradients and optimiser state, feature maps of a batch.
        disk: A checkpoint while it is being replaced, and what the record keeps.
    """

    features: float
    memory: float
    device: float
    disk: float


def needs_of(cell: Cell, images: dict[str, int], kind: str = "cpu") -> Needs:
    """What a cell takes.

    Args:
        cell: The cell.
        images: Images of each part.
        kind: `gpu` or `cpu`, what it runs on.
    """
    settings = cell.settings
    total = sum(images.values())
    pixels = total * settings["image_size"] ** 2 * 3
    facts = facts_of(settings["network"], settings["options"], settings["image_size"])
    features = total * facts.features * _FLOAT if facts and settings["mode"] == "transfer" else 0.0
    trained, held = _parameters(facts, settings["mode"])
    copies = _COPIES.get(settings.get("optimizer", {}).get("name"), _MOST_COPIES)
    # One copy more: what the optimiser makes of gradients before it changes the weights.
    numbers = held + trained * (copies + 1) + _maps(facts, settings)
    device = numbers * _FLOAT
    memory = _RUNTIME_BYTES + pixels + features + (device if kind == "cpu" else 0.0)
    # The old checkpoint stays until the new one is whole; gradients are in neither.
    disk = 2 * trained * (copies - 1) * _FLOAT + 1e6
    return Needs(features, memory, device, disk)


def too_large(cells: Iterable[tuple[Cell, Needs]], slot: Slot) -> list[str]:
    """A sentence for each network whose batches will hardly fit the device.

    Args:
        cells: The cells that will run, and what they need.
        slot: Where; several GPUs share a batch, but each holds all parameters.
    """
    memory = slot.devices[0].memory_bytes if slot.kind == "gpu" else psutil.virtual_memory().total
    if memory is None:
        return []
    said: dict[tuple, str] = {}
    for cell, needs in cells:
        needed = needs.device if slot.kind == "gpu" else needs.memory
        settings = cell.settings
        about = (cell.network, settings["mode"], settings.get("batch_size"), settings["image_size"])
        if needed > memory and about not in said:
            said[about] = (
                f"{cell.network} ({settings['mode']}) at {settings['image_size']} pixels in batches of "
                f"{settings.get('batch_size')} needs about {needed / 1e9:.1f} GB, and "
                f"{slot.devices[0].name} has "
                f"{memory / 1e9:.1f} GB: a smaller batch_size or image_size will fit."
            )
    return list(said.values())


def _maps(facts: Facts | None, settings: dict[str, Any]) -> float:
    """Numbers in the feature maps of a batch: those that gradients need, and those on their way."""
    if facts is None:
        return 0.0
    kept = 0.0 if settings["mode"] == "transfer" else facts.kept_maps
    return settings["batch_size"] * (kept + 2 * facts.passing_maps)


def most_at_once(needs: Iterable[Needs], slots: int) -> float:
    """Memory of the hungriest cells that may run side by side."""
    return sum(sorted((one.memory for one in needs), reverse=True)[:slots])


def free_memory() -> int:
    """Bytes that could be had without swapping."""
    return psutil.virtual_memory().available


def free_disk(folder: Path) -> int:
    """Bytes on the disk of a folder, which need not be there yet."""
    there = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    return shutil.disk_usage(there).free


def _parameters(facts: Facts | None, mode: str) -> tuple[float, float]:
    """Trained parameters, and parameters that are only held."""
    if facts is None:
        return 0.0, 0.0
    if mode == "transfer":
        return facts.features * _HEAD_UNITS, facts.parameters
    return facts.parameters, 0.0
