"""Where records go: the address, the embedded store, who it is, and who may write to it.

The embedded store is one SQLite file in the results folder. It appears whole or not at all.
"""

import fcntl
import glob
import os
import re
import socket
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values

from bench.errors import ResultsError
from bench.trials.layout import ARTIFACTS, STORE
from bench.worker.files import PARTIAL, write_text
from wbc.files import sync

ENV_FILE = Path("mlflow.env")

STORE_TAG = "leukobench.store"
"""Tag of an experiment: a name of its own, given when it is made. It tells apart experiments of one suite."""

_SHIPPED = Path(__file__).with_name("mlflow.env")
"""For folders without a file of their own: by default MLflow waits minutes for dead servers and phones home."""

CONNECT_S = 5
"""Seconds in which a database must accept a connection."""

REDIRECTING = (
    *("MLFLOW_ACTIVE_MODEL_ID", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"),
    "MLFLOW_ENABLE_ASYNC_LOGGING",
)
"""Variables of the user's shell with which MLflow would write somewhere else than it is told to, or, the last one,
say that it wrote before it did."""

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)
"""Tables and columns of MLflow's database that hold whole paths of artifacts."""

_MIGRATIONS = ("store", "db_migrations", "versions")
"""Where MLflow's package has a file for each version of its tables, named `<revision>_<what>.py`."""

_SQLITE = "sqlite:///"
_PORTS = {"http": 80, "https": 443}

_IDENTITY = (
    "select tag.value from experiment_tags as tag join experiments using (experiment_id) "
    "where experiments.name = ? and tag.key = ?"
)

_BROKEN = ("already exists", "duplicate column name", "file is not a database", "malformed")
"""What SQLite says of a store that was cut off while it was made, or that was damaged."""

_own_stores: set[str] = set()
"""Addresses that this process has put into its environment itself; another results folder has another."""


def apply_settings(results: Path, env_file: Path = ENV_FILE) -> str:
    """Put the settings of `mlflow.env` into the environment; what is set there already overrides them.

    Variables that redirect MLflow (`REDIRECTING`) are removed.

    The SQLite store of the file is in `results/`; with another results folder it is in that one.

    Args:
        results: The results folder.
        env_file: The file; where it is missing, the shipped one is used.

    Returns:
        The tracking URI, absolute.

    Raises:
        ResultsError: The address is none that MLflow knows.
    """
    file = env_file if env_file.exists() else _SHIPPED
    settings = {key: value for key, value in dotenv_values(file).items() if value is not None}
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    for key in REDIRECTING:
        os.environ.pop(key, None)
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    from_file = given.startswith(_SQLITE) and given == settings.get("MLFLOW_TRACKING_URI")
    if not given or from_file or given in _own_stores:
        given = f"{_SQLITE}{(results / STORE).resolve()}"
        _own_stores.add(given)
    elif given.startswith(_SQLITE):
        given = f"{_SQLITE}{Path(given.removeprefix(_SQLITE)).resolve()}"
    elif "://" not in given:
        raise ResultsError(
            f"MLFLOW_TRACKING_URI is {given!r}; give an address such as http://HOST:5000 or sqlite:///FILE"
        )
    os.environ["MLFLOW_TRACKING_URI"] = given
    return given


def own_store(results: Path, uri: str) -> Path | None:
    """The file of the embedded store; None where records go elsewhere."""
    path = (results / STORE).resolve()
    return path if uri == f"{_SQLITE}{path}" else None


def is_local(uri: str) -> bool:
    """Whether an address is a SQLite file, so that artifacts are files beside it."""
    return uri.startswith(_SQLITE)


def identity(results: Path, uri: str, suite: str) -> str | None:
    """What tells a suite's experiment in this store from any other; found without loading MLflow.

    Returns:
        Empty where the store, or the experiment in it, does not exist; None where only a server could tell.
    """
    path = own_store(results, uri)
    if path is None:
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(_IDENTITY, (suite, STORE_TAG)).fetchone()
    except sqlite3.Error:  # missing or damaged: then it has nothing
        return ""
    return str(found[0]) if found else ""


class _Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What `.results.id` holds."""

    id: str
    inode: int
    """Of the results folder. A folder that was moved keeps it, a copy has another one."""


def results_identity(results: Path) -> str:
    """What tells a results folder from any other one, on any machine; the caller holds a lock.

    A copy takes an identity of its own, so that it does not end or change the runs of its original.
    """
    path, inode = results / ".results.id", results.stat().st_ino
    try:
        known = msgspec.json.decode(path.read_bytes(), type=_Identity)
    except (OSError, msgspec.DecodeError):
        known = None
    if known is None or known.inode != inode:
        known = _Identity(id=uuid.uuid4().hex, inode=inode)
        write_text(path, msgspec.json.encode(known).decode())
    return known.id


def copy_note(results: Path) -> str:
    """A sentence where a results folder finds itself copied, before it takes an identity of its own; else empty."""
    try:
        known = msgspec.json.decode((results / ".results.id").read_bytes(), type=_Identity)
    except (OSError, msgspec.DecodeError):
        return ""
    if known.inode == results.stat().st_ino:
        return ""
    return f"{results} is a copy of another results folder. It now has an identity of its own in MLflow."


def damage_note(results: Path) -> str:
    """A sentence where the embedded store is damaged, before it is set aside; else empty."""
    path = own_store(results, apply_settings(results))
    if path is None or not path.exists() or not is_cut_off(path):
        return ""
    return f"{path} is damaged. It is set aside as {_aside(path).name}, and made anew from the journals."


def ensure(path: Path) -> None:
    """Make the file of the embedded store unless it exists; the caller holds the lock.

    MLflow changes a fresh file in many steps. A file that is cut off between them is useless.
    """
    if path.exists() and is_cut_off(path):
        # Before MLflow opens it: MLflow would keep the connection, and write to what was set aside.
        _set_aside(path)
    if path.exists():
        return
    from mlflow import MlflowClient
    from sqlalchemy import Engine, event

    for left in path.parent.glob(f"{path.name}{PARTIAL}*"):
        left.unlink()
    # A name of its own: MLflow keeps connections by the file's name, and would write to one that is gone.
    partial = path.with_name(f"{path.name}{PARTIAL}-{uuid.uuid4().hex[:8]}")
    # A hundred migrations would each wait for the disk. It is waited for once, before the file gets its name.
    event.listen(Engine, "connect", _without_waiting)
    try:
        MlflowClient(tracking_uri=f"{_SQLITE}{partial}").search_experiments(max_results=1)
    except BaseException:  # such as a full disk
        for left in path.parent.glob(f"{partial.name}*"):
            left.unlink()
        raise
    finally:
        event.remove(Engine, "connect", _without_waiting)
    with closing(sqlite3.connect(partial)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sync(partial)
    partial.replace(path)


def _without_waiting(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def settle_in(path: Path, results: Path) -> None:
    """Point an embedded store that came here with its folder to the artifacts beside it; the caller holds the lock.

    MLflow keeps whole paths. In a folder that was moved or copied they lead to where it was, and artifacts
    would be written there.
    """
    here = (results / ARTIFACTS).resolve().as_uri()
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, column in _PLACES:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column not in columns:
                continue  # a version of MLflow without it
            for (place,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():
                there, mark, below = (place or "").partition(f"/{ARTIFACTS}/")
                if mark and f"{there}/{ARTIFACTS}" != here:
                    moved = f"{here}/{below}"
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (moved, place))


def check_reachable(uri: str) -> None:
    """Try to open a store once, because MLflow tries ten times and waits for minutes, without a word.

    Raises:
        ResultsError: Nobody answers, or the database cannot be opened.
    """
    if urlsplit(uri).scheme in _PORTS:
        if not answers(uri):
            raise ResultsError(f"nobody answers at {without_password(uri)}")
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    waits = {} if is_local(uri) else {"connect_timeout": CONNECT_S}
    try:
        engine = create_engine(uri, connect_args=waits)
        try:
            with engine.connect():
                pass
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, TypeError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise ResultsError(
            f"{without_password(uri)} cannot be opened: {without_password(reason)[:200]}"
        ) from None


def check_version(uri: str) -> None:
    """Find out whether a SQLite store was made by a newer MLflow, which this one answers with a traceback.

    Raises:
        ResultsError: It was; the store stays as it is.
    """
    package = find_spec("mlflow")
    if not is_local(uri) or package is None or not package.submodule_search_locations:
        return
    path, known = Path(uri.removeprefix(_SQLITE)), Path(package.submodule_search_locations[0], *_MIGRATIONS)
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (revision,) = connection.execute("select version_num from alembic_version").fetchone()
    except (sqlite3.Error, TypeError, ValueError):  # missing, damaged, or older than such numbers
        return
    if known.is_dir() and not list(known.glob(f"{glob.escape(revision)}_*.py")):
        raise ResultsError(
            f"{path} was made by a newer MLflow than {version('mlflow')}",
            "Update this one: pip install -U mlflow. The journals keep all that was measured.",
        )


def set_aside(path: Path, error: Exception) -> bool:
    """Whether an error says that the store is damaged; if so, it is set aside, so that it can be made anew."""
    if not path.exists() or not any(word in str(error) for word in _BROKEN):
        return False
    _set_aside(path)
    return True


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
    log = path.with_name(f"{path.name}-wal")  # what the file still has to absorb
    return not pages or (not log.exists() and path.stat().st_size < int(pages * size))


def answers(uri: str) -> bool:
    """Whether somebody listens at a server's address, found within a second. A file always answers."""
    address = urlsplit(uri)
    if address.scheme not in _PORTS:
        return True
    try:
        with socket.create_connection((address.hostname, address.port or _PORTS[address.scheme]), 1.0):
            return True
    except OSError:
        return False


def why_unwritten(error: Exception) -> str:
    """Why a store could not be used, in one line: with the file of an embedded one, and without SQL and passwords."""
    said = re.sub(
        r"\(\w+(\.\w+)+\)|\[SQL:.*|\(Background on this error at:.*", "", str(error), flags=re.DOTALL
    )
    said = without_password(" ".join(said.split()))[:200] or type(error).__name__
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    of_its_file = is_local(uri) and "sqlite3" in f"{type(error)} {error}"
    return f"{uri.removeprefix(_SQLITE)}: {said}" if of_its_file else said


def without_password(text: str) -> str:
    """A text in which no address tells who logs in with what."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


class SyncLock:
    """The lock of the processes that write from a results folder to MLflow; held for one attempt at a time.

    It also keeps two processes from opening a fresh SQLite store at once, which destroys it.

    Args:
        results: The results folder.
    """

    def __init__(self, results: Path):
        self._path = results / ".mlflow.lock"
        self._token = uuid.uuid4().hex

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Wait for the lock.

        Yields:
            Whether another process held it since this one did: what was known of the store may be outdated.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            token = self._token.encode()
            foreign = os.pread(file, len(token), 0) != token
            if foreign:
                os.pwrite(file, token, 0)
            yield foreign
        finally:
            os.close(file)


def _set_aside(path: Path) -> None:
    path.replace(_aside(path))


def _aside(path: Path) -> Path:
    """A name of its own: an earlier one may still be wanted."""
    aside = path.with_name(f"{path.name}.broken")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{number}")
    return aside
