"""Attempts in a real store: each once, whatever happened before."""

import json
import logging
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.attempts import write_attempt, write_suite

from bench.errors import DamagedAttempt
from bench.journal.history import history
from bench.journal.results import SuiteResults
from bench.tracking import projection
from bench.tracking.markers import is_sent, unsent
from bench.tracking.points import points_of, series_of
from bench.tracking.projection import Projection, _Content
from bench.tracking.sync import sync
from bench.tracking.tags_and_params import span_of
from bench.worker.jsonl import read_lines


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A results folder with a suite of four trials, one of which crashed, that is synced."""
    folder = tmp_path_factory.mktemp("projection")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_suite(SuiteResults(folder, "suite"), trials=4, epochs=5, samples=50, failing=1)
        (synced,) = sync(folder)
    assert synced.sent == synced.attempts == 4
    return folder


@pytest.fixture
def results(template: Path, tmp_path: Path, monkeypatch) -> SuiteResults:
    """A copy of it, with a store of its own."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return SuiteResults(moved(template, tmp_path / "results"), "suite")


def moved(folder: Path, target: Path) -> Path:
    """A copy that takes itself for the original, as a folder that was moved does."""
    shutil.copytree(folder, target)
    path = target / ".results.id"
    path.write_text(json.dumps({**json.loads(path.read_text()), "inode": target.stat().st_ino}))
    return target


def runs(results: SuiteResults) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{(results.results / 'mlflow.db').resolve()}")
    return client.search_runs([client.get_experiment_by_name("suite").experiment_id])


def children(results: SuiteResults) -> list:
    return [run for run in runs(results) if "leukobench.attempt" in run.data.tags]


def client_of(results: SuiteResults):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{(results.results / 'mlflow.db').resolve()}")


def test_everything_of_an_attempt_is_there(results):
    found = {run.data.tags["leukobench.attempt"]: run for run in children(results)}
    (parent,) = [run for run in runs(results) if "leukobench.attempt" not in run.data.tags]
    assert parent.info.status == "FAILED"
    assert "1 failed" in parent.data.tags["mlflow.note.content"]
    client = client_of(results)
    for attempt in results.all_attempts():
        run, record = found[f"{attempt.trial_id}/{attempt.number}"], attempt.record()
        expected = points_of(record, history(attempt), series_of(read_lines(attempt.telemetry)))
        stored = [
            (metric.key, metric.value, metric.timestamp, metric.step)
            for key in run.data.metrics
            for metric in client.get_metric_history(run.info.run_id, key)
        ]
        assert sorted(stored) == sorted(expected), "to the bit"
        assert {"system/gpu_0_power_w", "system/gpu_0_power_w_max"} <= set(run.data.metrics)
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert (run.info.start_time, run.info.end_time) == span_of(history(attempt))
        assert run.info.end_time > run.info.start_time
        assert (tags["device.uuid"], tags["host"], tags["version.driver"]) == (
            "GPU-1",
            "laboratory",
            "550.54.14",
        )
        assert (tags["version.cuda"], tags["mlflow.source.git.commit"]) == ("12.5", "c0ffee")
        assert run.data.params["optimizer.learning_rate"].startswith(("0.00", "0.000"))
        names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {"events.jsonl", "runner.jsonl", "telemetry.jsonl", "worker.log", "figures.html"} <= names
        if record.done:
            assert {"predictions.csv", "confusion_matrix.csv", "classification_report.csv"} <= names
        else:
            assert (run.info.status, tags["failure.kind"]) == ("FAILED", "crashed")


def test_the_migrations_of_a_store_are_not_told(results):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.INFO)
    Projection(results)
    assert [logging.getLogger(name).level for name in ("mlflow", "alembic")] == [logging.ERROR] * 2


def test_twice_changes_nothing(results):
    before = (results.results / "mlflow.db").read_bytes()
    files = sorted((results.results / "mlartifacts").rglob("*"))
    times = [path.stat().st_mtime_ns for path in files]
    for again in (False, True):
        asked: list[int] = []
        (synced,) = sync(
            results.results, "suite", again=again, progress=lambda _, *at, to=asked: to.extend(at)
        )
        assert (synced.sent, asked) == (0, [1, 4, 2, 4, 3, 4, 4, 4] if again else [])
    assert len(children(results)) == 4
    assert sorted((results.results / "mlartifacts").rglob("*")) == files
    assert [path.stat().st_mtime_ns for path in files] == times
    assert len(before) == len((results.results / "mlflow.db").read_bytes())


def test_marks_that_were_lost_send_nothing_twice(results):
    for mark in results.trials.glob("*/.*.sent"):
        mark.unlink()
    (synced,) = sync(results.results)
    assert (synced.sent, len(children(results))) == (0, 4)
    assert unsent(results, Projection(results).store) == []


@pytest.mark.parametrize("few", [0, 20])
def test_a_run_that_was_cut_off_is_completed_and_its_twin_goes(results, monkeypatch, few):
    """As SIGKILL leaves it: running, with a part of its figures; and asked for twice."""
    monkeypatch.setattr("bench.tracking.projection.FEW", few)
    client, run = client_of(results), children(results)[0]
    client.set_tag(run.info.run_id, "leukobench.complete", "false")
    client.update_run(run.info.run_id, status="RUNNING")
    own = [
        tag for tag in run.data.tags.items() if tag[0].startswith("leukobench.") and "complete" not in tag[0]
    ]
    client.create_run(run.info.experiment_id, tags=dict(own))
    trial_id, _, number = run.data.tags["leukobench.attempt"].partition("/")
    (results.trials / trial_id / f".attempt-{number}.sent").unlink()
    (synced,) = sync(results.results)
    assert synced.sent == 1
    sync(results.results)
    assert len(children(results)) == 4
    assert {run.info.status for run in runs(results)} == {"FINISHED", "FAILED"}


def test_a_run_whose_attempt_is_gone_does_not_run_for_ever(results):
    client, run = client_of(results), children(results)[0]
    client.update_run(run.info.run_id, status="RUNNING")
    shutil.rmtree(results.trials / run.data.tags["leukobench.trial"])
    sync(results.results)
    assert client.get_run(run.info.run_id).info.status == "KILLED"


def test_a_store_that_was_deleted_or_an_experiment_in_it_gets_everything_anew(results):
    (results.results / "mlflow.db").unlink()
    assert sync(results.results)[0].sent == 4
    assert len(children(results)) == 4


def test_what_somebody_deleted_in_the_browser_stays_deleted(results):
    client, run = client_of(results), children(results)[0]
    client.delete_run(run.info.run_id)
    assert sync(results.results, again=True)[0].sent == 0
    assert len(children(results)) == 3
    client.delete_experiment(run.info.experiment_id)
    assert sync(results.results)[0].sent == 0
    assert len(children(results)) == 4, "the experiment is back whole: so MLflow restores it"


def test_two_results_folders_with_the_same_trials_are_told_apart(results, tmp_path, monkeypatch):
    """As two machines with one server have them."""
    other = SuiteResults(tmp_path / "other", "suite")
    write_suite(other, trials=4, epochs=5, failing=1, machine="another")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(results.results / 'mlflow.db').resolve()}")
    assert sync(other.results)[0].sent == 4
    assert len(children(results)) == 8
    assert len({run.data.tags["mlflow.parentRunId"] for run in children(results)}) == 2


def test_both_copies_of_a_results_folder_send_what_they_run(results, tmp_path, monkeypatch):
    """A folder that is copied and used in both places, with one store: attempts have equal numbers."""
    said: list[str] = []
    copy = SuiteResults(tmp_path / "copy", "suite")
    shutil.copytree(results.results, copy.results)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(results.results / 'mlflow.db').resolve()}")
    assert sync(copy.results, say=said.append)[0].sent == 0, "what was sent before is the same attempt"
    assert len(said) == 1 and "is a copy of another results folder" in said[0]
    trial = results.all_attempts()[0].trial()
    for one, machine in ((results, "here"), (copy, "there")):
        write_attempt(one, trial, 5, machine=machine)
    assert [sync(one.results)[0].sent for one in (results, copy)] == [1, 1]
    assert len(children(results)) == 6
    assert [sync(one.results, again=True)[0].sent for one in (results, copy)] == [0, 0]
    own = [run for run in children(results) if run.data.tags["leukobench.attempt"].endswith("/2")]
    assert len({run.data.tags["mlflow.parentRunId"] for run in own}) == 2


def test_a_marker_holds_for_the_record_it_was_set_for(results):
    attempt = results.all_attempts()[0]
    assert is_sent(attempt, None)
    attempt.result.write_bytes(attempt.result.read_bytes() + b" ")
    assert not is_sent(attempt, None)


def test_a_store_that_was_moved_writes_beside_itself(results, tmp_path):
    (tmp_path / "old").mkdir()
    here = SuiteResults(tmp_path / "old" / "results", "suite")
    shutil.move(results.results, here.results)
    write_attempt(here, here.all_attempts()[0].trial(), 5)
    assert sync(here.results)[0].sent == 1
    assert not results.results.exists(), "nothing is written where the folder was"
    client = client_of(here)
    for run in children(here):
        assert run.info.artifact_uri.startswith((here.results / "mlartifacts").resolve().as_uri())
        assert "events.jsonl" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


def test_a_run_whose_end_failed_is_sent_again(results):
    run = next(run for run in children(results) if run.info.status == "FINISHED")  # MLflow keeps no order
    client = client_of(results)
    client.update_run(run.info.run_id, status="RUNNING")  # complete, but for the last call
    for marker in results.trials.glob("*/.*.sent"):
        marker.unlink()
    sync(results.results)
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    assert len(children(results)) == 4


def test_an_attempt_whose_journals_changed_after_it_was_sent_is_no_second_run(results):
    attempt = results.all_attempts()[0]
    lines = attempt.events.read_bytes().split(b"\n")
    attempt.events.write_bytes(b"\n".join([*lines[:2], b"XXXX", *lines[3:]]))
    (synced,) = sync(results.results, again=True)
    line, changed = synced.damaged
    assert line.startswith(f"{attempt.events}, line 3 is not JSON") and "changed since" in changed
    assert synced.sent == 0
    assert len(children(results)) == 4


def test_why_an_attempt_cannot_be_sent():
    one = object.__new__(Projection)
    attempt = SimpleNamespace(record=lambda: None, damage=lambda: "", folder=Path("a/attempt-1"))
    with pytest.raises(DamagedAttempt, match=r"^the record of a/attempt-1 is missing; a run makes it again$"):
        one.send(attempt)
    attempt.damage = lambda: "torn"
    with pytest.raises(
        DamagedAttempt, match=r"^the record of a/attempt-1 is damaged: torn; a run makes it again$"
    ):
        one.send(attempt)
    for error in (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):

        def content(*given, error=error):
            raise error("odd")

        one._content, attempt.record = content, lambda: "a record"
        with pytest.raises(DamagedAttempt) as caught:
            one.send(attempt)
        assert str(caught.value) == (
            f"a/attempt-1 has a damaged record or journal ({error.__name__}: odd); remove its result.json, and a run "
            "makes it again"
        )


@pytest.mark.parametrize("foreign", [True, False])
@pytest.mark.parametrize("marked", [True, False])
def test_what_is_marked_as_sent_is_asked_for_only_where_that_is_wanted(
    monkeypatch, marked: bool, foreign: bool
):
    one, told = object.__new__(Projection), []
    one.store, one._known, one._lock = "store", {}, SimpleNamespace(held=lambda: nullcontext(foreign))
    one._content, one._send = lambda *given: "content", lambda *given: told.append(given) or "sent"
    monkeypatch.setattr("bench.tracking.projection.is_sent", lambda *given: marked)
    monkeypatch.setattr("bench.tracking.projection.mark_sent", lambda *given: told.append(given))
    attempt = SimpleNamespace(record=lambda: "record")
    asked = [(attempt, "record", "content"), (attempt, "store")]
    assert one.send(attempt) == (False if marked else "sent") and told == ([] if marked else asked)
    told.clear()
    assert one.send(attempt, again=True) == "sent" and told == asked
    assert one._known == (None if foreign else {}), "another process may have added runs"


class Client:
    """MLflow's, which remembers what it is told."""

    def __init__(self, tracking_uri: str = ""):
        self.told: list[tuple] = [("opened", tracking_uri)]

    def create_run(self, experiment: str, **more):
        self.told.append(("create_run", experiment, more))
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    def get_experiment_by_name(self, name: str) -> None:
        self.told.append(("asked", name))

    def __getattr__(self, name: str):
        return lambda *given, **more: self.told.append((name, *given, more)) or "7"


def test_a_run_is_sent_in_pieces_that_mlflow_takes(monkeypatch):
    one, content = object.__new__(Projection), _Content("d", (5, 9), {"a": "b"}, {}, [], None)
    one.client, one.experiment_id, one._known = Client(), "7", {}
    one._sent_otherwise = lambda attempt: False
    data = {"name": "bccd", "digest": "x", "source_type": "local", "source": "{}", "profile": "{}"}
    points = [("k", 1.0, 2, number) for number in range(1001)]
    content = replace(content, params={str(n): "v" for n in range(101)}, points=points, dataset=data)
    monkeypatch.setattr(projection, "staged", lambda attempt, record: nullcontext(Path("staged")))
    assert one._send("attempt", SimpleNamespace(status="failed"), content) is True
    _, made, *batches, inputs, files, complete, ended = one.client.told
    assert made == ("create_run", "7", {"start_time": 5, "tags": {"a": "b"}})
    sizes = [(run, {name: len(items) for name, items in more.items()}) for _, run, more in batches]
    assert sizes == [
        ("r", {"params": 100}),
        ("r", {"params": 1}),
        ("r", {"metrics": 1000}),
        ("r", {"metrics": 1}),
    ]
    metric = batches[-1][2]["metrics"][0]
    assert (metric.key, metric.value, metric.timestamp, metric.step) == ("k", 1.0, 2, 1000)
    (given,) = inputs[2]
    assert dict(given.dataset) == {**data, "schema": None} and inputs[:2] == ("log_inputs", "r")
    assert [(tag.key, tag.value) for tag in given.tags] == [
        ("mlflow.data.context", "training and evaluation")
    ]
    assert files == ("log_artifacts", "r", "staged", {})
    assert [(tag.key, tag.value) for tag in complete[2]["tags"]] == [("leukobench.complete", "true")]
    assert ended == ("set_terminated", "r", "FAILED", {"end_time": 9}) and one._known == {"d": ("r", True)}
    assert one._send("attempt", SimpleNamespace(status="failed"), content) is False


@pytest.mark.parametrize("own", [True, False])
def test_an_experiment_is_made_with_its_artifacts_beside_the_store_or_where_the_server_wants_them(
    tmp_path: Path, monkeypatch, own: bool
):
    one, told, file = object.__new__(Projection), [], tmp_path / "mlflow.db"
    for name in ("check_version", "ensure", "settle_in", "check_reachable"):
        monkeypatch.setattr(projection.store, name, lambda *given, name=name: told.append((name, *given)))
    one.suite, uri = "cells", f"sqlite:///{file}" if own else "http://server"
    one._open(Client, SuiteResults(tmp_path, "cells"), uri, file if own else None)
    made = [("ensure", file), ("settle_in", file, tmp_path)] if own else [("check_reachable", uri)]
    assert told == [("check_version", uri), *made]
    tags = {"mlflow.experimentKind": "custom_model_development", "leukobench.store": one.store}
    place = (tmp_path.resolve() / "mlartifacts" / "cells").as_uri() if own else None
    wanted = ("create_experiment", "cells", {"artifact_location": place, "tags": tags})
    assert one.client.told == [("opened", uri), ("asked", "cells"), wanted]
    assert (one.experiment_id, one._known, len(one.store)) == ("7", {}, 32)
