"""Send records to MLflow; sending them again changes nothing."""

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.errors import DamagedAttempt
from bench.journal.history import history
from bench.journal.results import Attempt, SuiteResults
from bench.tracking import store
from bench.tracking.artifacts import staged
from bench.tracking.markers import digest_of, is_sent, mark_sent
from bench.tracking.points import Point, points_of, series_of
from bench.tracking.store import SyncLock, apply_settings
from bench.tracking.suite_run import SuiteRun
from bench.tracking.tags_and_params import (
    ATTEMPT_TAG,
    DIGEST_TAG,
    RESULTS_TAG,
    STATES,
    dataset_of,
    params_of,
    span_of,
    tags_of,
)
from bench.trials.layout import ARTIFACTS
from bench.trials.record import Record
from bench.worker.jsonl import read_lines

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Item = TypeVar("Item")

ITEMS_A_CALL = 1000
"""What MLflow accepts in one call, of metrics, params and tags together."""

PARAMS_A_CALL = 100

COMPLETE_TAG = "leukobench.complete"
"""Tag of a run to which everything has been sent."""

FEW = 20
"""Runs that are searched for one by one; for more, all are listed once."""


@dataclass(frozen=True)
class _Content:
    """What the run of an attempt holds besides its artifacts; made before anything is sent."""

    digest: str
    span: tuple[int, int]
    tags: dict[str, str]
    params: dict[str, str]
    points: list[Point]
    dataset: dict[str, str] | None


class Projection:
    """One suite's experiment in MLflow.

    It loads MLflow, which takes seconds: make one when the first record exists, not before.

    Raises:
        Exception: Whatever MLflow raises when its store cannot be reached. The journal has everything, so
            the caller says so once and continues.
    """

    store: str
    """What tells this experiment from others, see `bench.tracking.store.identity`."""
    experiment_id: str
    client: "MlflowClient"

    def __init__(self, results: SuiteResults):
        uri = apply_settings(results.results)
        # The migrations of a fresh store are not for the person at the terminal.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow import MlflowClient

        self.suite = results.suite
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        own = store.own_store(results.results, uri)
        self._lock = SyncLock(results.results)
        self._known: dict[str, tuple[str, bool]] | None = None
        self._searched = 0
        with self._lock.held():
            self._results_id = store.results_identity(results.results)
            try:
                self._open(MlflowClient, results, uri, own)
            except Exception as error:
                if own is None or not store.set_aside(own, error):
                    raise
                self._open(MlflowClient, results, uri, own)
            self._suite_run = SuiteRun(self.client, self.experiment_id, results, self._results_id)
            self._suite_run.open()
            self._reconcile(results)

    def send(self, attempt: Attempt, again: bool = False) -> bool:
        """Make the run of an attempt complete, if it isn't.

        Args:
            attempt: An attempt that is over.
            again: Ask the store, even where the attempt is marked as sent to it.

        Returns:
            Whether there was anything to do.

        Raises:
            DamagedAttempt: Its record or its journals are damaged; other attempts can still be sent.
        """
        record = attempt.record()
        if record is None:
            why = f"damaged: {damage}" if (damage := attempt.damage()) else "missing"
            raise DamagedAttempt(f"the record of {attempt.folder} is {why}; a run makes it again")
        try:
            content = self._content(attempt, record)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise DamagedAttempt(
                f"{attempt.folder} has a damaged record or journal ({type(error).__name__}: {error}); "
                "remove its result.json, and a run makes it again"
            ) from None
        # One attempt at a time: a run, or another `sync`, need not wait for the whole of a long list.
        with self._lock.held() as foreign:
            if foreign:
                self._known = None
            if not again and is_sent(attempt, self.store):
                return False
            sent = self._send(attempt, record, content)
            mark_sent(attempt, self.store)
        return sent

    def settle(self) -> None:
        """Bring the suite's own run up to date: its state, its summary, its report."""
        with self._lock.held():
            self._suite_run.update()

    def _content(self, attempt: Attempt, record: Record) -> "_Content":
        stretches, digest = history(attempt), digest_of(attempt)
        tags = tags_of(record, self.suite) | self._suite_run.tags_of_children()
        return _Content(
            digest=digest,
            span=span_of(stretches),
            tags={**tags, DIGEST_TAG: digest},
            params=params_of(record),
            points=points_of(record, stretches, series_of(read_lines(attempt.telemetry))),
            dataset=dataset_of(record),
        )

    def _send(self, attempt: Attempt, record: Record, content: "_Content") -> bool:
        from mlflow.entities import Metric, Param, RunTag

        run_id, complete = self._find(content.digest) or ("", False)
        if complete:
            return False
        if not run_id and self._sent_otherwise(attempt):
            raise DamagedAttempt(
                f"the journals of {attempt.folder} are not those that were sent to MLflow: they changed since. "
                "Its run stays as it was."
            )
        if not run_id:
            began = content.span[0]
            run = self.client.create_run(self.experiment_id, start_time=began, tags=content.tags)
            run_id = run.info.run_id
            if self._known is not None:
                self._known[content.digest] = (run_id, False)
        params = [Param(key, text) for key, text in content.params.items()]
        for few in _chunks(params, PARAMS_A_CALL):
            self.client.log_batch(run_id, params=few)
        for some in _chunks(content.points, ITEMS_A_CALL):
            self.client.log_batch(run_id, metrics=[Metric(*point) for point in some])
        if content.dataset:
            self._log_dataset(run_id, content.dataset)
        with staged(attempt, record) as folder:
            self.client.log_artifacts(run_id, str(folder))
        self.client.log_batch(run_id, tags=[RunTag(COMPLETE_TAG, "true")])
        self.client.set_terminated(run_id, STATES[record.status], end_time=content.span[1])
        if self._known is not None:
            self._known[content.digest] = (run_id, True)
        return True

    def _log_dataset(self, run_id: str, dataset: dict[str, str]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        context = InputTag("mlflow.data.context", "training and evaluation")
        self.client.log_inputs(run_id, [DatasetInput(Dataset(**dataset), [context])])

    def _open(self, client: type["MlflowClient"], results: SuiteResults, uri: str, own: Path | None) -> None:
        store.check_version(uri)
        if own is not None:
            store.ensure(own)
            store.settle_in(own, results.results)
        else:
            store.check_reachable(uri)
        self.client = client(tracking_uri=uri)
        experiment = self.client.get_experiment_by_name(self.suite)
        if experiment is None:
            self.store = uuid.uuid4().hex
            folder = results.results / ARTIFACTS / self.suite
            location = folder.resolve().as_uri() if store.is_local(uri) else None
            self.experiment_id = self.client.create_experiment(
                self.suite,
                artifact_location=location,
                tags={"mlflow.experimentKind": "custom_model_development", store.STORE_TAG: self.store},
            )
            self._known = {}
            return
        self.experiment_id = experiment.experiment_id
        if experiment.lifecycle_stage == "deleted":  # its user wants to see it again
            self.client.restore_experiment(self.experiment_id)
        self.store = experiment.tags.get(store.STORE_TAG, "")
        if not self.store:
            self.store = uuid.uuid4().hex
            self.client.set_experiment_tag(self.experiment_id, store.STORE_TAG, self.store)

    def _reconcile(self, results: SuiteResults) -> None:
        """End runs that a killed process left running; those with a record will be completed."""
        mine = f"tags.`{RESULTS_TAG}` = '{self._results_id}' and attributes.status = 'RUNNING'"
        for run in self._search(mine):
            name = run.data.tags.get(ATTEMPT_TAG)
            if name is None:
                continue  # the suite's own run
            trial_id, _, number = name.rpartition("/")
            attempt = results.attempt(trial_id, int(number))
            if not attempt.result.exists():
                self.client.set_terminated(run.info.run_id, "KILLED")
            elif is_sent(attempt, self.store) and run.data.tags.get(DIGEST_TAG) == digest_of(attempt):
                # Asked twice for one run: the answer to the first request was lost.
                self.client.delete_run(run.info.run_id)

    def _sent_otherwise(self, attempt: Attempt) -> bool:
        """Whether this folder sent the attempt before, with other journals."""
        name = f"{attempt.trial_id}/{attempt.number}"
        mine = f"tags.`{RESULTS_TAG}` = '{self._results_id}' and tags.`{ATTEMPT_TAG}` = '{name}'"
        return any(run.data.tags.get(COMPLETE_TAG) == "true" for run in self._search(mine, deleted=True))

    def _find(self, digest: str) -> tuple[str, bool] | None:
        """The run of an attempt, from whichever copy of its folder it was sent, and whether it is complete."""
        if self._known is None and self._searched < FEW:
            self._searched += 1
            found = self._list(f"tags.`{DIGEST_TAG}` = '{digest}'")
        else:
            if self._known is None:
                self._known = self._list(f"tags.`{DIGEST_TAG}` != ''")
            found = self._known
        return found.get(digest)

    def _list(self, condition: str) -> dict[str, tuple[str, bool]]:
        """Digest of an attempt -> its run, and whether that is complete; of two the complete one, or the first.

        A run that somebody deleted in the browser counts: it is not to come back.
        """
        found: dict[str, tuple[str, bool]] = {}
        for run in self._search(condition, deleted=True):
            digest, complete = run.data.tags[DIGEST_TAG], run.data.tags.get(COMPLETE_TAG) == "true"
            complete &= run.info.status != "RUNNING"  # its last call failed
            if run.info.lifecycle_stage == "deleted" and not complete:
                continue
            if digest not in found or (complete and not found[digest][1]):
                found[digest] = (run.info.run_id, complete)
        return found

    def _search(self, condition: str, deleted: bool = False) -> Iterator["Run"]:
        from mlflow.entities import ViewType

        view, token = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY, None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                condition,
                view,
                max_results=ITEMS_A_CALL,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
