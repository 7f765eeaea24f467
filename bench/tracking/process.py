"""MLflow is kept up to date by a process of its own, which never fails or delays a run.

`RecordingProcess` is the parent's end, `Recorder` what the process (`bench.tracking.__main__`) does.
"""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from bench.errors import DamagedAttempt, command
from bench.journal.results import Attempt, SuiteResults
from bench.tracking.markers import unsent
from bench.tracking.store import why_unwritten
from bench.worker.startup import child_environment

if TYPE_CHECKING:
    from bench.tracking.projection import Projection

NOTHING = ""
"""Instead of the name of an attempt: load MLflow and open the store, which takes seconds."""

EVERYTHING = "*"
"""Instead of the name of an attempt: everything that the store lacks."""

AT_ONCE = 32
"""Attempts that are handed over ahead."""

PATIENCE_S = 60.0
"""How long the end of an interrupted run waits for MLflow; the next run sends the rest."""

_CHANCES = 3
"""Failures of a server that answers; after that, sending is left to the next run."""


class RecordingProcess:
    """A `bench.runner.scheduler.Recording`; a context that waits for the last record at its end.

    Args:
        results: The suite's results.
        say: Tells the user, once, that MLflow cannot be written to.
    """

    def __init__(self, results: SuiteResults, say: Callable[[str], None]):
        self.results, self.say = results, say
        self._process: subprocess.Popen[bytes] | None = None
        self._queue: deque[str] = deque()
        self._outstanding = 0
        self._rest = b""
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything is sent; after an error, not forever."""
        if self._process is None:
            return
        try:
            self.pump()
            if kind is not None and self._outstanding and not self._warned:
                self.say("Sending what ran to MLflow. Another signal leaves that to the next run.")
            self._drain(None if kind is None else time.monotonic() + PATIENCE_S)
            self._close_input()
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # It hangs, or another signal came. Nothing is lost: it only copies.
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._pipe(self._process.stdout).close()

    def filenos(self) -> list[int]:
        """See `bench.runner.scheduler.Recording`."""
        return [self._output] if self._process and self._outstanding else []

    def prepare(self) -> None:
        """See `bench.runner.scheduler.Recording`."""
        if self._process is None:
            self._hand_over(NOTHING)

    def send(self, attempt: Attempt) -> None:
        """See `bench.runner.scheduler.Recording`."""
        self._hand_over(f"{attempt.trial_id}/{attempt.number}")

    def catch_up(self) -> None:
        """Send everything of the suite that MLflow does not have."""
        self._hand_over(EVERYTHING)

    def _hand_over(self, name: str) -> None:
        if self._process is None:
            self._process = _start(self.results)
            os.set_blocking(self._output, False)
        self._queue.append(name)
        self._feed()

    def pump(self) -> list[dict[str, Any]]:
        """See `bench.runner.scheduler.Recording`."""
        if self._process is None:
            return []
        messages = []
        while True:
            try:
                chunk = os.read(self._output, 1 << 16)
            except BlockingIOError:
                break
            if not chunk:
                if self._outstanding:
                    self._warn("its process ended")
                self._outstanding = 0
                self._queue.clear()
                break
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            messages += [json.loads(line) for line in lines]
        for message in messages:
            if message["event"] == "recording_ended":
                self._outstanding -= 1
                if not message["sent"] and message["reason"]:
                    self._warn(message["reason"])
        self._feed()
        return messages

    def settle(self, interrupted: int) -> None:
        """See `bench.runner.scheduler.Recording`."""
        self._drain(interrupted=interrupted)

    def _drain(self, deadline: float | None = None, interrupted: int | None = None) -> None:
        with selectors.DefaultSelector() as selector:
            if self._process is not None:
                selector.register(self._output, selectors.EVENT_READ)
            if interrupted is not None:
                selector.register(interrupted, selectors.EVENT_READ)
            while self._outstanding:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return
                if any(key.fd == interrupted for key, _ in selector.select(left)):
                    return
                self.pump()

    def _feed(self) -> None:
        """Hand attempts over, but no more than the pipe holds: a full pipe would stop the run."""
        assert self._process is not None
        try:
            while self._queue and self._outstanding < AT_ONCE:
                pipe = self._pipe(self._process.stdin)
                pipe.write(f"{self._queue.popleft()}\n".encode())
                pipe.flush()
                self._outstanding += 1
        except OSError as error:  # it died; the journals have everything
            self._warn(str(error))
            self._queue.clear()

    def _close_input(self) -> None:
        assert self._process is not None
        with contextlib.suppress(OSError):
            self._pipe(self._process.stdin).close()

    @property
    def _output(self) -> int:
        assert self._process is not None
        return self._pipe(self._process.stdout).fileno()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None, "both are pipes, see `_start`"
        return pipe

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            self.say(
                f"MLflow cannot be written to ({reason}). The journals keep all; "
                f"the next run or `{command()} sync` sends it."
            )


def _start(results: SuiteResults) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C does not cut a record short."""
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "bench.tracking",
            str(results.results.resolve()),
            results.suite,
            str(os.getpid()),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # One thread is enough for copying, and more would slow the trials.
        env={**child_environment(), "OMP_NUM_THREADS": "1"},
    )


class Recorder:
    """Sends the attempts that it is told to; a dead server must not cost a timeout for each of them.

    Args:
        results: The suite's results.
        make: Opens the projection; called when there is something to send, because it loads MLflow.
        is_back: Whether a server that failed answers again; asked quickly.
    """

    def __init__(
        self, results: SuiteResults, make: Callable[[SuiteResults], "Projection"], is_back: Callable[[], bool]
    ):
        self.results, self._make, self._is_back = results, make, is_back
        self._projection: Projection | None = None
        self._failures = 0

    def record(self, name: str) -> str | None:
        """Send an attempt, or everything, or nothing yet.

        Returns:
            None if it is sent; else why it is not, empty if that was said before.
        """
        again = self._failures > 0
        if again and (self._failures >= _CHANCES or not self._is_back()):
            return ""
        try:
            projection = self._projection = self._projection or self._make(self.results)
            names = EVERYTHING if again else name
            damaged = [
                why
                for attempt in self._attempts(names, projection)
                if (why := self._send(attempt, projection))
            ]
        except Exception as error:
            self._projection = None
            self._failures += 1
            if again:
                return ""
            return why_unwritten(error)
        if again:
            self._failures = 0
        return damaged[0] if damaged else None

    def end(self) -> None:
        """The suite is over: set the state of its own run."""
        if self._projection is not None:
            self._projection.settle()

    def _send(self, attempt: Attempt, projection: "Projection") -> str:
        """Send one; returns what is wrong with its files, or nothing: other attempts are sent anyway."""
        try:
            projection.send(attempt)
        except DamagedAttempt as error:
            return str(error)
        return ""

    def _attempts(self, name: str, projection: "Projection") -> list[Attempt]:
        if name == EVERYTHING:
            return unsent(self.results, projection.store)
        if name == NOTHING:
            return []
        trial_id, _, number = name.rpartition("/")
        return [self.results.attempt(trial_id, int(number))]
