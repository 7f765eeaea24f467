"""TEST EQUIPMENT: traces with figures that a test chooses, and samplers beside real processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import psutil

from bench.devices.device import Device, Slot
from bench.journal.events import PhaseEnded, PhaseStarted
from bench.journal.results import Attempt
from bench.telemetry.process import SamplerProcess
from bench.telemetry.trace import Trace, read_trace

SECOND = 10**9
SPAWNED = 100 * SECOND
"""When the worker of a made-up attempt is started; the machine's clock does not begin with it."""

HOST_COUNTERS = (
    "cpu_s",
    "machine_busy_s",
    "slot_busy_s",
    "steal_s",
    "pressure_s",
    "run_queue_wait_s",
    "cotenant_s",
    "foreign_s",
)
HOST_GAUGES = (
    "cpu_percent",
    "rss_bytes",
    "machine_cpu",
    "cpu_pressure",
    "steal",
    "run_queue_wait",
    "foreign_cpu",
    "cotenant_cpu",
)

Of = Callable[[float], float]
"""A figure at a time, in seconds after the start."""


def header(counters=HOST_COUNTERS, gauges=HOST_GAUGES, gpus=(), unavailable=None, **more) -> dict:
    return {
        "event": "header",
        "version": 1,
        "interval_s": 0.1,
        "cores": {"slot": 2, "machine": 2},
        "gpus": list(gpus),
        "counters": list(counters),
        "gauges": list(gauges),
        "methods": {},
        "unavailable": unavailable or {},
        **more,
    }


def made_trace(
    seconds: float,
    counters: Mapping[str, Of],
    gauges: Mapping[str, Of],
    interval_s: float = 0.1,
    killed: bool = False,
    **of_header,
) -> list[dict]:
    """Lines of a file; a sample every interval from the start on, the last one at `seconds`."""
    lines = [header(tuple(counters), tuple(gauges), interval_s=interval_s, **of_header)]
    for number in range(round(seconds / interval_s) + 1):
        now = number * interval_s
        lines.append(
            {
                "t": SPAWNED + round(now * SECOND),
                "n": 1,
                "c": [of(now) for of in counters.values()],
                "g": [of(now) for of in gauges.values()],
            }
        )
    if not killed:
        last = [of(seconds) for of in counters.values()]
        lines.append({"event": "end", "t": SPAWNED + round(seconds * SECOND), "cpu_s": 0.01, "c": last})
    return lines


def phases(**lengths: float) -> list[PhaseStarted | PhaseEnded]:
    """The worker's events of phases that follow one another from the start on."""
    events, now = [], SPAWNED
    for name, seconds in lengths.items():
        events.append(PhaseStarted(t=now, phase=name))
        now += round(seconds * SECOND)
        events.append(PhaseEnded(t=now, phase=name))
    return events


CORES = tuple(sorted(os.sched_getaffinity(0)))
CPU = Slot("cpu:0", (Device("cpu", "the processor"),), CORES)


class Watched:
    """A sampler beside a program, told of phases as a scheduler would tell it."""

    def __init__(self, folder: Path, worker: subprocess.Popen, slot: Slot = CPU, interval_s: float = 0.05):
        self.attempt, self.worker = Attempt(folder), worker
        self.events: list[PhaseStarted | PhaseEnded] = []
        self.sampler = SamplerProcess(self.attempt, slot, worker.pid, interval_s)

    def tell(self, event: str, phase: str) -> None:
        figures = {"figures": {}} if event == "phase_ended" else {}
        told = {"t": time.monotonic_ns(), "cpu": 0, "event": event, "phase": phase, **figures}
        self.events.append(msgspec.convert(told, PhaseStarted | PhaseEnded))
        self.sampler.tell(told)

    def tell_turn(self, event: str, **content: int) -> int:
        """A turn is over or begins; when."""
        told = {"t": time.monotonic_ns(), "cpu": 0, "event": event, **content}
        self.sampler.tell(told)
        return told["t"]

    def lines(self) -> list[dict]:
        """What is written by now."""
        path = self.attempt.telemetry
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, condition) -> list[dict]:
        """Until what is written by now is so; the test's own time limit is the only one."""
        while not condition(lines := self.lines()):
            assert self.sampler._process.poll() is None, lines
            psutil.Process().cpu_percent(interval=0.02)
        return lines

    def wait_for_samples(self, more: int = 3) -> None:
        """Until so many further samples are written."""
        before = len(self.lines())
        self.wait_for(lambda lines: len(lines) >= before + more)

    def end(self) -> Trace:
        self.worker.kill()
        self.worker.wait()
        self.sampler.finish()
        trace = read_trace(self.attempt.telemetry)
        assert trace is not None
        return trace


def burner() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])


def sleeper() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
