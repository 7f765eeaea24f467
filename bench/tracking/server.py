"""MLflow's own server on the embedded store, for a browser here: the work behind `python -m bench ui`."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from bench.errors import InputError, ResultsError, command
from bench.tracking.store import (
    SyncLock,
    apply_settings,
    check_version,
    is_cut_off,
    own_store,
    without_password,
)
from bench.worker.startup import child_environment

HOST = "127.0.0.1"
"""MLflow's server asks for no password and lets a client name any folder: nobody outside may see it."""

_PATIENCE_S = 120.0
_GRACE_S = 10.0


@contextmanager
def served(results: Path, port: int | None = None) -> Iterator["Server"]:
    """Serve the embedded store of a results folder for as long as the context is open.

    Args:
        results: The results folder.
        port: Where to listen; None: where there is room.

    Raises:
        InputError: There are no records, they are damaged or kept on a server of their own, or the port is
            taken.
        ResultsError: The server does not start.
    """
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"--port {port} is no port", "Give a number from 1 to 65535, or leave --port out.")
    uri = apply_settings(results)
    path = own_store(results, uri)
    if path is None:
        raise InputError(
            f"records are kept elsewhere ({without_password(uri)})", "Open that address in a browser."
        )
    if not path.exists():
        raise InputError(
            f"{results} has no {path.name} yet",
            f"Run a suite first, or send what is recorded: {command()} sync",
        )
    with SyncLock(results).held():  # not while somebody makes it
        if is_cut_off(path):
            raise InputError(
                f"{path} is damaged",
                f"Everything is in the journals, too: {command()} sync --results {results} puts the file "
                "aside and makes it anew.",
            )
        check_version(uri)
    port = _free_port(port)
    with Server(uri, port) as server:
        server.wait_until_ready()
        yield server


class Server:
    """MLflow's server in a process group of its own, which goes with this process, however that ends.

    Args:
        uri: The store.
        port: Where it listens.
    """

    def __init__(self, uri: str, port: int):
        self.address = f"http://{HOST}:{port}"
        environment = {
            **child_environment(path=False),
            "MLFLOW_BACKEND_STORE_URI": uri,
            "MLFLOW_TRACKING_URI": uri,
        }
        # What it says is of use only when it does not start.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.tracking.server", uri, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Ask it to end, and make sure that it does."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(2 * _GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            ResultsError: It ended, or it takes too long.
        """
        # A proxy of the environment has no business with this machine.
        opener = build_opener(ProxyHandler({}))
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._reader.join(_GRACE_S)
                raise ResultsError("MLflow's server did not start:\n" + "\n".join(self._said[-8:]))
            with contextlib.suppress(URLError, OSError), opener.open(f"{self.address}/health", timeout=2):
                return
            time.sleep(0.2)
        raise ResultsError(f"MLflow's server does not answer at {self.address}")

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line.decode(errors="replace").rstrip())
            del self._said[:-50]


def _free_port(port: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except PermissionError:
            raise InputError(
                f"--port {port} is for the administrator", "Name one from 1024, or leave --port out."
            ) from None
        except OSError:
            raise InputError(f"port {port} is taken", "Name another one, or leave --port out.") from None
        free: int = probe.getsockname()[1]
        return free


def main(uri: str, port: str) -> None:
    """Run MLflow's server as a child, and end with whoever holds the other end of standard input.

    MLflow starts processes of its own, which nobody would end if the one that asked for them were killed.
    """
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", HOST]
    server = subprocess.Popen([*command, "--port", port, "--workers", "1"], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is sent to the whole group below

    def watch() -> None:
        sys.stdin.buffer.read()
        os.killpg(0, signal.SIGTERM)
        time.sleep(_GRACE_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    server.wait()
    os.killpg(0, signal.SIGKILL)  # what it left behind, and this process


if __name__ == "__main__":
    main(*sys.argv[1:])
