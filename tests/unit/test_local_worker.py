"""How a worker and its sampler are started on this machine, heard, stopped and reaped; what runs is a stand-in."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.devices.device import Device, Slot
from bench.journal.results import Attempt
from bench.runner import local
from bench.telemetry import process
from bench.trials.sampling import TelemetrySettings
from bench.worker import protocol
from bench.worker.jsonl import read_lines

CPU = Slot("cpu:0", (Device("cpu", "P"),), (0, 3))
OFF = TelemetrySettings(enabled=False)


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    folder = tmp_path / "trials" / "a-trial" / "attempt-1"
    folder.mkdir(parents=True)
    return Attempt(folder)


@pytest.fixture
def started(attempt: Attempt, monkeypatch):
    """Starts a worker in whose place this process stands; what Popen was asked, and the worker's end of the pipe."""
    asked, ends = [], []

    def popen(command, **more):
        asked.append((command, more))
        ends.append(os.dup(more["pass_fds"][0]))
        return SimpleNamespace(pid=os.getpid())

    monkeypatch.setattr(local.subprocess, "Popen", popen)
    monkeypatch.setattr(local, "origin", lambda gpu: {"host": f"gpu {gpu}"})

    def start(**more):
        engine = local.LocalEngine([CPU], None, **{"telemetry": OFF, **more})
        return engine.start(attempt, CPU), asked[0], ends[0]

    yield start
    for end in ends:
        os.close(end)


def test_a_worker_is_started_apart_from_the_terminal_with_what_it_needs(attempt, started, monkeypatch):
    monkeypatch.setattr(
        local,
        "child_environment",
        lambda python: {"OF": "", "BY": python, "PYTHONUNBUFFERED": "0", "CUDA_VISIBLE_DEVICES": "0,1"},
    )
    _, (command, more), _ = started(
        python="/a/python",
        environment={"MORE": "1", "OF": "its own"},
        seen_as=lambda folder: Path("seen") / folder.name,
        turn=SimpleNamespace(read_end=0),
    )
    assert command == ["/a/python", "-P", "-m", "bench.worker", "seen/attempt-1"]
    end, turn = more["pass_fds"]
    assert turn == 0 and more["start_new_session"] is True and more["stdin"] == subprocess.DEVNULL
    assert more["stdout"] is more["stderr"] and more["stdout"].name == str(attempt.log)
    environment = more["env"]
    assert abs(time.monotonic_ns() - int(environment.pop("LEUKOBENCH_SPAWNED_NS"))) < 60e9
    assert environment == {
        **CPU.environment(),
        **{"BY": "/a/python", "OF": "its own", "MORE": "1", "PYTHONUNBUFFERED": "1"},
        **{"LEUKOBENCH_EVENT_FD": f"{end:04}", "LEUKOBENCH_TURN_FD": "0000"},
        "LEUKOBENCH_PARENT_PID": str(os.getpid()),
    }


def test_where_nothing_else_is_said(attempt, started):
    _, (command, more), _ = started()
    assert command == [sys.executable, "-P", "-m", "bench.worker", str(attempt.folder.resolve())]
    assert len(more["pass_fds"]) == 1 and protocol.TURN_FD not in more["env"]


def test_the_journal_begins_with_the_start_the_machine_and_the_sampler(attempt, started, monkeypatch):
    asked = []
    monkeypatch.setattr(local, "SamplerProcess", lambda *given: asked.append(given))
    notes = {"machine": {"machine": {"a": 1}}, "peak": {"rates": {}}}
    started(notes=lambda slot: notes if slot is CPU else {}, telemetry=TelemetrySettings(interval_s=0.25))
    first, *rest = read_lines(attempt.runner_events)
    assert [one["event"] for one in rest] == ["machine", "peak"] and rest[0]["machine"] == {"a": 1}
    assert (first["event"], first["pid"], first["provenance"]) == (
        "started",
        os.getpid(),
        {"host": "gpu False"},
    )
    assert first["at"].endswith("+00:00") and len(first["at"]) == 29, "to the millisecond"
    assert (first["slot"]["name"], first["slot"]["cores"]) == ("cpu:0", [0, 3])
    assert asked == [(attempt, CPU, os.getpid(), 0.25)]


def test_why_there_is_no_sampler_is_noted(attempt, started, monkeypatch):
    started()
    (told,) = [one for one in read_lines(attempt.runner_events) if one["event"] == "telemetry"]
    assert told["off"] == "it is switched off ([telemetry] enabled = false)"

    def full(*given):
        raise OSError(11, "no more processes")

    monkeypatch.setattr(local, "SamplerProcess", full)
    started(telemetry=TelemetrySettings(off_every=2, without=frozenset({"a-trial"})))
    assert "off_every = 2" in read_lines(attempt.runner_events)[-1]["off"]
    started(telemetry=TelemetrySettings())
    assert read_lines(attempt.runner_events)[-1]["off"] == (
        "its process could not be started: no more processes"
    )


def test_a_worker_that_cannot_be_started_leaves_no_descriptor(attempt, monkeypatch):
    def fails(*given, **more):
        raise OSError("no more processes")

    monkeypatch.setattr(local.subprocess, "Popen", fails)
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match="no more processes"):
        local.LocalEngine([CPU], None, telemetry=OFF).start(attempt, CPU)
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_what_a_worker_says_is_heard_line_by_line(started):
    worker, _, end = started()
    heard = []
    worker._sampler = SimpleNamespace(tell=heard.append)
    assert worker.events() == []
    os.write(end, b'{"event": "a"}\nnoise\n{"event": "turn_begins", "left_out": 7}\n{"event"')
    assert [one["event"] for one in worker.events()] == ["a", "turn_begins"] and worker.events() == []
    os.write(end, b': "turn_begins", "left_out": 5}\n')
    assert [one["left_out"] for one in worker.events()] == [5]
    assert worker._journal.left_out_ns == 12 and [one["event"] for one in heard] == [
        *("a", "turn_begins", "turn_begins"),
    ]
    assert len(worker.filenos()) == 2


def test_signals_go_to_a_worker_and_all_that_it_started(started, monkeypatch):
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *given: sent.append(given))
    worker, _, _ = started()
    worker.stop("timeout", "too long")
    worker.stop("interrupted", "a signal")
    worker.kill()
    assert sent == [(os.getpid(), one) for one in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)]
    assert worker._stopped == {"why": "timeout", "message": "too long"}

    def gone(*given):
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", gone)
    worker.kill()


def test_how_a_worker_ended_is_noted_and_its_sampler_finishes(attempt, monkeypatch):
    kills = iter([2, 5])
    monkeypatch.setattr(local, "killed_for_memory", lambda: next(kills))
    monkeypatch.setattr(local, "origin", lambda gpu: {})
    read_end, write_end = os.pipe()
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *given: sent.append((*given, begun.returncode)))
    begun = subprocess.Popen(["sh", "-c", "exit 3"], start_new_session=True, stdout=write_end)
    turn = {"event": "turn_begins", "left_out": 10**18}
    os.write(write_end, f'{json.dumps(turn)}\n{{"event": "closed"}}\n'.encode())
    os.close(write_end)
    worker = local.LocalWorker(attempt, CPU, begun, read_end)
    done = []
    worker._sampler = SimpleNamespace(tell=done.append, finish=lambda: done.append("finish"))
    worker._stopped = {"why": "timeout", "message": "x"}
    wait4, spent = os.wait4, SimpleNamespace(ru_utime=1.5, ru_stime=0.25)
    monkeypatch.setattr(os, "wait4", lambda *given: (*wait4(*given)[:2], spent))
    for _ in range(10_000):
        if worker.reap():
            break
        time.sleep(0.001)
    assert worker.reap() and begun.returncode == 3
    assert sent == [(begun.pid, signal.SIGKILL, None)], (
        "what it started, once, before its id can be another's"
    )
    ended = read_lines(attempt.runner_events)[-1]
    assert {name: ended[name] for name in ("event", "exit_code", "stopped", "memory_kills")} == {
        **{"event": "ended", "exit_code": 3, "stopped": {"why": "timeout", "message": "x"}},
        "memory_kills": 3,
    }
    assert ended["t"] < 0, "without the turn of another that nobody had heard of yet"
    assert ended["cpu_s"] == 1.75 and done == [turn, {"event": "closed"}, "finish"]
    assert [one["event"] for one in worker.events()] == ["turn_begins", "closed"] and len(
        worker.filenos()
    ) == 1
    with pytest.raises(OSError):
        os.fstat(read_end)


def test_a_sampler_is_started_and_told_the_edges_of_phases_and_turns(attempt, monkeypatch):
    asked = []
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)

    def popen(command, **more):
        asked.append((command, more))
        return SimpleNamespace(stdin=os.fdopen(write_end, "wb"), wait=lambda seconds: asked.append(seconds))

    monkeypatch.setattr(process.subprocess, "Popen", popen)
    monkeypatch.setattr(process, "child_environment", lambda: {"A": "1"})
    gpus = (Device("gpu", "X", "u", 0), Device("gpu", "X", "v", 1))
    sampler = process.SamplerProcess(attempt, Slot("gpu:0+1", gpus, (1,)), 77, 0.5)
    ((command, more),) = asked
    *python, job = command
    assert python == [sys.executable, "-P", "-m", "bench.telemetry"]
    assert json.loads(job) == {
        **{"path": str(attempt.telemetry.resolve()), "worker": 77, "harness": os.getpid()},
        **{"interval_s": 0.5, "cores": [1], "gpus": {gpus[0].name: "u", gpus[1].name: "v"}},
    }
    assert more.pop("stdin") == subprocess.PIPE
    assert more == {
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {"A": "1"}},
        "start_new_session": True,
    }
    for event in (
        {"event": "phase_started", "phase": "train", "t": 1, "cpu": 9},
        {"event": "epoch", "t": 2},
        {"event": "phase_ended", "phase": "train", "t": 3, "figures": {}},
        {"event": "turn_over", "t": 4},
        {"event": "turn_begins", "t": 5, "left_out": 6},
    ):
        sampler.tell(event)
    told = [json.loads(line) for line in os.read(read_end, 4096).splitlines()]
    assert told == [
        {"event": "phase_started", "phase": "train", "t": 1},
        {"event": "phase_ended", "phase": "train", "t": 3},
        {"event": "turn_over", "t": 4},
        {"event": "turn_begins", "t": 5, "left_out": 6},
    ]
    sampler.finish()
    assert asked[1:] == [2.0] and os.read(read_end, 1) == b""
    os.close(read_end)
    sampler.tell({"event": "turn_over", "t": 7})  # it died
