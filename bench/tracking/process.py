"""MLflow, kept up to date by a process of its own: it never fails or delays what runs."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from bench.journal.results import Attempt, SuiteResults
from bench.tracking.queue import EVERYTHING

AT_ONCE = 32
"""So many attempts are handed over ahead."""

PATIENCE_S = 60.0
"""How long the end of an interrupted run waits for MLflow; what is not sent then, the next run sends."""


class RecordingProcess:
    """A `bench.runner.scheduler.Recording`; a context that waits for the last record at its end.

    Args:
        results: The suite's results.
        say: Tells the user, once, that MLflow cannot be written to.
    """

    def __init__(self, results: SuiteResults, say: Callable[[str], None]):
        self.results, self.say = results, say
        self._process: subprocess.Popen | None = None
        self._queue: deque[str] = deque()
        self._outstanding = 0
        self._rest = b""
        self._warned = False

    def __enter__(self) -> "RecordingProcess":
        return self

    def __exit__(self, kind, *error) -> None:
        """Wait for what was given to it; after an error, not for ever."""
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
            # Where it still runs it hangs, or a further signal came. Nothing is lost: it only copies.
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def filenos(self) -> list[int]:
        """See `bench.runner.scheduler.Recording`."""
        return [self._output] if self._process and self._outstanding else []

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
                if interrupted in (key.fd for key, _ in selector.select(left)):
                    return
                self.pump()

    def _feed(self) -> None:
        """Hand attempts over, but no more than its pipe holds: a full one would stop the run."""
        assert self._process is not None
        try:
            while self._queue and self._outstanding < AT_ONCE:
                self._process.stdin.write(f"{self._queue.popleft()}\n".encode())
                self._process.stdin.flush()
                self._outstanding += 1
        except OSError as error:  # it died; the journals have everything
            self._warn(str(error))
            self._queue.clear()

    def _close_input(self) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    @property
    def _output(self) -> int:
        return self._process.stdout.fileno()

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            self.say(
                f"MLflow cannot be written to ({reason}). The journals keep all; "
                "the next run or `bench sync` sends it."
            )


def _start(results: SuiteResults) -> subprocess.Popen:
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
        # MLflow must not be slowed by trials' threads nor slow them: one thread is enough for copying.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
