"""Send records to MLflow; sending them again changes nothing."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.journal.history import history
from bench.journal.results import Attempt, SuiteResults
from bench.tracking import store
from bench.tracking.content import ATTEMPT_TAG, STATES, params_of, points_of, span_of, tags_of
from bench.tracking.settings import apply_settings

POINTS_A_CALL = 1000
COMPLETE_TAG = "leukobench.complete"


class Projection:
    """One suite's experiment in MLflow.

    Loads MLflow, which takes seconds: make one when the first record is there, not before.

    Raises:
        Exception: Whatever MLflow raises when its store cannot be reached; the journal has everything, so
            the caller says so once and goes on.
    """

    def __init__(self, results: SuiteResults):
        uri = apply_settings(results.results)
        # Its migrations of a fresh store are not what the person at the terminal wants to read.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow import MlflowClient

        self.suite = results.suite
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        own = store.own_store(results.results, uri)
        with _first_use(results.results):
            try:
                self._open(MlflowClient, results, uri, own)
            except Exception as error:
                if own is None or not store.set_aside(own, error):
                    raise
                self._open(MlflowClient, results, uri, own)
        self.store = store.identity(results.results, uri)

    def _open(self, client, results: SuiteResults, uri: str, own: Path | None) -> None:
        if own is not None:
            store.ensure(own)
        self.client = client(tracking_uri=uri)
        experiment = self.client.get_experiment_by_name(self.suite)
        if experiment is not None:
            self.experiment_id = experiment.experiment_id
            return
        local = uri.startswith("sqlite:")
        location = (results.results / "mlartifacts" / self.suite).resolve().as_uri() if local else None
        self.experiment_id = self.client.create_experiment(
            self.suite,
            artifact_location=location,
            tags={"mlflow.experimentKind": "custom_model_development"},
        )

    def send(self, attempt: Attempt) -> None:
        """Make the run of an attempt complete, if it isn't."""
        from mlflow.entities import Metric, Param

        record = attempt.record()
        assert record is not None, "only attempts that are over are sent"
        stretches = history(attempt)
        began, ended = span_of(stretches)
        run = self._find(f"{attempt.cell_id}/{attempt.number}")
        if run is None:
            run = self.client.create_run(
                self.experiment_id, start_time=began, tags=tags_of(record, self.suite)
            )
        elif run.data.tags.get(COMPLETE_TAG) == "true":
            return
        run_id = run.info.run_id
        self.client.log_batch(run_id, params=[Param(key, text) for key, text in params_of(record).items()])
        for chunk in _chunks(points_of(record, stretches), POINTS_A_CALL):
            self.client.log_batch(run_id, metrics=[Metric(*point) for point in chunk])
        for path in sorted(attempt.folder.iterdir()):
            if path.is_file():
                self.client.log_artifact(run_id, str(path))
        self.client.set_tag(run_id, COMPLETE_TAG, "true")
        self.client.set_terminated(run_id, STATES[record["status"]], end_time=ended)

    def _find(self, attempt: str):
        found = self.client.search_runs(
            [self.experiment_id], filter_string=f"tags.`{ATTEMPT_TAG}` = '{attempt}'", max_results=1
        )
        return found[0] if found else None


@contextmanager
def _first_use(results: Path) -> Iterator[None]:
    """Let one process at a time open the store: two that open a fresh SQLite file at once destroy it."""
    with (results / ".mlflow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _chunks(points: list, size: int):
    for start in range(0, len(points), size):
        yield points[start : start + size]
