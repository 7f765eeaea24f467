"""Settings that tell the trials of a suite apart, and those that only repeat them."""

from sys import intern
from typing import Any

from wbc.protocols import PROTOCOL_KEYS, PROTOCOLS, settings_of

REPEAT_KEYS = {"seed": "seed", "split_seed": "split", "data_seed": "data"}
"""Settings that only repeat a configuration, and how a table calls them."""


def names_of(settings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The variant and the seeds of every trial, in words; both empty where nothing differs.

    Args:
        settings: Of every trial, flat, see `flat`.

    Returns:
        For each trial what sets it apart from trials of the same network, weights, mode and epochs, and which
        repeat it is. Where protocols differ, what they imply is left to their names.
    """
    repeated = [key for key in _differing(settings) if _is_repeat(key)]
    varying = _varying(settings)
    by_protocol = "protocol" in varying
    names = []
    for own in settings:
        shown = [key for key in varying if key in own and not (by_protocol and _implied(key, own))]
        seeds = (f"{REPEAT_KEYS[key.rpartition('.')[2]]} {own[key]}" for key in repeated if key in own)
        names.append((", ".join(f"{key} {own[key]}" for key in shown), ", ".join(seeds)))
    return names


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one table, `optimizer.name` and the like; equal texts of many trials share memory."""
    flattened: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flattened |= flat(value, f"{prefix}{key}.")
        else:
            flattened[intern(prefix + key)] = intern(value) if isinstance(value, str) else value
    return flattened


def _differing(settings: list[dict[str, Any]]) -> list[str]:
    """Keys whose values differ between trials."""
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if len({str(one.get(key)) for one in settings}) > 1]


def _varying(settings: list[dict[str, Any]]) -> list[str]:
    """Keys that tell trials apart which the columns show as the same configuration."""
    alike: dict[tuple, list[dict[str, Any]]] = {}
    for one in settings:
        shown = (one["network"], one["mode"], one["epochs"], one["weights.name"])
        alike.setdefault(
            (*shown, *(value for key, value in one.items() if key.startswith("options."))), []
        ).append(one)
    keys = dict.fromkeys(key for group in alike.values() for key in _differing(group))
    # The digest follows from what made the data set, and the data set's size is the network's.
    implied = ("data.digest", "data.image_size")
    return [key for key in keys if key not in implied and not _is_repeat(key)]


def _implied(key: str, settings: dict[str, Any]) -> bool:
    """Whether the trial's protocol says it already."""
    if key not in PROTOCOL_KEYS or settings.get("protocol") not in PROTOCOLS:
        return False
    return settings[key] == settings_of(settings["protocol"], settings["mode"])[key]


def _is_repeat(key: str) -> bool:
    return key.rpartition(".")[2] in REPEAT_KEYS
