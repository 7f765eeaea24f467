"""In which settings our trials differ from those of published results, made from the settings themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.report.tables.formats import text
from bench.report.tables.table import Column, Table
from bench.trials.trial import Trial
from wbc.reference import test_accuracies, thesis

ABSENT = "not set"
"""A setting that a trial does not have, such as those of BCCD where images are synthetic."""

_EPOCHS = {"transfer": (100, 5000), "scratch": (100,)}


def departures_table(suite: str, trials: Sequence[Trial]) -> Table:
    """A row for each setting and pair of values in which trials differ from the thesis.

    Args:
        suite: Its name.
        trials: Those that have a record.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    for trial in trials:
        found.update(departures_of(trial))
    rows = [
        {"setting": name, "theirs": theirs, "ours": ours, "trials": f"{count} of {len(trials)}"}
        for (name, theirs, ours), count in found.items()
    ]
    columns = {name: Column(name, text) for name in ("setting", "theirs", "ours", "trials")}
    return Table(
        f"{suite}: settings that differ from the thesis of 2018",
        "reference-settings",
        pd.DataFrame(rows, columns=list(columns)),
        columns,
        notes=tuple(thesis()["beyond_settings"]),
    )


def departures_of(trial: Trial) -> list[tuple[str, str, str]]:
    """Setting, the value of the thesis and that of a trial, where they differ."""
    settings = trial.settings
    published: dict[str, dict[str, Any]] = thesis()["settings"]
    found = []
    if settings.network not in test_accuracies("transfer"):
        found.append(("network", "one of its eight", settings.network))
    if settings.mode not in _EPOCHS:
        found.append(("mode", "transfer or scratch", settings.mode))
    elif settings.epochs not in _EPOCHS[settings.mode]:
        found.append(("epochs", " or ".join(map(str, _EPOCHS[settings.mode])), str(settings.epochs)))
    ours = trial.flat()
    for name, theirs in {**published["all"], **published.get(settings.mode, {})}.items():
        own, known = _value(ours, name)
        if not known or own != theirs:
            found.append((name, _spelled(theirs), _spelled(own) if known else ABSENT))
    return found


def _value(settings: Mapping[str, Any], name: str) -> tuple[Any, bool]:
    """The value of a setting, and whether there is one. A table may be spelled out, as `early_stopping` is."""
    if name in settings:
        return settings[name], True
    parts = {
        key.removeprefix(f"{name}."): value for key, value in settings.items() if key.startswith(f"{name}.")
    }
    if parts:
        return ", ".join(f"{key} {_spelled(value)}" for key, value in parts.items()), True
    # An optimizer that has no such switch does as its framework does.
    return (False, True) if name == "optimizer.epsilon_outside" else (None, False)


def _spelled(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
