"""Results saved to compare with later: `<results>/baselines/<name>/`."""

import re
import shutil
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.compare.differences import ANYWHERE, Fingerprint
from bench.compare.measurement import Measurement
from bench.compare.reading import (
    BASELINE_FILE,
    SavedBaseline,
    matching,
    read_folder,
    read_saved,
    suite_folder,
)
from bench.errors import InputError, command
from bench.journal.results import SuiteResults
from bench.trials.layout import BASELINES
from bench.worker.files import PARTIAL, write_json
from wbc.errors import did_you_mean
from wbc.files import sync

KEPT = ("trial.json", "result.json", "events.jsonl", "runner.jsonl", "predictions.csv")
"""Files of an attempt that are saved: records, journals and predictions, but no images and no weights."""

_REPLACED = ".replaced"
"""Suffix of a baseline while another one takes its place."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Baseline:
    """A saved result."""

    name: str
    folder: Path
    suite: str
    saved_at: str
    """UTC, ISO 8601."""
    machine: Fingerprint
    """Of the machine that measured it; unknown if another machine saved it."""
    attempts: int
    warnings: tuple[str, ...] = ()
    """What of the results is damaged, or does not belong there; told when they are saved."""


def save(results: Path, name: str, source: Path, replace: bool = False, only: str | None = None) -> Baseline:
    """Save the results of a suite under a name; they appear whole or not at all.

    Args:
        results: The results folder.
        name: Of the baseline.
        source: The folder of the suite.
        replace: Replace a baseline of this name.
        only: Only trials whose name matches this pattern; None: all.

    Raises:
        InputError: The name is no name for a folder or is taken, or there is nothing to save.
    """
    target = _folder(results, name)
    if (target.exists() or _read(target) is not None) and not replace:
        raise InputError(f"there is a baseline {name} already", "Choose another name, or give --replace.")
    if target.exists() and _read(target) is None:
        raise InputError(
            f"{target} is not a saved baseline, so it is not replaced",
            "Choose another name, or move it away.",
        )
    folder = suite_folder(source)
    side = read_folder(folder)
    measurements = matching(side.measurements, only, folder)
    kept = {(one.record.trial.id, one.record.attempt) for one in measurements}
    partial = target.with_name(name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    copies = SuiteResults(partial.parent, partial.name)
    for attempt in SuiteResults(folder.parent, folder.name).all_attempts():
        if (attempt.trial_id, attempt.number) not in kept:
            continue
        copied = copies.attempt(attempt.trial_id, attempt.number).folder
        copied.mkdir(parents=True)
        for file in KEPT:
            if (attempt.folder / file).is_file():
                shutil.copyfile(attempt.folder / file, copied / file)
    note = SavedBaseline(
        name=name,
        suite=folder.resolve().name,
        saved_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_of(measurements),
        attempts=len(measurements),
    )
    write_json(partial / BASELINE_FILE, msgspec.to_builtins(note))
    for path in (*partial.rglob("*"), partial):
        sync(path)
    replaced = target.with_name(name + _REPLACED)
    if target.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        target.rename(replaced)  # who reads it now, or after a kill, finds it there
    partial.rename(target)
    sync(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)
    damaged = [f"{one.damage}. Learning is not compared there." for one in measurements if one.damage]
    return changed(_baseline(name, target, note), warnings=(*side.warnings, *damaged))


def machine_of(measurements: tuple[Measurement, ...]) -> Fingerprint:
    """This machine, if the records tell of no device that it does not have; otherwise unknown."""
    here = Fingerprint.of_machine()
    models = {Fingerprint.of_record(one.record).model for one in measurements} - {None}
    gpus = here.gpus or ()
    known = {here.model, *gpus}
    known |= {f"{number} x {model}" for model in gpus for number in range(2, len(gpus) + 1)}
    return here if models and models <= known else ANYWHERE


def refusal(baseline: Baseline) -> str:
    """Why times measured on this machine are not compared with a baseline's times; empty if they are."""
    return baseline.machine.difference(Fingerprint.of_machine())


def saved(results: Path) -> list[Baseline]:
    """All baselines, by name."""
    folder = results / BASELINES
    if not folder.is_dir():
        return []
    names = {path.name.removesuffix(_REPLACED) for path in folder.iterdir()}
    return [found for name in sorted(names) if (found := _read(folder / name)) is not None]


def unreadable(results: Path) -> str:
    """A sentence where the folder of baselines has what is none, or is damaged; else empty."""
    folder = results / BASELINES
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ()
    found = [
        name for name in names if not name.endswith((PARTIAL, _REPLACED)) and _read(folder / name) is None
    ]
    return (
        f"{', '.join(str(folder / name) for name in found)}: no saved baseline, or its {BASELINE_FILE} is damaged. "
        "Save it again."
        if found
        else ""
    )


def find(results: Path, name: str) -> Baseline:
    """A baseline by its name.

    Raises:
        InputError: There is none.
    """
    place = _folder(results, name)
    found = _read(place)
    if found is None and (place / BASELINE_FILE).exists():
        raise InputError(f"{place / BASELINE_FILE} is damaged", "Save the baseline again, with --replace.")
    if found is None:
        known = [one.name for one in saved(results)]
        hint = did_you_mean(name, known) or (
            f"There are {', '.join(known)}."
            if known
            else f"Save one with `{command()} baseline save NAME SUITE`."
        )
        raise InputError(f"there is no baseline {name} in {results / BASELINES}", hint)
    return found


def _read(folder: Path) -> Baseline | None:
    if folder.name.endswith(PARTIAL):
        return None
    # While another one takes its place, it lies beside.
    place = folder if folder.is_dir() else folder.with_name(folder.name + _REPLACED)
    note = read_saved(place)
    return None if note is None else _baseline(folder.name, place, note)


def _baseline(name: str, folder: Path, note: SavedBaseline) -> Baseline:
    return Baseline(name, folder, note.suite, note.saved_at, note.machine, note.attempts)


def _folder(results: Path, name: str) -> Path:
    if not _NAME.fullmatch(name) or name.endswith((PARTIAL, _REPLACED)):
        raise InputError(
            f"a baseline cannot be called {name!r}", "Use letters, digits, dots, + and - for its name."
        )
    return results / BASELINES / name
