"""The embedded store: one SQLite file, which appears whole or not at all, and has an identity."""

import re
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

_SQLITE = "sqlite:///"
_BROKEN = ("already exists", "duplicate column name", "file is not a database", "malformed")
"""What SQLite says of a store whose making was cut off, or that was damaged."""


def own_store(results: Path, uri: str) -> Path | None:
    """The file of the embedded store; None where records go elsewhere."""
    path = (results / "mlflow.db").resolve()
    return path if uri == f"{_SQLITE}{path}" else None


def identity(results: Path, uri: str) -> str:
    """What tells this store from another one; empty where there is none yet."""
    path = own_store(results, uri)
    if path is None:
        return without_password(uri)
    try:
        return _id_file(path).read_text() if path.exists() else ""
    except OSError:
        return ""


def ensure(path: Path) -> None:
    """Make the store's file unless it is there; the caller sees to it that nobody else does so meanwhile.

    MLflow changes a fresh file in many steps: cut off between them, it would be of no use to anybody.
    """
    if path.exists():
        return
    from mlflow import MlflowClient

    for left in path.parent.glob(f"{path.name}.partial*"):
        left.unlink()
    partial = path.with_name(f"{path.name}.partial")
    MlflowClient(tracking_uri=f"{_SQLITE}{partial}").search_experiments(max_results=1)
    with closing(sqlite3.connect(partial)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _id_file(path).write_text(uuid.uuid4().hex)
    partial.replace(path)


def set_aside(path: Path, error: Exception) -> bool:
    """Whether an error says that the store is damaged; if so it is put aside, so that it can be made anew."""
    if not path.exists() or not any(word in str(error) for word in _BROKEN):
        return False
    path.replace(path.with_name(f"{path.name}.broken"))
    return True


def without_password(text: str) -> str:
    """A text in which no address tells who logs in with what."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def _id_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.id")
