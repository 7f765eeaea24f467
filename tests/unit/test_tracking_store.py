"""The embedded store of MLflow: whole or not there, and known by what it has."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from equipment.results.records import a_trial

from bench.errors import InputError, ResultsError
from bench.journal.results import SuiteResults
from bench.tracking import store
from bench.tracking.markers import mark_sent, unsent
from bench.tracking.server import served
from bench.tracking.sync import sync
from bench.worker.files import write_json

TRIAL = a_trial("LeNet5", epochs=1)


@pytest.fixture
def results(tmp_path: Path, monkeypatch) -> SuiteResults:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI"):
        monkeypatch.setenv(name, "")  # so that it is taken away again
        monkeypatch.delenv(name)
    results = SuiteResults(tmp_path, "suite")
    write_json(results.new_attempt(TRIAL).result, {"status": "done"})
    return results


def uri_of(results: SuiteResults) -> str:
    return f"sqlite:///{(results.results / 'mlflow.db').resolve()}"


def test_whoever_holds_the_lock_learns_whether_another_held_it_meanwhile(tmp_path: Path):
    one, other = store.SyncLock(tmp_path), store.SyncLock(tmp_path)
    told = []
    for lock in (one, one, other, other, one):
        with lock.held() as foreign:
            told.append(foreign)
            content = (tmp_path / ".mlflow.lock").read_text()
            assert content == lock._token and len(content) == 32
    assert told == [True, False, True, False, True]
    mask = os.umask(0)
    try:
        (tmp_path / ".mlflow.lock").unlink()
        with one.held():
            assert (tmp_path / ".mlflow.lock").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(mask)


def test_a_store_whose_making_was_cut_off_is_made_anew(results: SuiteResults):
    path = store.own_store(results.results, uri_of(results))
    path.with_name("mlflow.db.partial").write_bytes(b"cut off")
    path.with_name("mlflow.db.partial-journal").write_bytes(b"cut off")
    store.ensure(path)
    assert sorted(left.name for left in results.results.glob("mlflow.db*")) == ["mlflow.db"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from experiments").fetchone() == (1,)
    made = path.stat().st_ino
    store.ensure(path)
    assert path.stat().st_ino == made


class SmallClient:
    """Makes a store of one table, where MLflow's client takes seconds for all of them."""

    def __init__(self, tracking_uri: str):
        self.path = tracking_uri.removeprefix("sqlite:///")

    def search_experiments(self, max_results: int) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("create table experiments (name)")


@pytest.mark.parametrize("kept", [7, 3000, 0.5])
def test_a_store_that_was_cut_short_is_put_aside_before_it_is_opened(
    results: SuiteResults, monkeypatch, kept: float
):
    monkeypatch.setattr("mlflow.MlflowClient", SmallClient)
    path = store.own_store(results.results, uri_of(results))
    with sqlite3.connect(path) as connection:
        connection.execute("create table experiments (name)")
        connection.executemany("insert into experiments values (?)", [("x" * 2000,)] * 20)
    connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(InputError, match="damaged"), served(results.results):
        pass
    store.ensure(path)
    assert path.with_name("mlflow.db.broken").is_file()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_attempts_are_sent_to_a_store_that_does_not_have_them(results: SuiteResults):
    assert len(unsent(results, "")) == 1
    (attempt,) = results.all_attempts()
    mark_sent(attempt, "one server")
    assert unsent(results, "one server") == []
    assert len(unsent(results, "another server")) == 1
    assert len(unsent(results, "")) == 1, "a store that was deleted has nothing"
    assert unsent(results, None) == [], "a mark is trusted until the server is asked"


def test_a_store_that_was_deleted_has_no_identity_and_a_new_one_another(results: SuiteResults):
    path, uri = store.own_store(results.results, uri_of(results)), uri_of(results)
    assert store.identity(results.results, uri, "suite") == ""
    with sqlite3.connect(path) as connection:  # as MLflow lays it out
        connection.execute("create table experiments (experiment_id integer, name text)")
        connection.execute("create table experiment_tags (experiment_id integer, key text, value text)")
        connection.execute("insert into experiments values (7, 'suite')")
        connection.execute("insert into experiment_tags values (7, 'leukobench.store', 'first')")
    assert store.identity(results.results, uri, "suite") == "first"
    assert store.identity(results.results, uri, "another suite") == ""
    path.write_text("no database")
    assert store.identity(results.results, uri, "suite") == ""
    assert store.own_store(results.results, "http://127.0.0.1:5000") is None
    assert store.identity(results.results, "http://127.0.0.1:5000", "suite") is None, (
        "only the server could tell"
    )


@pytest.mark.parametrize(
    ("said", "damaged"),
    [
        ("(sqlite3.OperationalError) table _alembic_tmp_runs already exists", True),
        ("(sqlite3.DatabaseError) file is not a database", True),
        ("(sqlite3.OperationalError) database is locked", False),
        ("database or disk is full", False),
    ],
)
def test_only_a_damaged_store_is_put_aside(results: SuiteResults, said, damaged):
    path = store.own_store(results.results, uri_of(results))
    path.write_text("content")
    assert store.set_aside(path, RuntimeError(said)) is damaged
    assert path.exists() is not damaged
    assert path.with_name("mlflow.db.broken").exists() is damaged


def test_nobody_reads_a_password():
    said = store.without_password(
        "API request to http://me:secret@127.0.0.1:9/api failed, see https://host/a@b"
    )
    assert "secret" not in said
    assert "http://***@127.0.0.1:9/api" in said
    assert "https://host/a@b" in said


@pytest.mark.parametrize(
    "address", ["sqlite:///{folder}", "postgresql://me:secret@127.0.0.1:1/x", "http://127.0.0.1:1"]
)
def test_a_store_that_cannot_be_opened_is_found_out_at_once(tmp_path: Path, address: str):
    """MLflow would try ten times, for 108 seconds, without a word."""
    with pytest.raises(ResultsError, match=r"cannot be opened|nobody answers") as error:
        store.check_reachable(address.format(folder=tmp_path))
    assert "secret" not in str(error.value)


def test_variables_that_redirect_mlflow_are_removed(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    for name in store.REDIRECTING:
        monkeypatch.setenv(name, "x")
    store.apply_settings(tmp_path)
    assert not set(store.REDIRECTING) & os.environ.keys()


def test_no_variable_makes_mlflow_say_that_it_wrote_before_it_did(tmp_path: Path, monkeypatch):
    """With asynchronous logging a call returns at once, and a process that dies loses what was marked as sent."""
    from mlflow.environment_variables import MLFLOW_ENABLE_ASYNC_LOGGING

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    store.apply_settings(tmp_path)
    assert not MLFLOW_ENABLE_ASYNC_LOGGING.get()


def test_a_store_of_a_newer_mlflow_is_named_and_left_alone(results: SuiteResults):
    path = results.results / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table alembic_version (version_num)")
        connection.execute("insert into alembic_version values ('ffffffffffff')")
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="newer MLflow") as caught, served(results.results):
        pass
    assert "pip install -U mlflow" in caught.value.way_out
    with pytest.raises(ResultsError, match="newer MLflow"):
        store.check_version(uri_of(results))
    assert path.read_bytes() == before


def test_a_store_of_this_mlflow_is_no_newer_one(results: SuiteResults):
    store.check_version(uri_of(results))  # none
    path = results.results / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table alembic_version (version_num)")
        connection.execute("insert into alembic_version values ('0584bdc529eb')")
    store.check_version(uri_of(results))


def test_only_a_damaged_file_gives_a_note(results: SuiteResults):
    path = results.results / "mlflow.db"
    assert store.damage_note(results.results) == ""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table experiments (name)")
    assert not store.is_cut_off(path)
    assert store.damage_note(results.results) == ""
    path.write_bytes(path.read_bytes()[:-1])
    assert store.is_cut_off(path)
    assert store.damage_note(results.results) == (
        f"{path} is damaged. It is set aside as mlflow.db.broken, and made anew from the journals."
    )
    path.with_name("mlflow.db-wal").touch()  # the file still has to absorb it
    assert not store.is_cut_off(path)
    path.write_bytes(b"")
    assert store.is_cut_off(path)


def test_a_store_elsewhere_gives_no_note(results: SuiteResults, monkeypatch):
    (results.results / "mlflow.db").write_bytes(b"no database" * 100)
    assert store.damage_note(results.results)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert store.damage_note(results.results) == ""


def test_a_store_that_is_set_aside_is_told(results: SuiteResults):
    path = results.results / "mlflow.db"
    path.write_bytes(b"no database" * 100)
    path.with_name("mlflow.db.broken").touch()
    said: list[str] = []
    sync(results.results, say=said.append)
    assert said == [
        f"{path} is damaged. It is set aside as mlflow.db.broken-2, and made anew from the journals."
    ]
    assert path.with_name("mlflow.db.broken-2").read_bytes().startswith(b"no database")
    assert store.damage_note(results.results) == ""
