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
from typing import Any

import msgspec

from bench.devices.device import Slot
from bench.journal.results import Attempt
from bench.machine.host import killed_for_memory
from bench.machine.notes import Notes, origin
from bench.telemetry.process import SamplerProcess
from bench.trials.sampling import TelemetrySettings
from bench.worker import protocol
from bench.worker.jsonl import EventWriter


class LocalEngine:
    """Starts `python -m bench.worker`, in a session of its own: Ctrl-C reaches the harness alone.

    Args:
        python: The interpreter of the environment in which trials run.
        telemetry: How trials are sampled.
        without: Ids of the trials that run without telemetry.
        environment: Environment variables that go before the harness' own.
        notes: What the journal of a trial on a slot says of the machine.
    """

    def __init__(
        self,
        python: str = sys.executable,
        telemetry: TelemetrySettings | None = None,
        without: frozenset[str] = frozenset(),
        environment: Mapping[str, str] | None = None,
        notes: Notes | None = None,
    ):
        self.python, self.without, self._notes = python, without, notes
        self.telemetry = telemetry or TelemetrySettings()
        self.environment = dict(environment or {})

    def start(self, attempt: Attempt, slot: Slot) -> "LocalRunning":
        """See `bench.runner.engine.Engine`."""
        read_end, write_end = os.pipe()
        try:
            with attempt.log.open("wb") as log:
                spawned = time.monotonic_ns()
                process = subprocess.Popen(
                    # -P: the current folder may hold another `bench`, such as a clone beside an installed package.
                    [self.python, "-P", "-m", "bench.worker", str(attempt.folder.resolve())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write_end],
                    env={**_environment(slot, write_end, spawned), **self.environment},
                    start_new_session=True,
                )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        running = LocalRunning(attempt, slot, process, read_end)
        for event, content in (self._notes(slot) if self._notes else {}).items():
            running.note(event, **content)
        if reason := self.telemetry.reason_off(attempt.trial_id, self.without):
            running.note("telemetry", off=reason)
        else:
            running.sample(self.telemetry.interval_s)
        return running


class LocalRunning:
    """A worker process; a `bench.runner.engine.Running`."""

    def __init__(self, attempt: Attempt, slot: Slot, process: subprocess.Popen, pipe: int):
        self.attempt, self.slot = attempt, slot
        self._process, self._pipe = process, pipe
        # Readable when the process ends, whoever of its children still holds the pipe.
        self._pidfd = os.pidfd_open(process.pid)
        os.set_blocking(pipe, False)
        self._unread = b""
        self._piped = True
        self._stopped: dict[str, str] = {}
        self._over = False
        self._memory_kills = killed_for_memory()
        self._sampler: SamplerProcess | None = None
        self._journal = EventWriter(attempt.runner_events)
        self.note(
            "started",
            pid=process.pid,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            slot=msgspec.to_builtins(slot.description()),
            provenance=origin(gpu=slot.kind == "gpu"),
        )

    def sample(self, interval_s: float) -> None:
        """Start a sampler beside the worker; where that fails, the trial goes on without."""
        try:
            self._sampler = SamplerProcess(self.attempt, self.slot, self._process.pid, interval_s)
        except OSError as error:
            self.note("telemetry", off=f"its process could not be started: {error.strerror}")

    def filenos(self) -> list[int]:
        """See `bench.runner.engine.Running`."""
        return [self._pidfd, self._pipe] if self._piped else [self._pidfd]

    def events(self) -> list[dict[str, Any]]:
        """See `bench.runner.engine.Running`."""
        self._read()
        *lines, self._unread = self._unread.split(b"\n")
        events = []
        for line in lines:
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
        if self._sampler is not None:
            for event in events:
                self._sampler.tell(event)
        return events

    def is_over(self) -> bool:
        """See `bench.runner.engine.Running`."""
        if self._over:
            return True
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._over = True
        # What the worker started must not outlive it; until it is waited for, its number is no one else's.
        self._signal(signal.SIGKILL)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.note(
            "ended",
            exit_code=self._process.returncode,
            cpu_s=usage.ru_utime + usage.ru_stime,
            stopped=self._stopped,
            memory_kills=killed_for_memory() - self._memory_kills,
        )
        self._journal.close()
        if self._sampler is not None:
            self._sampler.finish()
        self._read()
        self._piped = False
        os.close(self._pidfd)
        os.close(self._pipe)
        return True

    def note(self, event: str, **content: Any) -> None:
        """See `bench.runner.engine.Running`."""
        self._journal.write(event, **content)

    def stop(self, why: str, message: str) -> None:
        """See `bench.runner.engine.Running`."""
        self._stopped = self._stopped or {"why": why, "message": message}
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """See `bench.runner.engine.Running`."""
        self._signal(signal.SIGKILL)

    def _read(self) -> None:
        while self._piped:
            try:
                chunk = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                return
            self._unread += chunk
            self._piped = bool(chunk)

    def _signal(self, number: signal.Signals) -> None:
        """To the worker and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _environment(slot: Slot, event_fd: int, spawned: int) -> Mapping[str, str]:
    return {
        **os.environ,
        **slot.environment(),
        protocol.SPAWNED_NS: str(spawned),
        protocol.EVENT_FD: str(event_fd),
        protocol.PARENT_PID: str(os.getpid()),
        # Without this a worker that is killed leaves its last words in a buffer.
        "PYTHONUNBUFFERED": "1",
    }
