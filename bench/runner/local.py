"""An engine that runs each attempt as a process on this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.devices.cgroup import killed_for_memory
from bench.devices.device import Slot
from bench.devices.lease import Leased, lease
from bench.devices.machine import Choice, choose_slots, find_machine
from bench.devices.nvml import Nvml, NvmlError, open_nvml
from bench.devices.other_users import neighbors, wait_until_quiet
from bench.journal.results import Attempt
from bench.machine.notes import Notes, notes_of, origin
from bench.runner.turns import TurnPipe
from bench.suite.resolve import ResolvedSuite
from bench.telemetry.process import SamplerProcess
from bench.trials.origin import Neighbors
from bench.trials.sampling import TelemetrySettings
from bench.worker import protocol
from bench.worker.jsonl import EventWriter, Facts, RawEvent
from bench.worker.startup import child_environment
from bench.worker.turns import BEGINS


class LocalOtherUsers:
    """A `bench.runner.engine.OtherUsers` of this machine.

    Args:
        nvml: An open session with the driver; None if no slot has a GPU, or the driver does not answer.
        quiet_s: The longest wait for a quiet machine, in seconds.
        say: Is told what it waits for.
    """

    def __init__(self, nvml: Nvml | None, quiet_s: float, say: Callable[[str], None]) -> None:
        self.nvml, self.quiet_s, self.say = nvml, quiet_s, say
        self._seen: dict[str, Neighbors] = {}

    def neighbors(self, slot: Slot) -> Neighbors | None:
        """See `bench.runner.engine.OtherUsers`; nobody is looked for on a processor.

        The answer stays the same as long as the processes do: another amount of their memory is no news.
        """
        if self.nvml is None or slot.kind != "gpu":
            return None
        now = neighbors(slot, self.nvml)
        before = self._seen.get(slot.name)
        if before is None or _who(before) != _who(now):
            self._seen[slot.name] = before = now
        return None if before.alone and not before.foreign else before

    def wait_until_quiet(self, slot: Slot, sleep: Callable[[float], None]) -> Facts:
        """See `bench.runner.engine.OtherUsers`."""
        began = time.monotonic()
        noise = wait_until_quiet([slot], self.nvml, self.quiet_s, time.monotonic, sleep, self.say)
        return {"noise": noise, "waited_s": time.monotonic() - began}


@contextlib.contextmanager
def local_other_users(
    slots: Sequence[Slot], quiet_s: float, say: Callable[[str], None]
) -> Iterator[LocalOtherUsers]:
    """The other users of some slots, with the driver's library open as long as it is needed."""
    with contextlib.ExitStack() as stack:
        nvml = None
        if any(slot.kind == "gpu" for slot in slots):
            try:
                nvml = stack.enter_context(open_nvml())
            except NvmlError as error:
                say(f"Other users of the GPUs cannot be seen: {error.reason}.")
        yield LocalOtherUsers(nvml, quiet_s, say)


class LocalEngine:
    """Starts `python -m bench.worker` in a session of its own, so that Ctrl-C reaches the harness alone.

    Args:
        slots: Where trials run.
        other_users: Who else is there.
        python: The interpreter of the environment in which trials run.
        telemetry: How trials are sampled.
        environment: Environment variables that override the harness' own.
        notes: What the journal of a trial on a slot says of the machine.
        seen_as: The path by which a worker sees the folder of its attempt.
        turn: Tells its worker, the only one, when it is its turn.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        other_users: LocalOtherUsers,
        *,
        python: str = sys.executable,
        telemetry: TelemetrySettings | None = None,
        environment: Mapping[str, str] | None = None,
        notes: Notes | None = None,
        seen_as: Callable[[Path], Path] = Path.resolve,
        turn: TurnPipe | None = None,
    ) -> None:
        self.slots, self.other_users, self._turn = slots, other_users, turn
        self.python, self._notes, self._seen_as = python, notes, seen_as
        self.telemetry = telemetry or TelemetrySettings()
        self.environment = dict(environment or {})

    def start(self, attempt: Attempt, slot: Slot) -> "LocalWorker":
        """See `bench.runner.engine.Engine`."""
        read_end, write_end = os.pipe()
        try:
            with attempt.log.open("wb") as log:
                spawned = time.monotonic_ns()
                process = subprocess.Popen(
                    # -P: the current folder may hold another `bench`, such as a clone beside an installed package.
                    [self.python, "-P", "-m", "bench.worker", str(self._seen_as(attempt.folder))],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write_end, *([self._turn.read_end] if self._turn else [])],
                    env={**self._environment(slot, write_end, spawned), **self.environment},
                    start_new_session=True,
                )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        worker = LocalWorker(attempt, slot, process, read_end)
        for event, content in (self._notes(slot) if self._notes else {}).items():
            worker.note(event, **content)
        if reason := self.telemetry.reason_off(attempt.trial_id):
            worker.note("telemetry", off=reason)
        else:
            worker.sample(self.telemetry.interval_s)
        return worker

    def _environment(self, slot: Slot, event_fd: int, spawned: int) -> dict[str, str]:
        return {
            **child_environment(python=self.python),
            **slot.environment(),
            protocol.SPAWNED_NS: str(spawned),
            # The environment of every worker has the same size.
            protocol.EVENT_FD: f"{event_fd:04}",
            **({protocol.TURN_FD: f"{self._turn.read_end:04}"} if self._turn else {}),
            protocol.PARENT_PID: str(os.getpid()),
            # Without this, the last output of a worker that is killed stays in a buffer.
            "PYTHONUNBUFFERED": "1",
        }


class LocalWorker:
    """A worker process; a `bench.runner.engine.Worker`."""

    def __init__(self, attempt: Attempt, slot: Slot, process: "subprocess.Popen[bytes]", pipe: int) -> None:
        self.attempt, self.slot = attempt, slot
        self._process, self._pipe = process, pipe
        # Readable when the process ends, even if one of its children still holds the pipe.
        self._pidfd = os.pidfd_open(process.pid)
        os.set_blocking(pipe, False)
        self._unread = b""
        self._events: list[RawEvent] = []
        self._piped = True
        self._stopped: dict[str, str] = {}
        self._reaped = False
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
        """Start a sampler beside the worker. If that fails, the trial runs without one."""
        try:
            self._sampler = SamplerProcess(self.attempt, self.slot, self._process.pid, interval_s)
        except OSError as error:
            self.note("telemetry", off=f"its process could not be started: {error.strerror}")

    def filenos(self) -> list[int]:
        """See `bench.runner.engine.Worker`."""
        return [self._pidfd, self._pipe] if self._piped else [self._pidfd]

    def events(self) -> list[RawEvent]:
        """See `bench.runner.engine.Worker`."""
        self._read()
        events, self._events = self._events, []
        return events

    def reap(self) -> bool:
        """See `bench.runner.engine.Worker`."""
        if self._reaped:
            return True
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._reaped = True
        self._read()  # what it left out shifts the time of its end
        # Nothing that the worker started may outlive it. Before the wait below, its process id is still its own.
        self._signal(signal.SIGKILL)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        try:
            self.note(
                "ended",
                exit_code=self._process.returncode,
                cpu_s=usage.ru_utime + usage.ru_stime,
                stopped=self._stopped,
                memory_kills=killed_for_memory() - self._memory_kills,
            )
            self._journal.close()
        finally:  # a full disk, say: what is made into a record now must not change any more
            if self._sampler is not None:
                self._sampler.finish()
        self._read()
        self._piped = False
        os.close(self._pidfd)
        os.close(self._pipe)
        return True

    def note(self, event: str, **content: Any) -> None:
        """See `bench.runner.engine.Worker`."""
        self._journal.write(event, **content)

    def stop(self, why: str, message: str) -> None:
        """See `bench.runner.engine.Worker`."""
        self._stopped = self._stopped or {"why": why, "message": message}
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """See `bench.runner.engine.Worker`."""
        self._signal(signal.SIGKILL)

    def _read(self) -> None:
        while self._piped:
            try:
                chunk = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                return
            *lines, self._unread = (self._unread + chunk).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    self._hear(json.loads(line))
            self._piped = bool(chunk)

    def _hear(self, event: RawEvent) -> None:
        if event.get("event") == BEGINS:
            self._journal.left_out_ns += event["left_out"]
        if self._sampler is not None:
            self._sampler.tell(event)
        self._events.append(event)

    def _signal(self, number: signal.Signals) -> None:
        """To the worker and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class ThisMachine:
    """A `bench.runner.engine.Site`."""

    def choose(
        self, wanted: str | Sequence[str], gpus_per_trial: int, *, backends: Collection[str], accelerator: str
    ) -> Choice:
        """See `bench.runner.engine.Site`."""
        return choose_slots(wanted, gpus_per_trial, backends=backends, accelerator=accelerator)

    def hold(self, choice: Choice, results: Path, suite: str) -> contextlib.AbstractContextManager[Leased]:
        """See `bench.runner.engine.Site`."""
        return lease(choice, results, suite)

    @contextlib.contextmanager
    def engine(
        self, slots: Sequence[Slot], suite: ResolvedSuite, results: Path, say: Callable[[str], None]
    ) -> Iterator[LocalEngine]:
        """See `bench.runner.engine.Site`."""
        notes = notes_of(results, find_machine())
        telemetry = suite.telemetry.for_trials(suite.trials)
        with local_other_users(slots, suite.limits.quiet_s, say) as other_users:
            yield LocalEngine(slots, other_users, telemetry=telemetry, notes=notes)


def _who(seen: Neighbors) -> tuple[object, ...]:
    processes = frozenset((process.gpu, process.pid, process.kind) for process in seen.foreign)
    return processes, tuple(seen.unknown.items()), tuple(seen.unreadable), seen.lost
