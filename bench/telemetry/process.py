"""The sampler as its parent sees it."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from bench.devices.device import Slot
from bench.journal.results import Attempt
from bench.telemetry.sampler import Job

PATIENCE_S = 2.0
"""How long a trial's end waits for the sampler's last line. It needs milliseconds, unless a driver hangs."""


class SamplerProcess:
    """A sampler beside one worker. It never fails the trial: what it cannot do is missing in the record.

    Args:
        attempt: Whose telemetry is written.
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
            start_new_session=True,  # Ctrl-C is the harness' to hear
        )
        assert self._process.stdin is not None
        self._words = self._process.stdin.fileno()
        os.set_blocking(self._words, False)

    def tell(self, event: dict[str, Any]) -> None:
        """Pass on an event of the worker; the edges of its phases are what the sampler wants to know."""
        if event.get("event") in ("phase_started", "phase_ended"):
            line = json.dumps({name: event[name] for name in ("event", "phase", "t")}) + "\n"
            with contextlib.suppress(OSError):  # it died, or is far behind; samples go near the edge, too
                os.write(self._words, line.encode())

    def finish(self) -> None:
        """Let it write its end; to be called when the worker is over."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is stuck in the driver, killed or not
                self._process.wait(PATIENCE_S)
