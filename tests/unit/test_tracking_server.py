"""MLflow's server for a browser, with small programs in its place: when it is ready, and that it goes."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from bench.errors import InputError, ResultsError, command
from bench.tracking import server as module
from bench.tracking.server import Server, served


@pytest.fixture
def started(monkeypatch):
    """A server whose process runs a program of the test's; what it was started with."""
    real, asked = subprocess.Popen, []

    def start(program: str, port: int = 1) -> Server:
        def popen(command, **options):
            asked.append((command, options))
            return real([sys.executable, "-c", program], **options)

        monkeypatch.setattr(module.subprocess, "Popen", popen)
        made = Server("sqlite:///x", port)
        monkeypatch.setattr(module.subprocess, "Popen", real)
        return made

    start.asked = asked
    return start


WAITS = "import sys; sys.stdin.buffer.read()"
STAYS = "import time; time.sleep(600)"


def test_it_is_ready_once_it_answers_and_goes_when_it_is_closed(started, monkeypatch):
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(503 if len(asked) == 1 else 200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    with HTTPServer(("127.0.0.1", 0), Health) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        with started(WAITS, http.server_port) as server:
            assert server.address == f"http://127.0.0.1:{http.server_port}"
            server.wait_until_ready()
        http.shutdown()
    assert asked == ["/health"] * 2 and server._process.returncode == 0
    ((command, options),) = started.asked
    assert command[1:] == ["-P", "-m", "bench.tracking.server", "sqlite:///x", str(http.server_port)]
    assert options["start_new_session"] is True
    environment = options["env"]
    assert environment["MLFLOW_BACKEND_STORE_URI"] == environment["MLFLOW_TRACKING_URI"] == "sqlite:///x"
    assert "/mine" not in environment.get("PYTHONPATH", "")


def test_a_server_that_ends_tells_its_last_eight_lines(started):
    with (
        started("for number in range(20): print('line', number)") as server,
        pytest.raises(ResultsError) as caught,
    ):
        server.wait_until_ready()
    said = "\n".join(f"line {number}" for number in range(12, 20))
    assert str(caught.value) == f"MLflow's server did not start:\n{said}"


def test_a_server_that_does_not_answer_is_given_up_and_killed(started, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    began = time.monotonic()
    with started(STAYS) as server, pytest.raises(ResultsError) as caught:
        server.wait_until_ready()
    assert str(caught.value) == "MLflow's server does not answer at http://127.0.0.1:1"
    assert server._process.returncode == -signal.SIGKILL and time.monotonic() - began > 0.3 + 0.2


@pytest.mark.parametrize("stubborn", [True, False])
def test_a_server_has_twice_the_time_of_those_below_it_and_goes_in_any_case(monkeypatch, stubborn: bool):
    told = []

    def wait(seconds=None):
        told.append(seconds)
        if stubborn and seconds:
            raise subprocess.TimeoutExpired("server", seconds)

    def kill(*given):
        told.append(given)
        raise ProcessLookupError

    def close():
        told.append("closed")
        raise BrokenPipeError

    monkeypatch.setattr(module.os, "killpg", kill)
    server = object.__new__(Server)
    server._process = SimpleNamespace(pid=7, stdin=SimpleNamespace(close=close), wait=wait)
    with server:
        assert told == []
    assert told == ["closed", 20.0, (7, signal.SIGKILL), None]


def test_a_server_that_ends_by_itself_is_waited_for(started):
    with started("pass") as server:
        server.wait()
        assert server._process.returncode == 0 and server._reader.daemon


def test_a_port_is_free_taken_or_for_the_administrator(monkeypatch):
    port = module._free_port(None)
    assert 1024 <= port <= 65535 and module._free_port(port) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            module._free_port(number)
    assert caught.value.what == f"port {number} is taken"
    assert caught.value.way_out == "Name another one, or leave --port out."

    class Refused(socket.socket):
        def bind(self, address):
            raise PermissionError

    monkeypatch.setattr(module.socket, "socket", Refused)
    with pytest.raises(InputError) as caught:
        module._free_port(80)
    assert caught.value.what == "--port 80 is for the administrator"
    assert caught.value.way_out == "Name one from 1024, or leave --port out."


@pytest.mark.parametrize("port", [None, 1, 65535])
def test_without_records_there_is_nothing_to_serve(tmp_path, monkeypatch, port):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(InputError, match=r"has no mlflow\.db yet") as caught, served(tmp_path, port):
        pass
    assert caught.value.what == f"{tmp_path} has no mlflow.db yet"
    assert caught.value.way_out == f"Run a suite first, or send what is recorded: {command()} sync"


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_number_that_is_no_port_is_refused(tmp_path, port: int):
    with pytest.raises(InputError) as caught, served(tmp_path, port):
        pass
    assert caught.value.what == f"--port {port} is no port"
    assert caught.value.way_out == "Give a number from 1 to 65535, or leave --port out."


@pytest.mark.parametrize("damaged", [True, False])
def test_records_are_served_once_they_are_whole_and_of_this_version(tmp_path, monkeypatch, damaged: bool):
    store, told = tmp_path / "mlflow.db", []

    class Lock:
        def __init__(self, results):
            assert results == tmp_path

        @contextmanager
        def held(self):
            told.append("held")
            yield
            told.append("free")

    class Ready:
        def __init__(self, uri, port):
            told.append((uri, port))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            told.append("ended")

        def wait_until_ready(self):
            told.append("ready")

    monkeypatch.setattr(module, "apply_settings", lambda results: f"uri of {results}")
    monkeypatch.setattr(module, "own_store", lambda results, uri: store)
    monkeypatch.setattr(module, "SyncLock", Lock)
    monkeypatch.setattr(module, "is_cut_off", lambda path: damaged and path == store)
    monkeypatch.setattr(module, "check_version", lambda uri: told.append(f"version of {uri}"))
    monkeypatch.setattr(module, "_free_port", lambda port: port + 1)
    monkeypatch.setattr(module, "Server", Ready)
    store.touch()
    if damaged:
        with pytest.raises(InputError) as caught, served(tmp_path, 5):
            pass
        assert told == ["held"] and caught.value.what == f"{store} is damaged"
        assert caught.value.way_out == (
            f"Everything is in the journals, too: {command()} sync --results {tmp_path} puts the file aside and makes "
            "it anew."
        )
        return
    with served(tmp_path, 5) as server:
        assert isinstance(server, Ready)
        assert told == ["held", f"version of uri of {tmp_path}", "free", (f"uri of {tmp_path}", 6), "ready"]
    assert told[-1] == "ended"


def test_records_that_are_kept_elsewhere_are_not_served(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:1")
    with pytest.raises(InputError) as caught, served(tmp_path):
        pass
    assert caught.value.what == "records are kept elsewhere (http://***@127.0.0.1:1)"
    assert caught.value.way_out == "Open that address in a browser."


MAIN = """
import subprocess, sys
from bench.tracking import server
server._GRACE_S = 0.2
real = subprocess.Popen
def popen(command, **more):
    assert command[1:8] == ["-P", "-m", "mlflow", "server", "--backend-store-uri", "uri", "--host"], command
    assert command[8:] == ["127.0.0.1", "--port", "77", "--workers", "1"], command
    return real([sys.executable, "-c", sys.argv[1]], **more)
server.subprocess.Popen = popen
server.main("uri", "77")
"""
POLITE = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {POLITE}"
ENDS = "print('up', flush=True)"


@pytest.mark.parametrize(("child", "close"), [(STUBBORN, True), (POLITE, True), (ENDS, False)])
def test_the_process_around_the_server_ends_with_whoever_started_it(child, close):
    around = subprocess.Popen(
        [sys.executable, "-c", MAIN, child],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert around.stdout.readline() == b"up\n"
    if close:
        around.stdin.close()
    assert around.wait(30) == -signal.SIGKILL
    assert around.stdout.read() == b"", "nobody holds it any more"


def test_whoever_is_left_of_its_group_is_asked_to_end_and_then_killed(monkeypatch):
    """The same in this process, where the order can be seen."""
    told = []

    class AtOnce:
        def __init__(self, target, daemon):
            assert daemon is True
            self.start = target

    monkeypatch.setattr(module.subprocess, "Popen", lambda command, **options: SimpleNamespace(wait=wait))
    monkeypatch.setattr(module.signal, "signal", lambda *given: told.append(given))
    monkeypatch.setattr(module.os, "killpg", lambda *given: told.append(given))
    monkeypatch.setattr(module.time, "sleep", told.append)
    monkeypatch.setattr(
        module.sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=lambda: wait("read")))
    )
    monkeypatch.setattr(module.threading, "Thread", AtOnce)

    def wait(what: str = "waited"):
        told.append(what)

    module.main("uri", "77")
    asked = [(signal.SIGTERM, signal.SIG_IGN), "read", (0, signal.SIGTERM), 10.0, (0, signal.SIGKILL)]
    assert told == [*asked, "waited", (0, signal.SIGKILL)]
