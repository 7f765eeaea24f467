"""The embedded store: one SQLite file, which appears whole or not at all, and has an identity."""

import re
import socket
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from bench.worker.files import write_text

_SQLITE = "sqlite:///"
_PORTS = {"http": 80, "https": 443}
STORE_TAG = "leukobench.store"
"""Of an experiment: a name of its own, made with it, by which it is told from others of the suite's name."""

_IDENTITY = (
    "select tag.value from experiment_tags as tag join experiments using (experiment_id) "
    "where experiments.name = ? and tag.key = ?"
)
_BROKEN = ("already exists", "duplicate column name", "file is not a database", "malformed")
"""What SQLite says of a store whose making was cut off, or that was damaged."""


def own_store(results: Path, uri: str) -> Path | None:
    """The file of the embedded store; None where records go elsewhere."""
    path = (results / "mlflow.db").resolve()
    return path if uri == f"{_SQLITE}{path}" else None


def identity(results: Path, uri: str, suite: str) -> str | None:
    """What tells a suite's experiment in this store from any other; found without loading MLflow.

    Returns:
        Empty where the store, or the experiment in it, is not there; None where only the server could tell.
    """
    path = own_store(results, uri)
    if path is None:
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(_IDENTITY, (suite, STORE_TAG)).fetchone()
    except sqlite3.Error:  # not there, or damaged: then it has nothing
        return ""
    return found[0] if found else ""


def results_identity(results: Path) -> str:
    """What tells a results folder from any other one, on whatever machine; the caller holds a lock."""
    path = results / ".results.id"
    if not path.exists():
        write_text(path, uuid.uuid4().hex)
    return path.read_text()


def ensure(path: Path) -> None:
    """Make the store's file unless it is there; the caller sees to it that nobody else does so meanwhile.

    MLflow changes a fresh file in many steps: cut off between them, it would be of no use to anybody.
    """
    if path.exists() and is_cut_off(path):
        # Before MLflow opens it: it would keep the connection, and write to what was put aside.
        _put_aside(path)
    if path.exists():
        return
    from mlflow import MlflowClient

    for left in path.parent.glob(f"{path.name}.partial*"):
        left.unlink()
    # A name of its own: MLflow keeps connections by the file's name, and would write to one that is gone.
    partial = path.with_name(f"{path.name}.partial-{uuid.uuid4().hex[:8]}")
    MlflowClient(tracking_uri=f"{_SQLITE}{partial}").search_experiments(max_results=1)
    with closing(sqlite3.connect(partial)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    partial.replace(path)


def set_aside(path: Path, error: Exception) -> bool:
    """Whether an error says that the store is damaged; if so it is put aside, so that it can be made anew."""
    if not path.exists() or not any(word in str(error) for word in _BROKEN):
        return False
    _put_aside(path)
    return True


def _put_aside(path: Path) -> None:
    """Under a name of its own: an earlier one may still be wanted."""
    aside = path.with_name(f"{path.name}.broken")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{number}")
    path.replace(aside)


def is_cut_off(path: Path) -> bool:
    """Whether the file is no database, or shorter than it says itself."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
            (pages,), (size,) = (
                connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
            )
    except sqlite3.DatabaseError as error:
        return any(word in str(error) for word in _BROKEN)
    log = path.with_name(f"{path.name}-wal")  # what it still has to take in
    return not pages or (not log.exists() and path.stat().st_size < pages * size)


def answers(uri: str) -> bool:
    """Whether somebody listens at a server's address; a second at most. A file always does."""
    address = urlsplit(uri)
    if address.scheme not in _PORTS:
        return True
    try:
        with socket.create_connection((address.hostname, address.port or _PORTS[address.scheme]), 1.0):
            return True
    except OSError:
        return False


def without_password(text: str) -> str:
    """A text in which no address tells who logs in with what."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)
