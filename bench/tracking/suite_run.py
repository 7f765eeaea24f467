"""The run of a suite in MLflow: the parent of the runs of its attempts, one for each results folder."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from bench.journal.events import every, last
from bench.journal.results import SuiteResults
from bench.journal.runs import RunEnded, RunEvent, RunStarted, run_events, state_of_runs
from bench.tracking.saved_view import save_view
from bench.tracking.tags_and_params import LONGEST_TAG, RESULTS_TAG, STATES, milliseconds

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUITE_RUN_TAG = "leukobench.suite_run"
"""The results folder, on the suite's own run only: this tag finds the run again."""

REPORT_TAG = "leukobench.report"
"""When the report that was last uploaded was written."""


class SuiteRun:
    """The run of a suite and a results folder, used again whenever the suite is resumed.

    Args:
        client: MLflow's client.
        experiment_id: The suite's experiment.
        results: The suite's results.
        results_id: See `bench.tracking.store.results_identity`.
    """

    def __init__(self, client: "MlflowClient", experiment_id: str, results: SuiteResults, results_id: str):
        self.client, self.experiment_id = client, experiment_id
        self.results, self.results_id = results, results_id
        self.run_id = ""
        self._tags: dict[str, str] = {}
        self._state: tuple[str, int | None] = ("", None)
        self._began = 0

    def open(self) -> None:
        """Find the run or make it, and set its state: a harness that was killed left it running."""
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.`{SUITE_RUN_TAG}` = '{self.results_id}'",
            max_results=10,
            order_by=["attributes.start_time ASC"],
        )
        for twin in found[1:]:  # asked twice for one run: the answer to the first request was lost
            self.client.delete_run(twin.info.run_id)
        events = run_events(self.results)
        if found:
            run = found[0]
        else:
            tags = {SUITE_RUN_TAG: self.results_id, **tags_of_suite(self.results.suite, events)}
            run = self.client.create_run(self.experiment_id, start_time=_began(events), tags=tags)
        self.run_id, self._tags = run.info.run_id, dict(run.data.tags)
        self._state, self._began = (run.info.status, run.info.end_time), run.info.start_time or 0
        save_view(self.client, self.experiment_id)
        self._set_state(events, None)

    def tags_of_children(self) -> dict[str, str]:
        """Tags that make a run a child of this one."""
        return {"mlflow.parentRunId": self.run_id, RESULTS_TAG: self.results_id}

    def update(self) -> None:
        """Set its state and its summary, and send a new report."""
        from mlflow.entities import RunTag

        events = run_events(self.results)
        counts = latest_statuses(self.results)
        tags = {"mlflow.note.content": note_of_suite(events, counts)}
        tags |= {f"leukobench.trials.{status}": str(count) for status, count in counts.items()}
        report = self.results.report / "report.html"
        if report.is_file() and (written := str(report.stat().st_mtime_ns)) != self._tags.get(REPORT_TAG):
            self.client.log_artifact(self.run_id, str(report))
            tags[REPORT_TAG] = written
        if changed := {name: text for name, text in tags.items() if self._tags.get(name) != text}:
            self.client.log_batch(self.run_id, tags=[RunTag(*tag) for tag in changed.items()])
            self._tags |= changed
        self._set_state(events, counts)

    def _set_state(self, events: Sequence[RunEvent], counts: Counter[str] | None) -> None:
        state = state_of_runs(self.results) or state_of_trials(counts or latest_statuses(self.results))
        status, ended = STATES[state], ended_of(events)
        if ended is not None:
            ended = max(ended, self._began)  # the wall clock may have gone back since the first run
        if status == self._state[0] and ended in (None, self._state[1]):
            return
        if state == "running":
            self.client.update_run(self.run_id, status=status)
        else:
            ended = ended or max(int(datetime.now().timestamp() * 1000), self._began)
            self.client.set_terminated(self.run_id, status, end_time=ended)
        self._state = (status, ended)


def tags_of_suite(suite: str, events: Sequence[RunEvent]) -> dict[str, str]:
    """Tags of a suite's own run, from the journal of its runs."""
    started = last(events, RunStarted) or RunStarted(t=0)
    tags = {
        "mlflow.runName": suite,
        "mlflow.source.name": "leukobench",
        "mlflow.source.type": "LOCAL",
        "leukobench.suite": suite,
        "host": started.host,
        "mlflow.source.git.commit": started.commit,
    }
    return {name: value for name, value in tags.items() if value}


def note_of_suite(events: Sequence[RunEvent], counts: Counter[str]) -> str:
    """What the suite is, and the status of its trials."""
    started = last(events, RunStarted)
    described = started.description if started else ""
    trials = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none yet"
    return "\n\n".join(filter(None, [described, f"Trials: {trials}"]))[:LONGEST_TAG]


def latest_statuses(results: SuiteResults) -> Counter[str]:
    """Status -> number of trials that have it, see `bench.journal.results.latest_of`."""
    latest = (results.latest(trial_id) for trial_id in results.trial_ids())
    return Counter(found[1].status for found in latest if found is not None)


def state_of_trials(counts: Counter[str]) -> str:
    """The state of a suite whose runs were not noted."""
    return next((status for status in ("interrupted", "failed") if counts[status]), "done")


def _began(events: Sequence[RunEvent]) -> int | None:
    started = every(events, RunStarted)
    return milliseconds(started[0].at) if started else None


def ended_of(events: Sequence[RunEvent]) -> int | None:
    """The end of the last run, ms since 1970; None while it runs, and where it was killed.

    It is the wall time of the run's start and the monotonic time since then: a wall clock that is set back
    while the suite runs makes no run end before it began.
    """
    if not events or not isinstance(events[-1], RunEnded):
        return None
    started = last(events, RunStarted)
    if started is None or started.at is None or events[-1].t < started.t:
        return milliseconds(events[-1].at)
    return milliseconds(started.at) + (events[-1].t - started.t) // 1_000_000
