"""Metrics of a trial's processes and cores, and how often each is read."""

import os
from typing import NamedTuple

from bench.devices.cgroup import throttled_s, throttling_files
from bench.telemetry.kernel import (
    PRESSURE,
    STAT,
    CpuTime,
    KernelFile,
    OthersCpuTime,
    QueueWait,
    core_times,
    may_use,
    parents,
    pressure_s,
    resident_bytes,
    tree,
)
from bench.telemetry.trace import Values

FAST = ("cpu_percent", "rss_bytes", "machine_cpu", "cpu_pressure", "steal")
"""Read at every sample."""

SLOW = ("run_queue_wait", "foreign_cpu", "cotenant_cpu")
"""Read once a second: they take a look at every thread of the trial, or every process of the machine."""

FAST_COUNTERS = ("cpu_s", "machine_busy_s", "slot_busy_s", "steal_s", "pressure_s")
SLOW_COUNTERS = ("run_queue_wait_s", "cotenant_s", "foreign_s")

QUOTA_COUNTER = "quota_s"
"""Seconds that a quota held processors back, summed over them; read only where there is a quota."""

LEAST_S = 0.5
"""Shortest time for a rate: the kernel counts cores in ticks of 10 ms."""


class Sizes(NamedTuple):
    """Numbers of cores."""

    slot: int
    """Cores that the trial may use."""
    machine: int


class HostReader:
    """Reads the metrics of one trial. Those that cannot be read are left out, and are in `unavailable`.

    Co-tenants are the other processes of the harness that may run on the trial's cores: trials on other slots,
    the scheduler, samplers, the process that sends records to MLflow. `foreign_s` is time in which the trial's
    cores worked for neither the trial nor its co-tenants.

    Args:
        worker: The trial's process.
        harness: The process that started it.
        cores: The cores that the trial may use.
    """

    def __init__(self, worker: int, harness: int, cores: set[int]):
        self.worker, self.harness, self.cores = worker, harness, cores
        self.sizes = Sizes(len(cores), os.cpu_count() or len(cores))
        self.unavailable: dict[str, str] = {}
        self._stat = KernelFile(STAT)
        self._quotas = [KernelFile(path) for path in throttling_files()]
        self._own, self._others = CpuTime(), OthersCpuTime()
        self._pids, self._cotenants = [worker], list[int]()
        self._foreign = 0.0
        self._last: dict[str, tuple[float, Values]] = {}
        try:
            self._pressure: KernelFile | None = KernelFile(PRESSURE)
        except OSError:
            self._pressure = None
            self._lacks("the kernel does not report the pressure (CONFIG_PSI)", "cpu_pressure", "pressure_s")
        try:
            self._waits: QueueWait | None = QueueWait()
        except OSError:
            self._waits = None
            self._lacks("the kernel does not count it", "run_queue_wait", "run_queue_wait_s")

    @property
    def counter_names(self) -> list[str]:
        """What `counters` may read."""
        return [*FAST_COUNTERS, *SLOW_COUNTERS, *([QUOTA_COUNTER] if self._quotas else [])]

    @property
    def pids(self) -> list[int]:
        """The trial's processes, when they were last listed."""
        return self._pids

    def list_processes(self) -> None:
        """List the processes; takes milliseconds."""
        parent_of = parents()
        self._pids = tree(self.worker, parent_of)
        own = set(self._pids)
        everyone = tree(self.harness, parent_of)
        self._cotenants = [pid for pid in everyone if pid not in own and may_use(pid, self.cores)]

    def counters(self, now: float, all_of_them: bool) -> Values:
        """Cumulative seconds. They begin at different times, so only differences have a meaning.

        Args:
            now: Monotonic time in seconds.
            all_of_them: Read the slow ones too.
        """
        machine, slot = core_times(self._stat.read(), self.cores)
        read = {
            "cpu_s": self._own.read(self._pids),
            "machine_busy_s": machine.busy,
            "slot_busy_s": slot.busy,
            "steal_s": slot.steal,
        }
        if self._pressure is not None:
            read["pressure_s"] = pressure_s(self._pressure.read())
        if self._quotas:
            read[QUOTA_COUNTER] = max(throttled_s(file.read()) or 0.0 for file in self._quotas)
        if all_of_them:
            if self._waits is not None:
                read["run_queue_wait_s"] = self._waits.read(self._pids)
            read["cotenant_s"] = self._others.read(self._cotenants)
            read["foreign_s"] = self._foreign_s(now, read)
        return read

    def gauges(self, now: float, counters: Values, slow: bool) -> Values:
        """Rates since the last call, and current values.

        Args:
            now: When the counters were read, monotonic time in seconds.
            counters: As read now.
            slow: The counters have the slow ones too.
        """
        passed, used = self._since("fast", now, counters)
        read: Values = {}
        if passed:
            read["cpu_percent"] = 100 * used["cpu_s"] / passed
            read["machine_cpu"] = min(1.0, used["machine_busy_s"] / passed / self.sizes.machine)
            read["steal"] = min(1.0, used["steal_s"] / passed / self.sizes.slot)
            if "pressure_s" in used:
                read["cpu_pressure"] = min(1.0, used["pressure_s"] / passed)
        if (resident := resident_bytes(self._pids)) is not None:
            read["rss_bytes"] = resident
        if slow and now - self._last.get("slow", (0.0,))[0] >= LEAST_S:
            passed, used = self._since("slow", now, counters)
            if passed:
                capacity = passed * self.sizes.slot
                read["foreign_cpu"] = min(1.0, used["foreign_s"] / capacity)
                read["cotenant_cpu"] = min(1.0, used["cotenant_s"] / capacity)
                waited = used.get("run_queue_wait_s")
                if waited is not None and waited + used["cpu_s"] > 0:
                    read["run_queue_wait"] = waited / (waited + used["cpu_s"])
        return read

    def _foreign_s(self, now: float, read: Values) -> float:
        """Time that the slot's cores worked for others, so far.

        The kernel counts busy cores in ticks but processes exactly, so a single difference may be negative. It
        is added too, because it compensates for another.
        """
        _, used = self._since("foreign", now, read)
        if used:
            self._foreign += used["slot_busy_s"] - used["cpu_s"] - used["cotenant_s"]
        return self._foreign

    def _since(self, what: str, now: float, counters: Values) -> tuple[float, Values]:
        """Seconds, and growth of the counters, since the last call for this; nothing at the first call."""
        before, self._last[what] = self._last.get(what), (now, dict(counters))
        if before is None or now <= before[0]:
            return 0.0, {}
        return now - before[0], {
            name: value - before[1][name] for name, value in counters.items() if name in before[1]
        }

    def _lacks(self, reason: str, *names: str) -> None:
        self.unavailable |= dict.fromkeys(names, reason)
