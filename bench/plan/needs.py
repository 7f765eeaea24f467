"""What a cell takes of the machine besides time: memory and disk."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

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
        memory: Of the process: images, features, parameters with gradients and optimiser state. Feature maps
            of a training step come on top.
        disk: A checkpoint while it is being replaced, and what the record keeps.
    """

    features: float
    memory: float
    disk: float


def needs_of(cell: Cell, images: dict[str, int]) -> Needs:
    """What a cell takes.

    Args:
        cell: The cell.
        images: Images of each part.
    """
    settings = cell.settings
    total = sum(images.values())
    pixels = total * settings["image_size"] ** 2 * 3
    facts = facts_of(settings["network"], settings["options"], settings["image_size"])
    features = total * facts.features * _FLOAT if facts and settings["mode"] == "transfer" else 0.0
    trained, held = _parameters(facts, settings["mode"])
    copies = _COPIES.get(settings.get("optimizer", {}).get("name"), _MOST_COPIES)
    memory = _RUNTIME_BYTES + pixels + features + held * _FLOAT + trained * copies * _FLOAT
    # The old checkpoint stays until the new one is whole; gradients are in neither.
    disk = 2 * trained * (copies - 1) * _FLOAT + 1e6
    return Needs(features, memory, disk)


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
