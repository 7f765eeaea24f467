"""The sampler: watches the processes and devices of one trial until it ends, and writes `telemetry.jsonl`."""

import contextlib
import json
import os
import selectors
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from bench.devices.gauges import GPM_INTERVAL_S
from bench.devices.nvml import Nvml, NvmlError, open_nvml
from bench.telemetry import gpu as gpus
from bench.telemetry import host as hosts
from bench.telemetry.gpu import GpuReader
from bench.telemetry.host import HostReader
from bench.telemetry.trace import Thinning, Values, Window
from bench.worker.turns import BEGINS, OVER

VERSION = 1
OF_THE_TRIAL = ("cpu_s", "run_queue_wait_s")
"""Counters of the trial's own processes."""
SLOW_S = 1.0


@dataclass(frozen=True)
class Job:
    """What to watch; crosses the process boundary as JSON."""

    path: str
    """The file to write."""
    worker: int
    """The trial's process."""
    harness: int
    """The process that started the worker and the sampler."""
    interval_s: float
    """Time between samples."""
    cores: tuple[int, ...]
    """Cores that the trial may use."""
    gpus: dict[str, str]
    """Name -> UUID of its GPUs."""


class Edge(TypedDict):
    """The beginning or the end of a phase or of a turn, as the worker reports it."""

    event: str
    """`phase_started`, `phase_ended`, or see `bench.worker.turns`."""
    phase: NotRequired[str]
    t: int
    """Nanoseconds of the monotonic clock, without other workers' turns."""
    left_out: NotRequired[int]
    """Nanoseconds of the turn of another worker."""


class Sampler:
    """Reads all metrics, at every interval and whenever the parent reports the edge of a phase.

    In another worker's turn it rests. Times and counters are those of the trial: as if there were no such turns.

    Lines of the file: `header` (names of the values, which are missing and why); samples (`t` nanoseconds of
    the monotonic clock and the values, see `bench.telemetry.trace`); `edge` (counters, read when a phase began
    or ended at `at`, or a turn ended); `unavailable` (metrics given up later); `end` (what the sampler itself cost).

    Args:
        job: What to watch.
        nvml: An open session; None if there are no GPUs, or if `no_nvml` says why it is missing.
        no_nvml: The reason.
    """

    def __init__(self, job: Job, nvml: Nvml | None, no_nvml: str = ""):
        self.job = job
        self._host = HostReader(job.worker, job.harness, set(job.cores))
        self._gpus = {name: GpuReader(nvml, uuid) for name, uuid in job.gpus.items()} if nvml else {}
        self._unavailable = dict(self._host.unavailable)
        for name in job.gpus if nvml is None else ():
            self._unavailable |= {f"{name}/{one}": no_nvml for one in (*gpus.GAUGES, *gpus.COUNTER_NAMES)}
        self._unavailable |= self._gpus_lack()
        self._counters = self._host.counter_names
        self._gauges = [*hosts.FAST, *hosts.SLOW]
        for name in self._gpus:
            self._counters += [f"{name}/{counter}" for counter in gpus.COUNTER_NAMES]
            self._gauges += [f"{name}/{gauge}" for gauge in gpus.GAUGES]
        self._window, self._thinning = Window(), Thinning()
        self._slow_in_window = False
        self._slow_due = 0.0
        self._sampled = 0.0
        self._gpm_due = time.monotonic() + GPM_INTERVAL_S  # its first sample was taken just now
        self._left_out_s = 0.0
        """Seconds of other workers' turns."""
        self._left_out: Values = {}
        """What the counters grew in them."""
        self._resting: tuple[float, Values] | None = None
        """In such a turn: the trial's time, and what the counters read at its beginning."""
        self._file = Path(job.path).open("ab", buffering=0)  # noqa: SIM115

    def run(self, told: int) -> None:
        """Sample until the worker ends or the parent closes `told`, a pipe that brings the edges of phases."""
        self._write(
            event="header",
            version=VERSION,
            interval_s=self.job.interval_s,
            slow_s=SLOW_S,
            cores=self._host.sizes._asdict(),
            gpus=list(self.job.gpus),
            counters=self._counters,
            gauges=self._gauges,
            methods={f"{name}/energy_j": one.energy_method for name, one in self._gpus.items()},
            unavailable=self._unavailable,
            thinning="lines of one sample at first; a long phase gets lines of 2, 4, 8 ... samples, "
            "with means (g) and maxima (m)",
        )
        due = time.monotonic()
        rest = b""
        with selectors.DefaultSelector() as selector, _watched(self.job.worker) as worker:
            selector.register(told, selectors.EVENT_READ)
            selector.register(worker, selectors.EVENT_READ)
            while True:
                wait_s = None if self._resting else max(0.0, due - time.monotonic())
                ready = {key.fd for key, _ in selector.select(wait_s)}
                if told in ready:
                    heard = os.read(told, 1 << 16)
                    *lines, rest = (rest + heard).split(b"\n")
                    self._edges([json.loads(line) for line in lines])
                if worker in ready or (told in ready and not heard):
                    break
                if not self._resting and time.monotonic() >= due:
                    self._sample(self._now())
                    # Samples that a stall prevented are not made up for.
                    due = max(due + self.job.interval_s, time.monotonic())
        self._end()

    def _sample(self, now: float) -> None:
        slow = now >= self._slow_due
        if slow:
            self._slow_due = now + SLOW_S
            self._host.list_processes()
        # A line has all counters as of its end, so those that are rarely read are read again for that.
        self._slow_in_window |= slow
        all_counters = slow or (self._slow_in_window and self._thinning.closes(self._window))
        counters = self._own(self._host.counters(now, all_counters))
        gauges = self._host.gauges(now, counters, slow)
        gpm = now >= self._gpm_due
        if gpm:
            self._gpm_due = now + max(GPM_INTERVAL_S, self.job.interval_s)
        for name, one in self._gpus.items():
            read = one.fast(now)
            if slow:
                read |= one.slow(self._host.pids)
            if all_counters:
                counters |= {f"{name}/{counter}": value for counter, value in one.counters().items()}
            if gpm:
                read |= one.gpm()
            gauges |= {f"{name}/{gauge}": value for gauge, value in read.items()}
        self._window.add(counters, gauges)
        self._sampled = now
        if self._thinning.is_full(self._window):
            self._flush()
        lacking = self._gpus_lack().items()
        if news := {name: reason for name, reason in lacking if self._unavailable.get(name) != reason}:
            self._unavailable |= news
            self._write(event="unavailable", t=_nanoseconds(now), metrics=news)

    def _edges(self, told: list[Edge]) -> None:
        for kind, edges in groupby(told, lambda one: one["event"] if one["event"] in (OVER, BEGINS) else ""):
            if kind == OVER:
                for one in edges:
                    self._rest(one["t"] / 1e9)
            elif kind == BEGINS:
                for one in edges:
                    self._go_on(one["left_out"] / 1e9)
            else:
                self._thinning.phase_changes()
                self._slow_due = 0.0  # even the shortest phase gets a reading of the slow metrics
                self._edge(self._now(), list(edges))

    def _rest(self, now: float) -> None:
        """It is another worker's turn."""
        now = max(now, self._sampled)  # it may have been sampled before this was told
        self._flush()
        self._write_edge(now, [])
        self._resting = now, self._host.counters(now, all_of_them=True)

    def _go_on(self, seconds: float) -> None:
        """It is the trial's turn again, after some seconds."""
        if self._resting is None:
            return
        now, before = self._resting
        # At the same time as before, so that no rate spans the turn. Its own counters did not grow while it slept.
        for name, value in self._host.counters(now, all_of_them=True).items():
            if name not in OF_THE_TRIAL:
                self._left_out[name] = self._left_out.get(name, 0.0) + value - before.get(name, value)
        self._left_out_s += seconds
        self._resting = None

    def _now(self) -> float:
        """The trial's time."""
        return self._resting[0] if self._resting else time.monotonic() - self._left_out_s

    def _own(self, counters: Values) -> Values:
        """Counters without what they grew in other workers' turns."""
        return {name: value - self._left_out.get(name, 0.0) for name, value in counters.items()}

    def _edge(self, now: float, told: list[Edge]) -> None:
        """Read every counter now: something began or ended."""
        self._flush()
        self._host.list_processes()
        self._write_edge(now, told)

    def _write_edge(self, now: float, told: list[Edge]) -> None:
        counters = self._all_counters(now)
        self._write(
            event="edge",
            t=_nanoseconds(now),
            at=[[one.get("phase"), one["event"], one["t"]] for one in told],
            **_only_counters(counters, self._counters),
        )

    def _all_counters(self, now: float) -> Values:
        counters = self._own(self._host.counters(now, all_of_them=True))
        for name, one in self._gpus.items():
            one.fast(now)  # power, where energy is integrated from it
            counters |= {f"{name}/{counter}": value for counter, value in one.counters().items()}
        return counters

    def _flush(self) -> None:
        """Write the samples so far with the time of the last one: a later time would belong to the next phase."""
        if self._window.samples:
            self._write(t=_nanoseconds(self._sampled), **self._window.line(self._gauges, self._counters))
            self._window, self._slow_in_window = Window(), False

    def _end(self) -> None:
        now = self._now()
        self._flush()
        counters = _only_counters(self._all_counters(now), self._counters)
        self._write(event="end", t=_nanoseconds(now), cpu_s=time.process_time(), **counters)
        os.close(self._file.fileno())

    def _gpus_lack(self) -> dict[str, str]:
        return {
            f"{name}/{metric}": reason
            for name, one in self._gpus.items()
            for metric, reason in one.unavailable.items()
        }

    def _write(self, **line: Any) -> None:
        self._file.write((json.dumps(line, separators=(",", ":")) + "\n").encode())


def watch(job: Job, told: int) -> None:
    """Watch a trial. If NVML fails, the metrics of GPUs are unavailable for its reason."""
    with contextlib.ExitStack() as stack:
        nvml, reason = None, ""
        if job.gpus:
            try:
                nvml = stack.enter_context(open_nvml())
            except NvmlError as error:
                reason = error.reason
        try:
            Sampler(job, nvml, reason).run(told)
        except Exception as error:
            # The error must not be lost, and nobody reads the standard error of this process.
            with Path(job.path).open("a") as file:
                file.write(
                    json.dumps({"event": "failed", "message": f"{type(error).__name__}: {error}"}) + "\n"
                )


def _only_counters(counters: Values, names: list[str]) -> dict[str, list[float | None] | int]:
    window = Window()
    window.add(counters, {})
    return {"c": window.line([], names)["c"]}


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when a process ends."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
