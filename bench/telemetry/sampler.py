"""The sampler: watches the processes and devices of one trial until it ends, and writes `telemetry.jsonl`."""

import contextlib
import json
import os
import selectors
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.devices.gauges import GPM_INTERVAL_S
from bench.devices.nvml import Nvml, NvmlError, open_nvml
from bench.telemetry import gpu as gpus
from bench.telemetry import host as hosts
from bench.telemetry.downsample import Thinning, Window
from bench.telemetry.gpu import GpuReader
from bench.telemetry.host import HostReader

VERSION = 1
SLOW_S = 1.0


@dataclass(frozen=True)
class Job:
    """What to watch; crosses the process boundary as JSON.

    Attributes:
        path: The file to write.
        worker: The trial's process.
        harness: The process that started it and the sampler.
        interval_s: Time between samples.
        cores: The cores that the trial may use.
        gpus: Name -> UUID of its GPUs.
    """

    path: str
    worker: int
    harness: int
    interval_s: float
    cores: tuple[int, ...]
    gpus: dict[str, str]


class Sampler:
    """Reads, at every interval and whenever the parent tells of a phase's edge.

    Lines of the file: `header` (names of the values, what is missing and why); samples (`t` nanoseconds of
    the monotonic clock and the values, see `bench.telemetry.downsample`); `edge` (counters read when a phase
    began or ended at `at`); `unavailable` (given up later); `end` (what the sampler itself cost).

    Args:
        job: What to watch.
        nvml: An open session; None where there are no GPUs, or where `no_nvml` says why it is missing.
        no_nvml: A reason.
    """

    def __init__(self, job: Job, nvml: Nvml | None, no_nvml: str = ""):
        self.job = job
        self._host = HostReader(job.worker, job.harness, set(job.cores))
        self._gpus = {name: GpuReader(nvml, uuid) for name, uuid in job.gpus.items()} if nvml else {}
        self._unavailable = dict(self._host.unavailable)
        for name in job.gpus if nvml is None else ():
            self._unavailable |= {f"{name}/{one}": no_nvml for one in (*gpus.GAUGES, *gpus.COUNTER_NAMES)}
        self._unavailable |= self._gpus_lack()
        self._counters = [*hosts.FAST_COUNTERS, *hosts.SLOW_COUNTERS]
        self._gauges = [*hosts.FAST, *hosts.SLOW]
        for name in self._gpus:
            self._counters += [f"{name}/{counter}" for counter in gpus.COUNTER_NAMES]
            self._gauges += [f"{name}/{gauge}" for gauge in gpus.GAUGES]
        self._window, self._thinning = Window(), Thinning()
        self._slow_in_window = False
        self._slow_due = 0.0
        self._sampled = 0.0
        self._gpm_due = time.monotonic() + GPM_INTERVAL_S  # its first sample was taken just now
        self._file = Path(job.path).open("ab", buffering=0)  # noqa: SIM115

    def run(self, told: int) -> None:
        """Sample until the worker ends, or the parent closes `told`, a pipe from which its words are read."""
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
            thinning="lines of one sample at first; a phase that goes on gets lines of 2, 4, 8 ... samples, "
            "with means (g) and maxima (m)",
        )
        due = time.monotonic()
        rest = b""
        with selectors.DefaultSelector() as selector, _watched(self.job.worker) as worker:
            selector.register(told, selectors.EVENT_READ)
            selector.register(worker, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(max(0.0, due - time.monotonic()))}
                if told in ready:
                    heard = os.read(told, 1 << 16)
                    *lines, rest = (rest + heard).split(b"\n")
                    self._edges([json.loads(line) for line in lines])
                if worker in ready or (told in ready and not heard):
                    break
                if (now := time.monotonic()) >= due:
                    self._sample(now)
                    # What a stall made it miss is not made up for.
                    due = max(due + self.job.interval_s, time.monotonic())
        self._end()

    def _sample(self, now: float) -> None:
        slow = now >= self._slow_due
        if slow:
            self._slow_due = now + SLOW_S
            self._host.list_processes()
        # A line tells what counters were at its end: those that are read seldom are read again for that.
        self._slow_in_window |= slow
        all_counters = slow or (self._slow_in_window and self._thinning.closes(self._window))
        counters = self._host.counters(now, all_counters)
        gauges = self._host.gauges(now, counters, slow)
        finer = now >= self._gpm_due
        if finer:
            self._gpm_due = now + max(GPM_INTERVAL_S, self.job.interval_s)
        for name, one in self._gpus.items():
            read = one.fast(now)
            if slow:
                read |= one.slow(self._host.pids)
            if all_counters:
                counters |= {f"{name}/{counter}": value for counter, value in one.counters().items()}
            if finer:
                read |= one.finer()
            gauges |= {f"{name}/{gauge}": value for gauge, value in read.items()}
        self._window.add(counters, gauges)
        self._sampled = now
        if self._thinning.is_full(self._window):
            self._flush()
        lacking = self._gpus_lack().items()
        if news := {name: reason for name, reason in lacking if self._unavailable.get(name) != reason}:
            self._unavailable |= news
            self._write(event="unavailable", t=_nanoseconds(now), metrics=news)

    def _edges(self, told: list[dict[str, Any]]) -> None:
        """A phase began or ended: read every counter now."""
        if not told:
            return
        now = time.monotonic()
        self._flush()
        self._thinning.phase_changes()
        self._slow_due = 0.0  # also the shortest phase gets a reading of what is read seldom
        self._host.list_processes()
        counters = self._all_counters(now)
        self._write(
            event="edge",
            t=_nanoseconds(now),
            at=[[one["phase"], one["event"], one["t"]] for one in told],
            **_only_counters(counters, self._counters),
        )

    def _all_counters(self, now: float) -> dict[str, float]:
        counters = self._host.counters(now, all_of_them=True)
        for name, one in self._gpus.items():
            one.fast(now)  # power, where energy is integrated from it
            counters |= {f"{name}/{counter}": value for counter, value in one.counters().items()}
        return counters

    def _flush(self) -> None:
        """Write what was sampled, at the time of its last sample: later it would be the next phase's."""
        if self._window.samples:
            self._write(t=_nanoseconds(self._sampled), **self._window.line(self._gauges, self._counters))
            self._window, self._slow_in_window = Window(), False

    def _end(self) -> None:
        now = time.monotonic()
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
    """Watch a trial; GPUs that NVML cannot show have that as their reason."""
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
            # Whatever it is must not be lost, and nobody reads this process' standard error.
            with Path(job.path).open("a") as file:
                file.write(
                    json.dumps({"event": "failed", "message": f"{type(error).__name__}: {error}"}) + "\n"
                )


def _only_counters(counters: dict[str, float], names: list[str]) -> dict[str, list[float | None] | int]:
    window = Window()
    window.add(counters, {})
    return {"c": window.line([], names)["c"]}


@contextlib.contextmanager
def _watched(pid: int):
    """A descriptor that becomes readable when a process ends."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
