"""One trial in a worker, from its folder to its exit code, with the experiment as a stand-in."""

import json
import os
import sys
from types import SimpleNamespace

import pytest

from bench.worker import backends, fetch, process, protocol
from bench.worker.jsonl import read_lines
from bench.worker.process import run_trial
from wbc import experiment
from wbc.errors import InputError

CONTENT = {"data_folder": "/d", "manifest": "/d/m", "image_size": 32, "network": "LeNet5", "mode": "scratch"}


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Runs a trial whose experiment does what it is told; its journal, and what was asked."""
    folder = tmp_path / "trial" / "attempt-1"
    folder.mkdir(parents=True)
    asked: list = []
    monkeypatch.setattr(protocol, "die_with_parent", lambda parent: asked.append(("parent", parent)))
    monkeypatch.setattr(process, "keep_to_cores", lambda: asked.append("cores"))
    monkeypatch.setattr(process, "describe_machine", lambda: {"python": "3", "variables": {}})
    monkeypatch.setattr(process, "write_packages", lambda at: asked.append(("packages", at)))
    monkeypatch.setattr(backends, "load_backend", lambda specification: {"keras": "3.99"})
    monkeypatch.setattr(experiment, "load_trainer", lambda mode: asked.append(("trainer", mode)))

    def runs(does, turn: int | None = None, **content) -> tuple[int, list[dict], list]:
        (folder / "trial.json").write_text(
            json.dumps({"specification": {**CONTENT, **content}, "runtime": {}})
        )
        monkeypatch.setattr(experiment, "run", does)
        read, write = os.pipe()
        monkeypatch.setenv(protocol.PARENT_PID, "77")
        monkeypatch.setenv(protocol.EVENT_FD, str(write))
        monkeypatch.setenv(protocol.SPAWNED_NS, "123")
        if turn is not None:
            monkeypatch.setenv(protocol.TURN_FD, str(turn))
        code = run_trial(folder)
        assert os.read(read, 1 << 16)
        os.close(read)
        os.close(write)
        assert protocol.EVENT_FD not in os.environ and protocol.TURN_FD not in os.environ
        return code, read_lines(folder / "events.jsonl"), asked

    return runs


def names(events: list[dict]) -> list[str]:
    return [f"{event['event']} {event.get('phase', '')}".strip() for event in events]


def test_a_trial_from_its_start_to_its_end(attempt, tmp_path):
    seen = []

    def does(specification, recorder):
        seen.append((specification, recorder))
        recorder.finished(SimpleNamespace(memory=lambda: {"allocator_peak": 7}))

    code, events, asked = attempt(does, profile={"steps": 2})
    assert code == 0 and names(events) == [
        *("phase_started startup", "environment", "phase_ended startup"),
        *("phase_started teardown", "memory", "closed"),
    ]
    assert (events[0]["t"], events[0]["cpu"]) == (123, 0)
    assert events[1]["environment"] == {"python": "3", "variables": {}, "keras": "3.99"}
    folder = tmp_path / "trial" / "attempt-1"
    assert asked == [("parent", 77), "cores", ("trainer", "scratch"), ("packages", folder)]
    ((specification, recorder),) = seen
    assert specification.profile.folder == folder / "trace" and recorder._turns is None
    assert events[4]["allocator_peak"] == 7


def test_a_method_of_scikit_learn_loads_no_framework(attempt, monkeypatch):
    monkeypatch.setattr(backends, "load_backend", lambda specification: pytest.fail("no Keras"))
    code, events, _ = attempt(lambda specification, recorder: None, mode="classical", network="SVM")
    assert code == 0 and events[1]["environment"] == {"python": "3", "variables": {}}


def test_a_worker_that_shares_its_place_has_turns(attempt):
    turn, give = os.pipe()
    code, _, _ = attempt(
        lambda specification, recorder: os.write(give, b".") if recorder._turns else 1 / 0, turn
    )
    assert code == 0
    os.close(turn)
    os.close(give)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (SystemExit(3), "setup", "the trial's code called sys.exit(3)"),
        (InputError("no weights", "Give some."), "setup", "no weights. Give some."),
        (ZeroDivisionError("oh"), "crashed", "ZeroDivisionError: oh"),
    ],
)
def test_a_failure_is_in_the_journal_and_the_exit_code_says_so(attempt, capsys, error, kind, message):
    def does(specification, recorder):
        raise error

    code, events, asked = attempt(does)
    assert code == 1 and names(events)[-2:] == ["failed", "closed"]
    assert (events[-2]["kind"], events[-2]["message"]) == (kind, message)
    assert asked[-1][0] == "packages"
    assert ("Traceback" in capsys.readouterr().err) is not isinstance(error, SystemExit)


@pytest.mark.parametrize(("parent", "ended"), [(os.getppid(), []), (os.getppid() + 1, [1])])
def test_a_worker_without_its_parent_ends(monkeypatch, parent, ended):
    asked, codes = [], []
    library = SimpleNamespace(prctl=lambda *given: asked.append(given))
    monkeypatch.setattr(protocol.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(protocol.os, "_exit", codes.append)
    protocol.die_with_parent(parent)
    assert asked == [(1, 9)] and codes == ended, "PR_SET_PDEATHSIG, SIGKILL"


def test_the_end_of_a_process(monkeypatch):
    done = []
    monkeypatch.setattr(protocol.atexit, "_run_exitfuncs", lambda: done.append("registered"))
    monkeypatch.setattr(protocol.os, "_exit", lambda code: done.append(code))
    monkeypatch.setattr(protocol.sys, "stdout", SimpleNamespace(flush=lambda: done.append("out")))
    monkeypatch.setattr(protocol.sys, "stderr", SimpleNamespace(flush=lambda: done.append("err")))
    main = SimpleNamespace(daemon=False)
    monkeypatch.setattr(protocol.threading, "main_thread", lambda: main)
    monkeypatch.setattr(protocol.threading, "enumerate", lambda: [main, SimpleNamespace(daemon=True)])
    protocol.end_at_once(3)
    assert done == ["registered", "out", "err", 3]
    monkeypatch.setattr(protocol.threading, "enumerate", lambda: [main, SimpleNamespace(daemon=False)])
    with pytest.raises(SystemExit) as caught:
        protocol.end_at_once(4)
    assert caught.value.code == 4


def test_weights_are_fetched_or_the_reason_is_told(monkeypatch):
    asked = []
    monkeypatch.setattr(fetch, "fetch_with_keras", lambda *given: asked.append(given))
    assert fetch.main('["VGG16", {"a": 1}, 224]') is None and asked == [("VGG16", {"a": 1}, 224)]

    def fails(*given):
        raise InputError("nobody answers", "Try again.")

    monkeypatch.setattr(fetch, "fetch_with_keras", fails)
    assert fetch.main('["VGG16", {}, 224]') == "nobody answers"


def test_folders_of_the_users_come_after_the_installed_packages(monkeypatch, tmp_path):
    from bench.worker.startup import own_packages_first

    mine = [str(tmp_path / "a"), str(tmp_path / "b")]
    monkeypatch.setattr(sys, "path", [mine[0], "/lib", mine[1], "/site"])
    own_packages_first({"PYTHONPATH": os.pathsep.join([*mine, "/nowhere"])})
    assert sys.path == ["/lib", "/site", *mine]
