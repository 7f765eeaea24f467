"""What configurations are called in tables and figures, and which settings tell the trials of a suite apart."""

from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

import pandas as pd

from bench.trials.settings import Settings, is_of_replicate
from wbc.protocols import PROTOCOL_KEYS, PROTOCOLS, settings_of

FlatSettings = Mapping[str, Any]
"""Settings as one table: `optimizer.name` and the like."""

SEEDS = {"seed": "seed", "data.split_seed": "split", "data.data_seed": "data"}
"""Seeds in which replicates differ -> what a table calls them."""


def labels(configurations: pd.DataFrame) -> list[str]:
    """The network of every row, with its weights and variant where rows of one mode would else look alike.

    Args:
        configurations: With the columns of `bench.report.frame.CONFIGURATION`.
    """
    several = configurations.groupby(["network", "mode"], dropna=False)["weights"].transform("nunique") > 1
    names = []
    for row, with_weights in zip(configurations.itertuples(), several, strict=True):
        extra = [row.weights] if with_weights else []
        extra += [row.variant] if isinstance(row.variant, str) and row.variant else []
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


def variants(settings: Sequence[FlatSettings]) -> list[tuple[str, str]]:
    """The variant and the seeds of every trial, in words; both empty where nothing differs.

    Args:
        settings: Of every trial, see `flat`.

    Returns:
        For each trial what distinguishes it from trials of the same network, weights, mode and epochs, and
        which replicate it is. Where protocols differ, their names stand for what they imply.
    """
    seeds = [name for name in _differing(settings) if name in SEEDS]
    varying = _varying(settings)
    by_protocol = "protocol" in varying
    names = []
    for own in settings:
        shown = [name for name in varying if name in own and not (by_protocol and _implied(name, own))]
        variant = ", ".join(f"{name} {own[name]}" for name in shown)
        names.append((variant, ", ".join(f"{SEEDS[name]} {own[name]}" for name in seeds if name in own)))
    return names


def _differing(settings: Sequence[FlatSettings]) -> list[str]:
    """Settings whose values differ between trials."""
    names = dict.fromkeys(name for one in settings for name in one)
    return [name for name in names if len({str(one.get(name)) for one in settings}) > 1]


def _varying(settings: Sequence[FlatSettings]) -> list[str]:
    """Settings that differ between trials which the columns show as the same configuration."""
    alike: dict[tuple[object, ...], list[FlatSettings]] = {}
    for one in settings:
        shown = (one["network"], one["mode"], one["epochs"], one["weights.name"])
        options = (value for name, value in one.items() if name.startswith("options."))
        alike.setdefault((*shown, *options), []).append(one)
    names = dict.fromkeys(name for group in alike.values() for name in _differing(group))
    # The size of the images of a data set is that of the network's.
    return [name for name in names if name != "data.image_size" and not is_of_replicate(name)]


def _implied(name: str, settings: FlatSettings) -> bool:
    """Whether the trial's protocol says it already."""
    if name.endswith("optimizer.epsilon_outside"):
        return settings.get("protocol") == "thesis-2018"
    if name not in PROTOCOL_KEYS or settings.get("protocol") not in PROTOCOLS:
        return False
    return bool(settings[name] == settings_of(settings["protocol"], settings["mode"])[name])
