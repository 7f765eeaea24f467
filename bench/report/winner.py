"""The configuration that a report names: its settings, the epochs that it ran, and a suite that repeats it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.suite.aliases import OF_THESIS
from bench.trials.record import Record
from bench.trials.settings import DataSettings, OptimizerSettings, Settings
from wbc.protocols import settings_of
from wbc.specification import PRETRAINED_MODES

MADE = ("digest", "name")
"""Settings of the data that follow from the images; no suite sets them."""

MADE_OF_TRIAL = ("data", "network", "options", "weights", "seed", "image_size", "replicas", "sources")
"""Settings of a trial that a suite writes elsewhere, or not at all."""

_SPELLED = {"decay": "learning_rate_decay"}
"""Name in a record -> key of a suite."""


@dataclass(frozen=True)
class Winner:
    """What is known of the configuration that is named."""

    trial: str
    """Its first trial."""
    settings: Sequence[tuple[str, str]]
    """All settings, with their values as text."""
    epochs: str
    """A sentence on the epochs that were run; empty where there are none."""
    suite: str
    """A suite file, as TOML, that trains it again."""
    model: str
    """The saved network; empty where none was kept."""


def winner_of(records: Sequence[Record], suite: str, folder: Path | None, model: str = "") -> Winner:
    """Describe a configuration.

    Args:
        records: Of its replicates, at least one.
        suite: The name of the suite.
        folder: Of the images, where they are a user's own.
        model: The saved network; empty where none was kept.
    """
    settings = records[0].trial.settings
    shown = [
        (name, _text(value))
        for name, value in settings.flat().items()
        if name not in ("data.digest", "seed") and value not in (None, {}, "")
    ]
    seeds = list(dict.fromkeys(record.trial.settings.seed for record in records))
    return Winner(
        records[0].trial.id,
        [*shown, ("seeds", ", ".join(map(str, seeds)))],
        epochs_said([record.epochs for record in records], settings),
        suite_of(settings, seeds, suite, folder),
        model,
    )


def epochs_said(done: Sequence[int], settings: Settings) -> str:
    """How many epochs were really run; empty without any."""
    asked = settings.all_epochs
    if not asked:
        return ""
    ended = [one for one in done if one < asked]
    if not ended:
        return f"It trained for all {asked} epochs." if asked > 1 else "It trained for 1 epoch."
    least, most = min(ended), max(ended)
    ran = f"{least}" if least == most else f"{least} to {most}"
    stopped = isinstance(settings.early_stopping, msgspec.Struct)
    if len(ended) < len(done):
        why = "by early stopping " if stopped else ""
        return f"{len(ended)} of {len(done)} trainings ended {why}after {ran} of {asked} epochs, the others later."
    return f"{'Early stopping ended it' if stopped else 'It ended'} after {ran} of {asked} epochs."


def suite_of(settings: Settings, seeds: Sequence[int], name: str, folder: Path | None) -> str:
    """A suite file with this configuration alone.

    Args:
        settings: Of one replicate.
        seeds: Of all replicates.
        name: Of the suite that it comes from.
        folder: Of the images, where they are a user's own.
    """
    lines = [
        "[suite]",
        f"name = {_toml(f'{name[:50]}-winner')}",
        f"seeds = {_toml(list(seeds))}",
        "",
        "[data]",
    ]
    lines += [f"{key} = {_toml(value)}" for key, value in _data(settings.data, settings.image_size).items()]
    if settings.data.source == "folder" and folder is not None:
        lines.append(f"path = {_toml(str(folder))}")
    lines += ["", "[[matrix]]"]
    lines.append(
        f"backbone = {_toml({'name': settings.network, **settings.options} if settings.options else settings.network)}"
    )
    lines += [f"{key} = {_toml(value)}" for key, value in _training(settings).items()]
    return "\n".join(lines) + "\n"


def _data(data: DataSettings, image_size: int) -> dict[str, Any]:
    content = msgspec.to_builtins(data)
    known = {key: value for key, value in content.items() if key not in MADE and value is not None}
    return known | {"image_size": image_size}


def _training(settings: Settings) -> dict[str, Any]:
    content = {key: value for key, value in msgspec.to_builtins(settings).items() if key not in MADE_OF_TRIAL}
    for key in ("optimizer", "finetune_optimizer"):
        optimizer = getattr(settings, key)
        if isinstance(optimizer, OptimizerSettings):
            content[key] = {
                _SPELLED.get(name, name): value for name, value in content[key].items() if value is not None
            }
    for key in ("early_stopping", "augmentation"):
        if getattr(settings, key) is None:
            content[key] = False
    if settings.mode in PRETRAINED_MODES:
        content = {"weights": settings.weights.name, **content}
    if fitted := settings.classifier:
        content["classifier"] = {"name": fitted.name, **fitted.options}
    if not settings.epochs:
        content.pop("epochs", None)
    known = {key: value for key, value in content.items() if value is not None}
    own = {key: known.pop(key) for key in OF_THESIS if key in known}
    usual = settings_of("corrected", settings.mode)
    special = {key: value for key, value in own.items() if value != usual.get(key, "corrected")}
    return {**known, "thesis": own} if special else known


def _toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
