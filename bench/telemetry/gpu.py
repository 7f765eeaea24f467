"""Metrics of a GPU of a trial's slot, and how often each is read."""

from collections.abc import Collection, Iterable

from bench.devices import gauges
from bench.devices.gauges import GPM_METRICS, PROCESS_MEMORY, Gpm, Questions
from bench.devices.nvml import Nvml, NvmlError
from bench.telemetry.trace import Values

NAMES = (*(name for group in (gauges.FAST, gauges.SLOW) for names in group for name in names), *GPM_METRICS)
GAUGES = (*NAMES, PROCESS_MEMORY)
COUNTER_NAMES = tuple(name for names in gauges.COUNTERS for name in names)

COUNTED, INTEGRATED = "the GPU's energy counter", "power integrated over samples"


class GpuReader:
    """Reads the metrics of one GPU. Those that it lacks are in `unavailable`, and are not read again.

    Every metric is tried once at first. One that fails later leaves a gap, or is given up if the GPU says that
    it does not support it. A GPU that is lost is not read any more.

    Args:
        nvml: An open session.
        uuid: The GPU.
    """

    def __init__(self, nvml: Nvml, uuid: str):
        self._nvml, self._uuid = nvml, uuid
        self.lost = False
        self.unavailable: dict[str, str] = {}
        self._fast, self._slow, self._counted = (
            dict(questions) for questions in (gauges.FAST, gauges.SLOW, gauges.COUNTERS)
        )
        self._processes = True
        self._gpm: Gpm | None = None
        self._integrated: float | None = None
        self._power: tuple[float, float] | None = None
        for questions in (self._fast, self._slow, self._counted):
            self._ask(questions, probing=True)
        self.process_memory(())
        try:
            self._gpm = Gpm(nvml, uuid)
        except NvmlError as error:
            self._missing(GPM_METRICS, error)
        if "energy_j" in self.unavailable and "power_w" not in self.unavailable:
            del self.unavailable["energy_j"]
            self._integrated = 0.0

    @property
    def energy_method(self) -> str | None:
        """How `energy_j` is measured; None if it is unavailable."""
        if "energy_j" in self.unavailable:
            return None
        return COUNTED if self._integrated is None else INTEGRATED

    def fast(self, now: float) -> Values:
        """Read the metrics of every sample; `now` is monotonic time in seconds."""
        read = self._ask(self._fast)
        if self._integrated is not None and "power_w" in read:
            if self._power is not None:
                before, power = self._power
                self._integrated += (now - before) * (power + read["power_w"]) / 2
            self._power = now, read["power_w"]
        return read

    def slow(self, pids: Collection[int]) -> Values:
        """Read the metrics of every second; `pids` are the processes of the trial."""
        return {**self._ask(self._slow), **self.process_memory(pids)}

    def counters(self) -> Values:
        """Cumulative energy in joules, and seconds in which the GPU was throttled."""
        read = self._ask(self._counted)
        if self._integrated is not None and "energy_j" not in self.unavailable:
            read["energy_j"] = self._integrated
        return read

    def process_memory(self, pids: Collection[int]) -> Values:
        """Memory of the GPU that the trial's processes hold; nothing if none of them is listed."""
        if self.lost or not self._processes:
            return {}
        try:
            listed = self._nvml.processes(self._uuid)
        except NvmlError as error:
            self._processes = error.passing
            self._missing((PROCESS_MEMORY,), error, lasting=not error.passing)
            return {}
        sizes = [process.memory_bytes for process in listed if process.pid in pids]
        known = [size for size in sizes if size is not None]
        if sizes and not known:
            self.unavailable[PROCESS_MEMORY] = "the NVIDIA driver does not report the memory of processes"
        return {PROCESS_MEMORY: float(sum(known))} if known and len(known) == len(sizes) else {}

    def gpm(self) -> Values:
        """Read GPM's metrics since the last call; at most every `bench.devices.gauges.GPM_INTERVAL_S`."""
        if self.lost or self._gpm is None:
            return {}
        try:
            read, missing = self._gpm.read()
        except NvmlError as error:
            self._missing(GPM_METRICS, error, lasting=not error.passing)
            if not error.passing:
                self._gpm = None
            return {}
        self.unavailable |= missing
        return read

    def _ask(self, questions: Questions, probing: bool = False) -> Values:
        read: Values = {}
        for names, question in list(questions.items()):
            if self.lost:
                break
            try:
                values = self._nvml.ask(self._uuid, question)
            except NvmlError as error:
                lasting = probing or not error.passing
                self._missing(names, error, lasting)
                if lasting:
                    del questions[names]
                continue
            read |= dict(zip(names, values, strict=True))
        return read

    def _missing(self, names: Iterable[str], error: NvmlError, lasting: bool = True) -> None:
        if error.lost:
            self.lost = True
            self.unavailable |= dict.fromkeys((*GAUGES, *COUNTER_NAMES), error.reason)
        elif lasting:
            self.unavailable |= dict.fromkeys(names, error.reason)
            if self._integrated is not None and "power_w" in names:
                self.unavailable["energy_j"] = error.reason
