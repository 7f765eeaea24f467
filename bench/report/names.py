"""What configurations are called in tables and figures, and which settings tell the trials of a suite apart."""

from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

import pandas as pd

from bench.trials.settings import Settings, digest_of, is_of_replicate
from wbc.protocols import PROTOCOL_KEYS, PROTOCOLS, settings_of

FlatSettings = Mapping[str, Any]
"""Settings as one table: `optimizer.name` and the like."""

SEEDS = {"seed": "seed", "data.split_seed": "split", "data.data_seed": "data", "data.fold": "fold"}
"""Seeds in which replicates differ -> what a table calls them."""


def labels(configurations: pd.DataFrame) -> list[str]:
    """The network of every row, with its weights, variant and device where rows of one mode would else look alike.

    Args:
        configurations: With the columns of `bench.report.frame.CONFIGURATION`.
    """
    several = configurations.groupby(["network", "mode"], dropna=False)["weights"].transform("nunique") > 1
    with_device = "device" in configurations and configurations["device"].nunique() > 1
    names = []
    for row, with_weights in zip(configurations.itertuples(), several, strict=True):
        extra = [row.weights] if with_weights else []
        extra += [row.variant] if isinstance(row.variant, str) and row.variant else []
        extra += [f"on {row.device}"] if with_device else []
        names.append(", ".join([row.network, *extra]))
    return names


def group_name(mode: str, epochs: float) -> str:
    """`transfer, 100 epochs`; classical methods have no epochs."""
    if not epochs or pd.isna(epochs):
        return str(mode)
    return f"{mode}, {int(epochs)} epoch{'' if epochs == 1 else 's'}"


def group_file(mode: str, epochs: float) -> str:
    """The same as part of a file's name."""
    return str(mode) if not epochs or pd.isna(epochs) else f"{mode}-{int(epochs)}"


def groups_of(configurations: pd.DataFrame) -> list[tuple[tuple[str, float], pd.DataFrame]]:
    """The configurations by mode and epochs, in the order in which they appear."""
    return list(configurations.groupby(["mode", "epochs"], sort=False))


def flat(settings: Settings) -> FlatSettings:
    """Settings as one table. Equal texts of many trials share memory."""
    return {
        intern(name): intern(value) if isinstance(value, str) else value
        for name, value in settings.flat().items()
    }


APART = ("but_epochs", "but_mode")
"""Columns by which contrasts match configurations, see `apart_from`."""

OF_MODES = ("dropout", "head_epochs", "unfreeze", "freeze_batch_norm", "finetune_optimizer")
"""Settings that have a meaning in some modes only."""


def apart_from(settings: FlatSettings) -> dict[str, str]:
    """Hashes of all settings but one, and but what follows from it: `but_epochs`, and `but_mode`.

    Two configurations with the same hash differ in nothing else.
    """
    own = {name: value for name, value in settings.items() if not is_of_replicate(name)}
    but_mode = {
        name: value
        for name, value in own.items()
        if name.partition(".")[0] not in ("mode", "weights", *OF_MODES) and value is not None
    }
    but_epochs = {name: value for name, value in own.items() if name != "epochs"}
    return {"but_epochs": digest_of(but_epochs)[:16], "but_mode": digest_of(but_mode)[:16]}


def variants(settings: Sequence[FlatSettings]) -> list[tuple[str, str]]:
    """The variant and the seeds of every trial, in words; both empty where nothing differs.

    Args:
        settings: Of every trial, see `flat`.

    Returns:
        For each trial what distinguishes it from trials of the same network and mode, apart from weights and
        epochs, and which replicate it is. Where protocols differ, their names stand for what they imply.
    """
    seeds = [name for name in _differing(settings) if name in SEEDS]
    varying = _varying(settings)
    by_protocol = "protocol" in varying
    extras = _extra_arguments(settings, varying)
    names = []
    for own in settings:
        shown = [name for name in varying if not (by_protocol and _implied(name, own))]
        variant = ", ".join(dict.fromkeys(filter(None, (_words(name, own, extras) for name in shown))))
        names.append((variant, ", ".join(f"{SEEDS[name]} {own[name]}" for name in seeds if name in own)))
    return names


_SWITCHES = {"early_stopping": "early stopping", "augmentation": "augmentation"}
_OF_DATA = {
    "data.max_images_per_class": "pilot of {} images per class",
    "data.folds": "{} folds",
    "data.name": "images of {}",
}
_OPTIMIZERS = {"optimizer": "", "finetune_optimizer": "fine-tuned with "}


def _words(name: str, own: FlatSettings, extras: Mapping[str, Sequence[str]]) -> str:
    """What a setting is called in a variant; empty where it says nothing about the trial.

    Args:
        name: Flat name of the setting.
        own: Settings of the trial.
        extras: See `_extra_arguments`.
    """
    table, _, key = name.partition(".")
    if table in _OPTIMIZERS:
        if name not in own:
            return ""
        said = f"{_OPTIMIZERS[table]}{own[f'{table}.name']} {rate(own[f'{table}.learning_rate'])}"
        more = [
            f"{one.replace('_', ' ')} {own[f'{table}.{one}']}"
            for one in extras[table]
            if f"{table}.{one}" in own
        ]
        return " ".join([said, *more])
    if table in _SWITCHES:
        on = any(one.startswith(f"{table}.") for one in own)
        if not on:
            return f"no {_SWITCHES[table]}" if table in own else ""
        more = [f"{one.replace('_', ' ')} {own[f'{table}.{one}']}" for one in extras[table]]
        return f"{_SWITCHES[table]}: {', '.join(more)}" if more else _SWITCHES[table]
    if name not in own or own[name] is None:
        return ""
    if name == "data.test_digest":  # the folder of an external test may be called as another one
        return f"external test {own.get('data.test_name', '')} ({own[name][:6]})"
    if name in _OF_DATA:
        return _OF_DATA[name].format(own[name])
    words = (key or name).replace("_", " ")
    if isinstance(own[name], bool):
        return words if own[name] else f"not {words}"
    return f"{words} {own[name]}"


def rate(value: float | str) -> str:
    """A learning rate as people write it: `1e-3`. A word stays as it is."""
    if isinstance(value, str):
        return value
    digits, _, exponent = f"{value:.3e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def _extra_arguments(settings: Sequence[FlatSettings], varying: Sequence[str]) -> dict[str, list[str]]:
    """Optimizer -> its arguments that differ between trials in which its name and rate are equal.

    Switch -> the same between trials in which it is on.
    """
    found: dict[str, list[str]] = {table: [] for table in (*_OPTIMIZERS, *_SWITCHES)}
    for name in varying:
        table, _, key = name.partition(".")
        if table not in found or not key or (table in _OPTIMIZERS and key in ("name", "learning_rate")):
            continue
        values: dict[tuple[object, ...], set[str]] = {}
        for own in settings:
            if name not in own and table in _SWITCHES:
                continue
            head = (own["network"], own["mode"], own.get(f"{table}.name"), own.get(f"{table}.learning_rate"))
            values.setdefault(head, set()).add(str(own.get(name)))
        if any(len(one) > 1 for one in values.values()):
            found[table].append(key)
    return found


def _differing(settings: Sequence[FlatSettings]) -> list[str]:
    """Settings whose values differ between trials."""
    names = dict.fromkeys(name for one in settings for name in one)
    return [name for name in names if len({str(one.get(name)) for one in settings}) > 1]


def _varying(settings: Sequence[FlatSettings]) -> list[str]:
    """Settings that differ between trials of the same network and mode, apart from what has a column of its own."""
    alike: dict[tuple[object, ...], list[FlatSettings]] = {}
    for one in settings:
        shown = (one["network"], one["mode"])
        options = (value for name, value in one.items() if name.startswith("options."))
        alike.setdefault((*shown, *options), []).append(one)
    names = dict.fromkeys(name for group in alike.values() for name in _differing(group))
    # The size of the images of a data set is that of the network's.
    return [
        name
        for name in names
        if name not in ("data.image_size", "data.test_name", "epochs", "weights.name", "weights.sha256")
        and not name.startswith("classifier.")  # part of the name of the network
        and not is_of_replicate(name)
    ]


def _implied(name: str, settings: FlatSettings) -> bool:
    """Whether the trial's protocol says it already."""
    if name.endswith("optimizer.epsilon_outside"):
        return settings.get("protocol") == "thesis-2018"
    if name == "optimizer.epsilon_outside":  # follows from the protocol, which has no key for it
        return True
    if name not in settings or name not in PROTOCOL_KEYS or settings.get("protocol") not in PROTOCOLS:
        return False
    return bool(settings[name] == settings_of(settings["protocol"], settings["mode"])[name])
