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
"""Beside a baseline's cells: what it is and where it was measured."""


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


def read_side(where: str, results: Path) -> Side:
    """Read one side of a comparison.

    Args:
        where: A folder (a suite's results, a results folder with a single suite, a baseline),
            `baseline:NAME`, or `mlflow:EXPERIMENT`.
        results: The results folder that has the baselines, and where MLflow's files are kept meanwhile.

    Raises:
        InputError: There is nothing to compare.
    """
    if where.startswith(MLFLOW):
        from bench.compare.experiment import read_experiment

        return read_experiment(where, results)
    if where.startswith(BASELINE):
        from bench.compare.baseline import folder_of

        folder = folder_of(results, where.removeprefix(BASELINE))
    else:
        folder = suite_folder(Path(where))
    return Side(where, read_folder(folder), _machine(folder))


def suite_folder(folder: Path) -> Path:
    """The folder that has `cells/`: the one given, or the only one in it that has.

    Raises:
        InputError: There is none, or more than one.
    """
    if (folder / "cells").is_dir():
        return folder
    if not folder.is_dir():
        raise InputError(
            f"there is no results folder {folder}",
            "Name the results of a suite, such as results/demo, or baseline:NAME, or mlflow:EXPERIMENT.",
        )
    suites = sorted(cells.parent for cells in folder.glob("*/cells"))
    if len(suites) == 1:
        return suites[0]
    if not suites:
        hint = did_you_mean(folder.name, _neighbours(folder))
        raise InputError(f"{folder} has no cells/: it is not the results of a suite", hint)
    names = ", ".join(map(str, suites))
    raise InputError(f"{folder} has the results of several suites", f"Name one of {names}.")


def _neighbours(folder: Path) -> list[str]:
    """Names of the suites' results beside a folder."""
    whole = folder.resolve()
    return sorted(cells.parent.name for cells in whole.parent.glob("*/cells") if cells.parent != whole)


def read_folder(folder: Path) -> tuple[Measurement, ...]:
    """Every attempt of a suite that is over, in the order in which they ran.

    Raises:
        InputError: There is none.
    """
    attempts = [
        Attempt(attempt)
        for attempt in (folder / "cells").glob("*/attempt-*")
        if attempt.name.removeprefix("attempt-").isdecimal()
    ]
    return in_order(measured(attempts), folder)


def measured(attempts: Iterable[Attempt]) -> list[Measurement]:
    """Measurements of those attempts that are over."""
    return [measurement for attempt in attempts if (measurement := measurement_of(attempt))]


def in_order(measurements: Iterable[Measurement], where: object) -> tuple[Measurement, ...]:
    """Sorted by start, attempts of a cell by number.

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
    record = attempt.record()
    if record is None:
        return None
    try:
        cell = record["cell"]
        key, label = cell["key"], label_of(cell)
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


def label_of(cell: dict[str, Any]) -> str:
    """Readable name of a configuration: network, mode, epochs, without seed and hash."""
    settings = cell["settings"]
    epochs = f"-{settings['epochs']}e" if settings.get("epochs") else ""
    return f"{cell['network']}-{settings['mode']}{epochs}".lower()


def _machine(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / SUITE_FILE).read_text())["machine"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
