"""The view in which MLflow opens an experiment: which columns the list of runs has, and in which order.

MLflow keeps a view that somebody shares as a tag of the experiment; an address with its key opens it.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bench.trials.layout import STORE

if TYPE_CHECKING:
    from mlflow import MlflowClient

_KEY = "leukobench"
_TAG = f"mlflow.sharedViewState.{_KEY}"

METRICS = ("test/balanced_accuracy", "test/loss", "time/time_to_result_wall_s")
"""Metrics in columns of the list; the first one orders the runs."""

_EXPERIMENTS = (
    "select name, experiment_id from experiments where lifecycle_stage = 'active' "
    "order by last_update_time desc"
)


def save_view(client: "MlflowClient", experiment_id: str) -> None:
    """Save the view in an experiment: all trials, the most accurate first."""
    columns = [*(f"metrics.`{name}`" for name in METRICS), "tags.`device`"]
    view = json.dumps({"selectedColumns": columns, "orderByKey": columns[0], "orderByAsc": False})
    if client.get_experiment(experiment_id).tags.get(_TAG) != view:
        client.set_experiment_tag(experiment_id, _TAG, view)


def saved_views(results: Path, server: str) -> dict[str, str]:
    """The address of each suite's view, the suite that was changed last first.

    Args:
        results: The results folder; its store is there.
        server: Address of MLflow's server on that store.
    """
    store = (results / STORE).resolve()
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(_EXPERIMENTS).fetchall()
    return {
        str(name): f"{server}/#/experiments/{number}/runs?viewStateShareKey={_KEY}"
        for name, number in found
        if name != "Default"
    }
