"""Results kept to compare with later: `<results>/baselines/<name>/`."""

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.compare.fingerprint import difference, of_machine, of_measurement
from bench.compare.measurement import Measurement
from bench.compare.reading import SUITE_FILE, read_folder, suite_folder
from bench.errors import InputError, command
from bench.plan.decide import matches
from bench.worker.files import write_json
from wbc.errors import did_you_mean

FOLDER = "baselines"
KEPT = ("trial.json", "result.json", "events.jsonl", "runner.jsonl", "predictions.csv")
"""Files of an attempt that are kept: records, journals and predictions, no images and no weights."""

_PARTIAL, _ASIDE = ".partial", ".replaced"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Baseline:
    """A kept result.

    Attributes:
        name: Its name.
        folder: Where it lies.
        suite: Name of the suite.
        saved_at: UTC, ISO 8601.
        machine: Fingerprint of the machine that measured it; empty if it was another one than saved it.
        attempts: How many attempts it has.
    """

    name: str
    folder: Path
    suite: str
    saved_at: str
    machine: dict[str, Any]
    attempts: int


def save(results: Path, name: str, source: Path, replace: bool = False, only: str | None = None) -> Baseline:
    """Keep the results of a suite under a name; it appears whole.

    Args:
        results: The results folder.
        name: Of the baseline.
        source: The suite's folder.
        replace: Put it in the place of one that has the name already.
        only: A pattern for the names of trials; None for all.

    Raises:
        InputError: The name will not do or is taken, or there is nothing to keep.
    """
    target = _checked(results, name)
    if (target.exists() or _read(target) is not None) and not replace:
        raise InputError(f"there is a baseline {name} already", "Choose another name, or give --replace.")
    folder = suite_folder(source)
    measurements = tuple(one for one in read_folder(folder) if only is None or matches(one.label, only))
    if not measurements:
        raise InputError(f"no trial of {folder} matches --only {only}")
    partial = target.with_name(name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    for attempt in sorted((folder / "trials").glob("*/attempt-*")):
        label = attempt.parent.name.rpartition("-")[0]
        if not (attempt / "result.json").is_file() or (only is not None and not matches(label, only)):
            continue
        copied = partial / "trials" / attempt.parent.name / attempt.name
        copied.mkdir(parents=True)
        for file in KEPT:
            if (attempt / file).is_file():
                shutil.copyfile(attempt / file, copied / file)
    content = {
        "name": name,
        "suite": folder.resolve().name,
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_of(measurements),
        "attempts": len(measurements),
    }
    write_json(partial / SUITE_FILE, content)
    aside = _aside(target)
    if target.exists():
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)  # whoever reads now, or after a kill, finds it there
    partial.rename(target)
    shutil.rmtree(aside, ignore_errors=True)
    return Baseline(folder=target, **content)


def machine_of(measurements: tuple[Measurement, ...]) -> dict[str, Any]:
    """Fingerprint of this machine if it is the one that took them, as far as their records can tell."""
    here = of_machine()
    models = {of_measurement(one).get("model") for one in measurements} - {None}
    known = {here["model"], *here["gpus"]}
    known |= {f"{number} x {model}" for model in here["gpus"] for number in range(2, len(here["gpus"]) + 1)}
    return here if models and models <= known else {}


def saved(results: Path) -> list[Baseline]:
    """All baselines, by name."""
    folder = results / FOLDER
    if not folder.is_dir():
        return []
    names = {path.name.removesuffix(_ASIDE) for path in folder.iterdir()}
    return [found for name in sorted(names) if (found := _read(folder / name)) is not None]


def folder_of(results: Path, name: str) -> Path:
    """Where a baseline lies.

    Raises:
        InputError: There is none of this name.
    """
    return find(results, name).folder


def find(results: Path, name: str) -> Baseline:
    """A baseline by its name.

    Raises:
        InputError: There is none.
    """
    found = _read(_checked(results, name))
    if found is None:
        known = [one.name for one in saved(results)]
        hint = did_you_mean(name, known) or (
            f"There are {', '.join(known)}."
            if known
            else f"Save one with `{command()} baseline save NAME SUITE`."
        )
        raise InputError(f"there is no baseline {name} in {results / FOLDER}", hint)
    return found


def refusal(baseline: Baseline) -> str:
    """Why times measured on this machine are not compared with a baseline's; empty if they are."""
    return difference(baseline.machine, of_machine())


def _read(folder: Path) -> Baseline | None:
    if folder.name.endswith(_PARTIAL):
        return None
    place = folder if folder.is_dir() else _aside(folder)  # the other one while that is replaced
    try:
        content = json.loads((place / SUITE_FILE).read_text())
        return Baseline(
            name=folder.name,
            folder=place,
            suite=str(content["suite"]),
            saved_at=str(content["saved_at"]),
            machine=dict(content["machine"]),
            attempts=int(content["attempts"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _aside(folder: Path) -> Path:
    """Where a baseline lies while another one takes its place."""
    return folder.with_name(folder.name + _ASIDE)


def _checked(results: Path, name: str) -> Path:
    if not _NAME.fullmatch(name) or name.endswith((_PARTIAL, _ASIDE)):
        raise InputError(
            f"a baseline cannot be called {name!r}", "Its name has letters, digits, dots, + and -."
        )
    return results / FOLDER / name
