"""TEST EQUIPMENT: MLflow's server and PostgreSQL, each a private one on a free port of loopback."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"
PATIENCE_S = 90.0


def free_port() -> int:
    """A port that nobody listens at; somebody else may take it before it is used, which is unlikely."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This process' environment without settings of MLflow, and without a way into the internet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    nowhere = "http://127.0.0.1:9"
    proxies = {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
    return {**kept, **proxies, "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def wait_until(ready: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    """Wait until a server is ready; one that ended, or takes too long, fails the test with its log."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(Exception):
            if ready():
                return
        time.sleep(0.1)
    raise AssertionError(f"the server is not ready:\n{log.read_text()[-3000:]}")


class MlflowServer:
    """MLflow's server, which can be killed and started again on the same port.

    Args:
        folder: Where its log and artifacts lie.
        store: Its database.
        settings: Further environment variables.
        options: Further arguments.
    """

    def __init__(self, folder: Path, store: str, settings: dict[str, str] | None = None, options=()):
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", **(settings or {}))
        self._command = [
            *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store),
            *("--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1"),
            *("--port", str(self.port), "--workers", "1", *options),
        ]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        log = self.folder / "mlflow.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        opener = build_opener(ProxyHandler({}))
        wait_until(lambda: opener.open(f"{self.address}/health", timeout=2).status == 200, self._process, log)

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Postgres:
    """A private cluster.

    Args:
        binaries: Folder of `initdb` and `postgres`.
        folder: An empty folder that any user may enter.
    """

    def __init__(self, binaries: Path, folder: Path):
        self.binaries, self.folder, self.port = binaries, folder, free_port()
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            user = _user()
            self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            os.chown(folder, user.pw_uid, user.pw_gid)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        self._run("initdb", "--auth=scram-sha-256", "--username=team", f"--pwfile={folder / 'password'}")
        self._process: subprocess.Popen | None = None

    def uri(self, database: str) -> str:
        return f"postgresql://team:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = [f"-k{self.folder}", "-clisten_addresses=127.0.0.1", "-cfsync=off"]
        log = self.folder / "log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*self._command("postgres"), f"-p{self.port}", *options],
                cwd=self.folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        wait_until(lambda: self.ask("select 1") == [(1,)], self._process, log)

    def stop(self) -> None:
        """As `systemctl restart` does it: who is connected is thrown out."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_S)

    def ask(self, question: str, database: str = "postgres") -> list[tuple]:
        import psycopg

        connection = psycopg.connect(self.uri(database), connect_timeout=5)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(question)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _command(self, program: str) -> list[str]:
        return [*self._as_user, str(self.binaries / program), "-D", str(self.folder / "data")]

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._command(program), *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=120)


def postgres_binaries() -> Path | None:
    """Where Debian, or the path, has the programs of a PostgreSQL server; the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def postgres(binaries: Path) -> Iterator[Postgres]:
    """A cluster that runs, in a folder of its own that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="leukobench-postgres-"))
    folder.chmod(0o755)
    server = Postgres(binaries, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(server: MlflowServer) -> Iterator[MlflowServer]:
    """A server that is started, and gone at the end."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("no user to run PostgreSQL as")
