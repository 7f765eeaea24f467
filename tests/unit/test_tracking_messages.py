"""What is said of MLflow's store and server, to the word, and the views that are saved in it."""

import errno
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bench.errors import InputError, ResultsError, command
from bench.tracking import saved_view, server, store, sync
from bench.trials.layout import STORE


def said(call, *given, **more) -> tuple[str, str]:
    with pytest.raises((InputError, ResultsError)) as caught:
        call(*given, **more)
    return caught.value.what, caught.value.way_out


def opened(results: Path, port: int | None = None) -> None:
    with server.served(results, port):
        pytest.fail("it was served")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port(tmp_path: Path, port: int):
    assert said(opened, tmp_path, port) == (
        f"--port {port} is no port",
        "Give a number from 1 to 65535, or leave --port out.",
    )


def test_a_store_that_is_not_there_or_elsewhere_or_damaged(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert said(opened, tmp_path) == (
        f"{tmp_path} has no {STORE} yet",
        f"Run a suite first, or send what is recorded: {command()} sync",
    )
    monkeypatch.setattr(server, "is_cut_off", lambda path: True)
    (tmp_path / STORE).touch()
    assert said(opened, tmp_path) == (
        f"{tmp_path / STORE} is damaged",
        f"Everything is in the journals, too: {command()} sync --results {tmp_path} puts the file aside and "
        "makes it anew.",
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000")
    what, way_out = said(opened, tmp_path)
    assert what.startswith("records are kept elsewhere (http://") and "secret" not in what
    assert way_out == "Open that address in a browser."


@pytest.mark.parametrize(
    ("error", "what", "way_out"),
    [
        (PermissionError(), "--port 80 is for the administrator", "Name one from 1024, or leave --port out."),
        (OSError(errno.EADDRINUSE, "x"), "port 80 is taken", "Name another one, or leave --port out."),
    ],
)
def test_a_port_that_cannot_be_had(monkeypatch, error: OSError, what: str, way_out: str):
    class Probe:
        def setsockopt(self, *given):
            assert given == (server.socket.SOL_SOCKET, server.socket.SO_REUSEADDR, 1)

        def bind(self, place):
            assert place == ("127.0.0.1", 80)
            raise error

    @contextmanager
    def probe():
        yield Probe()

    monkeypatch.setattr(server.socket, "socket", probe)
    assert said(server._free_port, 80) == (what, way_out)


def test_results_without_a_record_or_a_suite(tmp_path: Path):
    assert said(sync.sync, tmp_path) == (
        f"nothing is recorded in {tmp_path}",
        f"Run a suite first: {command()} run SUITE",
    )
    assert said(sync.sync, tmp_path, "x") == (f"{tmp_path} has no suite 'x'", "It has: none.")
    for name in "ba":
        (tmp_path / name / "trials").mkdir(parents=True)
    assert said(sync.sync, tmp_path, "x") == (f"{tmp_path} has no suite 'x'", "It has: a, b.")


def test_a_run_that_measures_alone_is_waited_for(monkeypatch):
    told, waited = [], []
    monkeypatch.setattr(sync, "wait_for_end", waited.append)
    results = type("Results", (), {"results": Path("results")})()
    for process, alone, count in ((7, False, 0), (None, True, 0), (7, True, 1)):
        monkeypatch.setattr(sync, "running_process", lambda results, process=process: process)
        monkeypatch.setattr(
            sync, "measures_alone", lambda folder, alone=alone: alone and folder == Path("results")
        )
        sync._wait_for_quiet(results, told.append)
        assert len(waited) == len(told) == count
    assert told == [
        "A run measures exclusively (process 7) and records its trials itself; waiting"
    ] and waited == [7]


def test_each_suite_has_its_view(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / STORE)) as made, made:
        made.execute("create table experiments (name, experiment_id, lifecycle_stage, last_update_time)")
        rows = [
            ("Default", 0, "active", 9),
            ("old", 1, "active", 1),
            ("gone", 2, "deleted", 8),
            ("new", 3, "active", 5),
        ]
        made.executemany("insert into experiments values (?, ?, ?, ?)", rows)
    found = saved_view.saved_views(tmp_path, "http://here:1")
    assert list(found.items()) == [
        (name, f"http://here:1/#/experiments/{number}/runs?viewStateShareKey=leukobench")
        for name, number in (("new", 3), ("old", 1))
    ]
    with pytest.raises(sqlite3.OperationalError):
        saved_view.saved_views(tmp_path / "none", "http://here:1")
    assert [path.name for path in tmp_path.iterdir()] == [STORE]


def test_a_view_is_saved_once():
    kept: dict[str, str] = {}

    class Client:
        def get_experiment(self, number):
            assert number == "3"
            return type("Experiment", (), {"tags": kept})()

        def set_experiment_tag(self, number, name, value):
            assert number == "3" and value != kept.get(name)
            kept[name] = value

    for _ in range(2):
        saved_view.save_view(Client(), "3")
    assert kept == {
        "mlflow.sharedViewState.leukobench": '{"selectedColumns": ["metrics.`test/balanced_accuracy`", '
        '"metrics.`test/loss`", "metrics.`time/time_to_result_wall_s`", "tags.`device`"], '
        '"orderByKey": "metrics.`test/balanced_accuracy`", "orderByAsc": false}'
    }


def test_a_store_of_a_newer_mlflow(tmp_path: Path, monkeypatch):
    path = tmp_path / STORE
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("create table alembic_version (version_num)")
        made.execute("insert into alembic_version values ('abc')")
    (tmp_path / "mlflow").joinpath(*store._MIGRATIONS).mkdir(parents=True)
    package = type("Package", (), {"submodule_search_locations": [str(tmp_path / "mlflow")]})()
    monkeypatch.setattr(store, "find_spec", lambda name: package)
    monkeypatch.setattr(store, "version", lambda name: "9.9")
    uri = f"sqlite:///{path}"
    assert said(store.check_version, uri) == (
        f"{path} was made by a newer MLflow than 9.9",
        "Update this one: pip install -U mlflow. The journals keep all that was measured.",
    )
    (tmp_path / "mlflow").joinpath(*store._MIGRATIONS, "abc_more.py").touch()
    store.check_version(uri)
    store.check_version("http://host")
    store.check_version(f"sqlite:///{tmp_path}/none")
    monkeypatch.setattr(store, "find_spec", lambda name: None)
    store.check_version(uri)


@pytest.mark.parametrize(
    ("there", "error", "aside"),
    [
        (True, "database disk image is malformed", True),
        (True, "duplicate column name: x", True),
        (True, "no route to host", False),
        (False, "database disk image is malformed", False),
    ],
)
def test_a_damaged_store_is_set_aside(tmp_path: Path, monkeypatch, there: bool, error: str, aside: bool):
    moved, path = [], tmp_path / STORE
    monkeypatch.setattr(store, "_set_aside", moved.append)
    if there:
        path.touch()
    assert store.set_aside(path, RuntimeError(error)) is aside and moved == [path] * aside


@pytest.mark.parametrize("place", ["sqlite:////data/mlflow.db", "http://me:secret@host:5000"])
def test_a_full_disk_is_told_with_its_file_and_without_sql(monkeypatch, place: str):
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(OperationalError) as caught:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql("CREATE TABLE runs (name TEXT)")
    engine.dispose()
    file = "/data/mlflow.db: " if place.startswith("sqlite") else ""
    assert store.why_unwritten(caught.value) == f"{file}database or disk is full"
    assert store.why_unwritten(ValueError(f"no answer from {place}\n twice")) == (
        f"no answer from {place}".replace("me:secret", "***") + " twice"
    )
    assert store.why_unwritten(ValueError()) == "ValueError"
