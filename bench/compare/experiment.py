"""Measurements from an MLflow experiment: the journals lie beside every run."""

import re
from pathlib import Path

from bench.compare.measurement import Measurement
from bench.compare.reading import MLFLOW, Side, in_order, measured
from bench.errors import InputError, ResultsError
from bench.journal.results import Attempt
from bench.tracking.content import ATTEMPT_TAG
from bench.tracking.store import apply_settings, own_store, without_password
from wbc.errors import did_you_mean

NEEDED = ("result.json",)
FILES = (*NEEDED, "events.jsonl", "runner.jsonl", "predictions.csv")
"""Files of an attempt that a comparison reads."""

RESULTS_TAG = "leukobench.results"
A_CALL = 500


def read_experiment(where: str, results: Path) -> Side:
    """Read an experiment through the tracking client.

    What is fetched is kept under `<results>/cache/mlflow/`: runs that are complete do not change.

    Args:
        where: `mlflow:NAME`.
        results: The results folder, whose store is meant where MLFLOW_TRACKING_URI says nothing else.

    Raises:
        InputError: There is no such experiment, or nothing in it that can be compared.
        ResultsError: The store cannot be reached.
    """
    name = where.removeprefix(MLFLOW)
    uri = apply_settings(results)
    store = own_store(results, uri)
    if store is not None and not store.exists():  # to ask would make one
        raise InputError(
            f"{results} has no MLflow store", "Give --results the folder of the run, or MLFLOW_TRACKING_URI."
        )
    from mlflow import MlflowClient

    try:
        return Side(where, in_order(_measurements(MlflowClient(tracking_uri=uri), name, results), where))
    except (InputError, ResultsError):
        raise
    except Exception as error:  # what MLflow raises, and what its database does underneath
        reason = without_password(" ".join(str(error).split()))[:300]
        raise ResultsError(f"MLflow at {without_password(uri)} cannot be read: {reason}") from None


def _measurements(client, name: str, results: Path) -> list[Measurement]:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        known = [one.name for one in client.search_experiments(max_results=A_CALL)]
        hint = did_you_mean(name, known) or f"There are {', '.join(sorted(known)) or 'none'}."
        raise InputError(f"MLflow has no experiment {name!r}", hint)
    cache = results / "cache" / "mlflow" / _safe(experiment.experiment_id)
    attempts, token = [], None
    while True:
        runs = client.search_runs([experiment.experiment_id], max_results=A_CALL, page_token=token)
        attempts += [attempt for run in runs if (attempt := _fetch(client, run, cache))]
        token = runs.token
        if not token:
            return measured(attempts)


def _fetch(client, run, cache: Path) -> Attempt | None:
    """An attempt's folder with the files that a comparison reads; None for runs that are no attempts."""
    tag = run.data.tags.get(ATTEMPT_TAG, "")
    trial_id, _, number = tag.rpartition("/")
    if not trial_id or not number.isdecimal():
        return None
    # One experiment may hold the runs of several results folders.
    folder = cache / _safe(run.data.tags.get(RESULTS_TAG, "one")) / _safe(trial_id) / f"attempt-{number}"
    attempt = Attempt(folder)
    if attempt.record_json() is not None:
        return attempt
    there = {file.path for file in client.list_artifacts(run.info.run_id)}
    if not there.issuperset(NEEDED):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for file in reversed(FILES):  # the record last: where it is, all is
        if file in there:
            client.download_artifacts(run.info.run_id, file, str(folder))
    return attempt


def _safe(name: str) -> str:
    """A name from elsewhere as the name of one folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"
