"""An engine that runs an attempt as a process on this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from bench.errors import InterruptedRun
from bench.journal.jsonl import EventWriter
from bench.journal.results import Attempt
from bench.runner.engine import OnEvent
from bench.runtime import Device
from bench.worker import protocol

GRACE_S = 5.0
"""How long a worker that was asked to stop may take."""


class LocalEngine:
    """Starts `python -m bench.worker` and waits, without polling, until its event pipe closes."""

    def __init__(self, python: str = sys.executable):
        self.python = python

    def run(self, attempt: Attempt, device: Device, on_event: OnEvent) -> None:
        """See `bench.runner.engine.Engine`."""
        journal = EventWriter(attempt.runner_events)
        read_end, write_end = os.pipe()
        try:
            with attempt.log.open("wb") as log:
                spawned = time.monotonic_ns()
                process = subprocess.Popen(
                    [self.python, "-m", "bench.worker", str(attempt.folder.resolve())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write_end],
                    env=_environment(device, write_end, spawned),
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops its worker
                )
            journal.write(
                "started",
                pid=process.pid,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                device={"kind": device.kind, "model": device.model, "uuid": device.uuid},
            )
            os.close(write_end)
            stopped: dict = {}
            try:
                _follow(read_end, on_event)
                status, usage = _reap(process)
            except InterruptedRun as interruption:
                stopped = {"signal": signal.Signals(interruption.exit_code - 128).name}
                status, usage = _stop(process)
                raise
            finally:
                journal.write(
                    "ended",
                    exit_code=os.waitstatus_to_exitcode(status),
                    cpu_s=usage.ru_utime + usage.ru_stime,
                    stopped=stopped,
                )
        finally:
            os.close(read_end)
            journal.close()


def _environment(device: Device, event_fd: int, spawned: int) -> Mapping[str, str]:
    environment = {
        **os.environ,
        protocol.SPAWNED_NS: str(spawned),
        protocol.EVENT_FD: str(event_fd),
        protocol.PARENT_PID: str(os.getpid()),
        protocol.DEVICE_KIND: device.kind,
        # Without this a worker that is killed leaves its last words in a buffer.
        "PYTHONUNBUFFERED": "1",
    }
    environment["CUDA_VISIBLE_DEVICES"] = device.uuid if device.kind == "gpu" else ""
    return environment


def _follow(read_end: int, on_event: OnEvent) -> None:
    """Pass events on until every holder of the pipe's other end is gone."""
    with os.fdopen(read_end, "rb", closefd=False) as pipe:
        for line in pipe:
            with contextlib.suppress(ValueError):
                on_event(json.loads(line))


def _reap(process: subprocess.Popen) -> tuple[int, "os.struct_rusage"]:
    """Wait for the process; its wait status and what it used."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return status, usage


def _stop(process: subprocess.Popen) -> tuple[int, "os.struct_rusage"]:
    """Ask the worker to stop; make it stop when it doesn't, or when a second signal comes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return status, usage
            time.sleep(0.05)
    except InterruptedRun:
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return _reap(process)
