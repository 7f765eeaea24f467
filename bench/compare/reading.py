"""Measurements from where they are kept: results folders, baselines, MLflow."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.compare.measurement import Measurement
from bench.errors import InputError
from bench.journal.history import history
from bench.journal.results import Attempt
from wbc.errors import did_you_mean

BASELINE, MLFLOW = "baseline:", "mlflow:"
SUITE_FILE = "baseline.json"
"""Beside a baseline's trials: what it is and where it was measured."""


@dataclass(frozen=True)
class Side:
    """All measurements of one side.

    Attributes:
        name: As the user gave it.
        measurements: Every attempt that is over, in the order in which they ran.
        machine: Fingerprint of the machine where it says so (baselines); else empty.
    """

    name: str
    measurements: tuple[Measurement, ...]
    machine: dict[str, Any] = field(default_factory=dict)


def suite_folder(folder: Path) -> Path:
    """The folder that has `trials/`: the one given, or the only one in it that has.

    Raises:
        InputError: There is none, or more than one.
    """
    if (folder / "trials").is_dir():
        return folder
    if not folder.is_dir():
        raise InputError(
            f"there is no results folder {folder}",
            "Name the results of a suite, such as results/demo, or baseline:NAME, or mlflow:EXPERIMENT.",
        )
    suites = sorted(trials.parent for trials in folder.glob("*/trials"))
    if len(suites) == 1:
        return suites[0]
    if not suites:
        hint = did_you_mean(folder.name, _neighbours(folder))
        raise InputError(f"{folder} has no trials/: it is not the results of a suite", hint)
    names = ", ".join(map(str, suites))
    raise InputError(f"{folder} has the results of several suites", f"Name one of {names}.")


def _neighbours(folder: Path) -> list[str]:
    """Names of the suites' results beside a folder."""
    whole = folder.resolve()
    return sorted(trials.parent.name for trials in whole.parent.glob("*/trials") if trials.parent != whole)


def read_folder(folder: Path) -> tuple[Measurement, ...]:
    """Every attempt of a suite that is over, in the order in which they ran.

    Raises:
        InputError: There is none.
    """
    attempts = [
        Attempt(attempt)
        for attempt in (folder / "trials").glob("*/attempt-*")
        if attempt.name.removeprefix("attempt-").isdecimal()
    ]
    return in_order(measured(attempts), folder)


def measured(attempts: Iterable[Attempt]) -> list[Measurement]:
    """Measurements of those attempts that are over."""
    return [measurement for attempt in attempts if (measurement := measurement_of(attempt))]


def in_order(measurements: Iterable[Measurement], where: object) -> tuple[Measurement, ...]:
    """Sorted by start, attempts of a trial by number.

    Raises:
        InputError: There are none.
    """
    found = sorted(measurements, key=lambda one: (one.when, one.key, one.record.get("attempt", 0)))
    if not found:
        raise InputError(f"{where} has no attempt that is over", "Run its suite first.")
    return tuple(found)


def measurement_of(attempt: Attempt) -> Measurement | None:
    """An attempt as a measurement; None while it is not over.

    Raises:
        InputError: Its record is not one of leukobench's.
    """
    record = attempt.record_json()
    if record is None:
        return None
    try:
        trial = record["trial"]
        key, label = trial["key"], label_of(trial)
    except (KeyError, TypeError) as error:
        raise InputError(f"{attempt.result} is not a whole record: {error} is missing") from None
    epochs = tuple(
        {**event["metrics"], "epoch": event["epoch"]}
        for stretch in history(attempt)
        for event in stretch.events
        if event["event"] == "epoch"
    )
    predictions = attempt.predictions if attempt.predictions.is_file() else None
    return Measurement(key, label, record, predictions, epochs)


def label_of(trial: dict[str, Any]) -> str:
    """Readable name of a configuration: network, mode, epochs, without seed and hash."""
    settings = trial["settings"]
    epochs = f"-{settings['epochs']}e" if settings.get("epochs") else ""
    return f"{trial['network']}-{settings['mode']}{epochs}".lower()


def machine_noted(folder: Path) -> dict[str, Any]:
    """Fingerprint of the machine where a baseline was measured; empty elsewhere."""
    try:
        return json.loads((folder / SUITE_FILE).read_text())["machine"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
