"""The sampler's process, as its parent sees it."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict

from bench.devices.device import Slot
from bench.journal.results import Attempt
from bench.telemetry.sampler import Job
from bench.worker.jsonl import RawEvent
from bench.worker.startup import child_environment
from bench.worker.turns import BEGINS, OVER

PATIENCE_S = 2.0
"""Longest wait for the sampler's last line. It takes milliseconds, unless a driver hangs."""


class SamplerProcess:
    """The sampler of one worker. It never fails the trial: what it cannot measure is missing in the record.

    Args:
        attempt: The attempt, which has the file for its telemetry.
        slot: Where its worker runs.
        worker: The worker's process.
        interval_s: Time between samples.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, attempt: Attempt, slot: Slot, worker: int, interval_s: float):
        gpus = {device.name: device.uuid for device in slot.devices if device.kind == "gpu"}
        job = Job(str(attempt.telemetry.resolve()), worker, os.getpid(), interval_s, slot.cores, gpus)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.telemetry", json.dumps(asdict(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            start_new_session=True,  # Ctrl-C is for the harness alone
        )
        assert self._process.stdin is not None
        self._input = self._process.stdin
        self._edges = self._input.fileno()
        os.set_blocking(self._edges, False)

    def tell(self, event: RawEvent) -> None:
        """Pass on an event of the worker; only the edges of its phases and turns are sent."""
        if event.get("event") in ("phase_started", "phase_ended", OVER, BEGINS):
            told = {name: event[name] for name in ("event", "phase", "t", "left_out") if name in event}
            line = json.dumps(told) + "\n"
            with contextlib.suppress(OSError):  # it died or is far behind; samples are near the edge, too
                os.write(self._edges, line.encode())

    def finish(self) -> None:
        """Let it write its last line. Call this when the worker has ended."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the driver, killed or not
                self._process.wait(PATIENCE_S)
