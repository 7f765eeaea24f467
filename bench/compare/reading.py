"""Measurements from where they are kept: results folders, saved baselines, MLflow."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.compare.differences import ANYWHERE, Fingerprint
from bench.compare.measurement import Epoch, Measurement
from bench.errors import DamagedAttempt, InputError, ResultsError
from bench.journal.damage import warnings_of
from bench.journal.history import history
from bench.journal.results import Attempt, SuiteResults
from bench.plan.decide import matches
from bench.records.accuracy_time import moments_of
from bench.tracking.store import apply_settings, check_version, own_store, without_password
from bench.tracking.tags_and_params import ATTEMPT_TAG, RESULTS_TAG
from bench.trials.layout import CACHE
from wbc.errors import did_you_mean

BASELINE, MLFLOW = "baseline:", "mlflow:"

BASELINE_FILE = "baseline.json"
"""Beside the trials of a saved baseline."""

NEEDED = ("result.json",)
FILES = (*NEEDED, "events.jsonl", "runner.jsonl", "predictions.csv")
"""Files of an attempt that a comparison reads."""

A_CALL = 500
"""Runs that MLflow is asked for at a time."""


@dataclass(frozen=True)
class Side:
    """All measurements of one side."""

    name: str
    """As the user gave it."""
    measurements: tuple[Measurement, ...]
    """Every attempt that is over, in the order in which they ran."""
    machine: Fingerprint = ANYWHERE
    """Of the machine, where it is noted (saved baselines)."""
    warnings: tuple[str, ...] = ()
    """What is damaged and left out, or does not belong there; a sentence each."""


class SavedBaseline(Struct, frozen=True, kw_only=True):
    """What `baseline.json` says of a saved baseline."""

    name: str
    suite: str
    saved_at: str
    """UTC, ISO 8601."""
    machine: Fingerprint
    """Of the machine that measured it; unknown if another machine saved it."""
    attempts: int


def read_saved(folder: Path) -> SavedBaseline | None:
    """What `baseline.json` in a folder says; None where there is none, or it is damaged."""
    try:
        return msgspec.json.decode((folder / BASELINE_FILE).read_bytes(), type=SavedBaseline)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def suite_folder(folder: Path) -> Path:
    """The folder that has `trials/`: the given one, or the only folder in it that has.

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
        whole = folder.resolve()
        others = [trials.parent.name for trials in whole.parent.glob("*/trials") if trials.parent != whole]
        hint = did_you_mean(folder.name, sorted(others))
        raise InputError(f"{folder} has no trials/: it is not the results of a suite", hint)
    names = ", ".join(map(str, suites))
    raise InputError(f"{folder} has the results of several suites", f"Name one of {names}.")


def read_folder(folder: Path, name: str = "") -> Side:
    """Every attempt of a suite that is over, in the order in which they ran.

    Args:
        folder: The results of the suite.
        name: As the user gave it.

    Raises:
        InputError: There is none that can be read.
    """
    results = SuiteResults(folder.parent, folder.name)
    side = read_attempts(results.all_attempts(), name or str(folder))
    return replace(side, warnings=(*warnings_of(results), *side.warnings))


def read_attempts(attempts: Iterable[Attempt], name: str) -> Side:
    """Those attempts that are over; a damaged one costs itself, and is told.

    Raises:
        InputError: There is none that can be read.
    """
    found, damaged = [], []
    for attempt in attempts:
        try:
            if (measurement := measurement_of(attempt)) is not None:
                found.append(measurement)
        except DamagedAttempt as error:
            damaged.append(
                f"{error}. The attempt is left out; running its suite again makes the record anew."
            )
    if damaged and not found:
        raise InputError(f"{name} has no attempt that can be read: {damaged[0]}")
    return Side(name, in_order(found, name), warnings=tuple(damaged))


def read_experiment(where: str, results: Path) -> Side:
    """Read an experiment through the tracking client.

    Downloaded files stay under `<results>/cache/mlflow/`, because complete runs do not change.

    Args:
        where: `mlflow:NAME`.
        results: The results folder; its store is read unless MLFLOW_TRACKING_URI names another one.

    Raises:
        InputError: There is no such experiment, or nothing in it to compare.
        ResultsError: The store cannot be reached.
    """
    name = where.removeprefix(MLFLOW)
    uri = apply_settings(results)
    store = own_store(results, uri)
    if store is not None and not store.exists():  # a question would create it
        raise InputError(
            f"{results} has no MLflow store",
            "Give --results the folder of the run, or set MLFLOW_TRACKING_URI.",
        )
    check_version(uri)
    from mlflow import MlflowClient

    try:
        return read_attempts(_experiment(MlflowClient(tracking_uri=uri), name, results), where)
    except (InputError, ResultsError):
        raise
    except Exception as error:  # whatever MLflow or its database raises
        reason = without_password(" ".join(str(error).split()))[:300]
        raise ResultsError(f"MLflow at {without_password(uri)} cannot be read: {reason}") from None


def measurement_of(attempt: Attempt) -> Measurement | None:
    """An attempt as a measurement; None while it is not over.

    Raises:
        DamagedAttempt: Its record or its journals are damaged.
        InputError: Its record has another format.
    """
    record = attempt.read_record()
    if record is None:
        return None
    stretches = history(attempt)
    epochs = tuple(Epoch(one.epoch, one.metrics) for stretch in stretches for one in stretch.epochs)
    moments = tuple(moments_of(stretches)) if record.done else ()
    return Measurement(record, attempt.predictions if attempt.predictions.exists() else None, epochs, moments)


def matching(
    measurements: tuple[Measurement, ...], only: str | None, where: object
) -> tuple[Measurement, ...]:
    """Those whose trial matches a pattern by its name; all without a pattern.

    Raises:
        InputError: There are none.
    """
    found = tuple(one for one in measurements if only is None or matches(one.record.trial.label, only))
    if not found:
        first = measurements[0].record.trial.label
        raise InputError(f"no trial of {where} matches --only {only}", f"The first is {first}.")
    return found


def in_order(measurements: Iterable[Measurement], where: object) -> tuple[Measurement, ...]:
    """Sorted by start; attempts at the same trial by number, also where the wall clock went back between them.

    Raises:
        InputError: There are none.
    """
    began: dict[str, str] = {}
    keyed = []
    for one in sorted(measurements, key=lambda one: one.record.attempt):
        trial = one.record.trial.id
        began[trial] = max(began.get(trial, ""), one.record.started_at or "")
        keyed.append((began[trial], one.key, one.record.attempt, one))
    if not keyed:
        raise InputError(f"{where} has no attempt that is over", "Run its suite first.")
    return tuple(one for *_, one in sorted(keyed, key=lambda key: key[:3]))


def _experiment(client: Any, name: str, results: Path) -> list[Attempt]:
    """The attempts of an experiment, downloaded."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        known = [one.name for one in client.search_experiments(max_results=A_CALL)]
        hint = did_you_mean(name, known) or f"There are {', '.join(sorted(known)) or 'none'}."
        raise InputError(f"MLflow has no experiment {name!r}", hint)
    cache = results / CACHE / "mlflow" / _safe(experiment.experiment_id)
    attempts: list[Attempt] = []
    token = None
    while True:
        runs = client.search_runs([experiment.experiment_id], max_results=A_CALL, page_token=token)
        attempts += [attempt for run in runs if (attempt := _download(client, run, cache))]
        token = runs.token
        if not token:
            return attempts


def _download(client: Any, run: Any, cache: Path) -> Attempt | None:
    """The folder of an attempt, with the files that a comparison reads; None for runs of other kinds."""
    trial_id, _, number = run.data.tags.get(ATTEMPT_TAG, "").rpartition("/")
    if not trial_id or not number.isdecimal():
        return None
    # One experiment may hold the runs of several results folders.
    trial = cache / _safe(run.data.tags.get(RESULTS_TAG, "one")) / _safe(trial_id)
    attempt = Attempt.at(trial, int(number))
    if attempt.is_over() and attempt.record() is not None:
        return attempt
    there = {file.path for file in client.list_artifacts(run.info.run_id)}
    if not there.issuperset(NEEDED):
        return None
    attempt.folder.mkdir(parents=True, exist_ok=True)
    for file in reversed(FILES):  # the record last: where it is, everything is
        if file in there:
            client.download_artifacts(run.info.run_id, file, str(attempt.folder))
    return attempt


def _safe(name: str) -> str:
    """A name from elsewhere as the name of one folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"
