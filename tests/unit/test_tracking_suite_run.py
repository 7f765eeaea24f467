"""The run of a suite in MLflow, with a client that remembers."""

from collections import Counter
from datetime import datetime
from types import SimpleNamespace

import pytest

from bench.journal.results import SuiteResults
from bench.journal.runs import RunEnded, RunStarted
from bench.tracking import suite_run
from bench.tracking.suite_run import SUITE_RUN_TAG, SuiteRun, note_of_suite, state_of_trials, tags_of_suite

STARTED = RunStarted(
    t=0, at="2026-01-01T00:00:00+00:00", description="Of cells.", host="host-1", commit="abc", driver="1"
)
BEGAN = 1_767_225_600_000
"""The same in ms since 1970."""


def a_run(run_id: str, status: str = "RUNNING", end: int | None = None, **tags: str):
    info = SimpleNamespace(run_id=run_id, status=status, end_time=end, start_time=BEGAN)
    return SimpleNamespace(info=info, data=SimpleNamespace(tags=tags))


class Client:
    """MLflow's, as far as it is used here."""

    def __init__(self, *runs):
        self.runs, self.told = list(runs), []

    def search_runs(self, experiments, condition, max_results, order_by):
        assert (experiments, order_by) == (["7"], ["attributes.start_time ASC"]) and max_results == 10
        assert condition == f"tags.`{SUITE_RUN_TAG}` = 'folder-1'"
        return self.runs

    def create_run(self, experiment, start_time, tags):
        self.told.append(("create", experiment, start_time, tags))
        return a_run("made", **tags)

    def __getattr__(self, name):
        return lambda *given, **more: self.told.append((name, *given, *more.items()))


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A suite's run that is opened beside runs of the suite in a state."""
    monkeypatch.setattr(
        suite_run, "save_view", lambda client, experiment: client.told.append(("view", experiment))
    )
    results = SuiteResults(tmp_path, "suite")

    def open_it(*runs, events=(STARTED,), state="running", counts=None):
        monkeypatch.setattr(suite_run, "run_events", lambda results: list(events))
        monkeypatch.setattr(suite_run, "state_of_runs", lambda results: state)
        monkeypatch.setattr(suite_run, "latest_statuses", lambda results: Counter(counts or {}))
        client = Client(*runs)
        made = SuiteRun(client, "7", results, "folder-1")
        made.open()
        return made, client

    return open_it


def test_a_run_is_made_with_what_its_journal_says(opened):
    made, client = opened()
    tags = {
        **{SUITE_RUN_TAG: "folder-1", "mlflow.runName": "suite", "mlflow.source.name": "leukobench"},
        **{"mlflow.source.type": "LOCAL", "leukobench.suite": "suite", "host": "host-1"},
        "mlflow.source.git.commit": "abc",
    }
    assert client.told == [("create", "7", BEGAN, tags), ("view", "7")], "it runs already"
    assert made.tags_of_children() == {"mlflow.parentRunId": "made", "leukobench.results": "folder-1"}
    assert tags_of_suite("suite", []).keys() == tags.keys() - {
        SUITE_RUN_TAG,
        "host",
        "mlflow.source.git.commit",
    }


def test_a_run_that_is_there_is_used_again_and_its_twins_go(opened):
    made, client = opened(a_run("first", status="KILLED", end=5), a_run("second"), a_run("third"))
    assert made.run_id == "first"
    assert client.told == [
        *(("delete_run", "second"), ("delete_run", "third"), ("view", "7")),
        ("update_run", "first", ("status", "RUNNING")),
    ]


@pytest.mark.parametrize(
    ("state", "counts", "status"),
    [
        ("done", {}, "FINISHED"),
        ("failed", {}, "FAILED"),
        ("interrupted", {}, "KILLED"),
        ("", {"done": 2, "failed": 1}, "FAILED"),
        ("", {"failed": 1, "interrupted": 1}, "KILLED"),
        ("", {"done": 2}, "FINISHED"),
    ],
)
def test_the_state_is_that_of_the_last_run_or_of_the_trials(opened, state, counts, status):
    ended = RunEnded(t=7_000_000_000, at="2026-01-01T09:00:00+00:00", state="done")
    _, client = opened(a_run("first"), events=(STARTED, ended), state=state, counts=counts)
    assert client.told[-1] == ("set_terminated", "first", status, ("end_time", BEGAN + 7000))
    assert state_of_trials(Counter(counts)) in ("done", "failed", "interrupted")


def test_no_run_ends_before_it_began_and_none_is_told_twice(opened, monkeypatch):
    early = RunEnded(t=0, at="2025-01-01T00:00:00+00:00", state="done")
    _, client = opened(a_run("first"), events=(early,), state="done")
    assert client.told[-1][-1] == ("end_time", BEGAN)
    ended = RunEnded(t=7_000_000_000, at="x", state="done")
    assert suite_run.ended_of((RunStarted(t=0), early)) == 1_735_689_600_000, (
        "of a run that does not say when it began"
    )
    for end in (BEGAN + 7000, BEGAN + 8000):
        _, client = opened(a_run("first", "FINISHED", end), events=(STARTED, ended), state="done")
        assert len(client.told) == (1 if end == BEGAN + 7000 else 2)
    for ms in (250, -250):
        now = datetime.fromtimestamp((BEGAN + ms) / 1000)
        monkeypatch.setattr(suite_run, "datetime", SimpleNamespace(now=lambda now=now: now))
        _, client = opened(a_run("first"), events=(STARTED,), state="interrupted")
        told = ("set_terminated", "first", "KILLED", ("end_time", BEGAN + max(ms, 0)))
        assert client.told[-1] == told, "nobody knows when it was killed"


def test_the_end_of_a_run_that_was_killed_is_set_once(opened):
    _, client = opened(a_run("first", "KILLED", BEGAN + 5), events=(STARTED,), state="interrupted")
    assert client.told == [("view", "7")]


def test_what_changed_is_sent_and_a_report_once(opened, tmp_path):
    made, client = opened(a_run("first"), counts={"done": 2, "failed": 1})
    report = tmp_path / "suite" / "report" / "report.html"
    made.results.report.mkdir(parents=True)
    assert made.results.report / "report.html" == report
    client.told.clear()
    made.update()
    ((name, run_id, (_, tags)),) = client.told
    assert (name, run_id) == ("log_batch", "first")
    assert {tag.key: tag.value for tag in tags} == {
        "mlflow.note.content": "Of cells.\n\nTrials: 2 done, 1 failed",
        "leukobench.trials.done": "2",
        "leukobench.trials.failed": "1",
    }
    report.write_text("x")
    for sent in (True, False):
        client.told.clear()
        made.update()
        assert [told[0] for told in client.told] == (["log_artifact", "log_batch"] if sent else [])
        assert not sent or client.told[0][1:] == ("first", str(report))


def test_a_note_says_what_the_suite_is_and_how_far():
    assert note_of_suite([], Counter()) == "Trials: none yet"
    assert note_of_suite([STARTED], Counter(done=1)) == "Of cells.\n\nTrials: 1 done"
    assert note_of_suite([], Counter(failed=1, done=2)) == "Trials: 2 done, 1 failed"
    long = RunStarted(t=0, description="x" * 6000)
    assert note_of_suite([long], Counter()) == "x" * 5000
