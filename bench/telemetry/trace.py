"""`telemetry.jsonl`: how samples become lines, and how lines are read back. Standard library only.

Samples are thinned as a phase grows long, so that a file of hours stays small. A torn or damaged line costs
that line only. Without a file or its header there is no trace.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.worker.jsonl import RawEvent

LINES_PER_WIDTH = 1000
"""After so many lines of one width, the next ones hold twice as many samples. At 10 Hz, 100 s are kept sample
by sample, and 12 h take 9,000 lines."""

DIGITS = 6
"""Significant digits of a value."""

Values = dict[str, float]
"""Metric or counter -> its value."""


class Sample(NamedTuple):
    """A line of samples."""

    t: int
    """Time of the last sample, in nanoseconds of the monotonic clock."""
    samples: int
    """Number of samples."""
    mean: Values
    most: Values
    """Largest value of each gauge."""


@dataclass
class Series:
    """Readings of a cumulative counter, in order of time."""

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def at(self, t: float, slack: float) -> float | None:
        """The count at a time, interpolated linearly between two readings.

        Args:
            t: Nanoseconds.
            slack: Nanoseconds before the first and after the last reading for which that reading is taken;
                farther off, the count is None.
        """
        place = bisect_left(self.times, t)
        if place < len(self.times) and self.times[place] == t:
            return self.values[place]
        if place == 0 or place == len(self.times):
            nearest = min(place, len(self.times) - 1)
            near = self.times and abs(self.times[nearest] - t) <= slack
            return self.values[nearest] if near else None
        (t0, t1), (v0, v1) = self.times[place - 1 : place + 1], self.values[place - 1 : place + 1]
        return v0 + (v1 - v0) * (t - t0) / (t1 - t0)

    def grown(self, began: int, ended: int, given_up: bool = False) -> float | None:
        """Growth from one time to another; None if it was not watched for so long.

        Args:
            began: Nanoseconds.
            ended: Nanoseconds.
            given_up: It could not be read after its last reading, which holds for no later time.
        """
        slack = max(0.5e9, 0.02 * (ended - began))
        first, last = self.at(began, slack), self.at(ended, 0 if given_up else slack)
        return None if first is None or last is None else last - first


@dataclass(frozen=True)
class Header:
    """The first line of the file: what the values are."""

    interval_s: float
    """Time between samples."""
    slot_cores: int
    """Cores that the trial may use."""
    machine_cores: int
    gauges: tuple[str, ...]
    counters: tuple[str, ...]
    gpus: tuple[str, ...]
    methods: dict[str, str | None]
    """Metric -> how it is measured."""

    @classmethod
    def of(cls, line: RawEvent) -> "Header":
        """From the line as JSON has it.

        Raises:
            KeyError, TypeError, ValueError: Something is missing, without which no line can be read.
        """
        return cls(
            float(line["interval_s"]),
            int(line["cores"]["slot"]),
            int(line["cores"]["machine"]),
            tuple(line["gauges"]),
            tuple(line["counters"]),
            tuple(line.get("gpus", ())),
            dict(line.get("methods", {})),
        )


@dataclass
class Trace:
    """Telemetry of one attempt."""

    header: Header
    samples: list[Sample] = field(default_factory=list)
    """In order of time."""
    counters: dict[str, Series] = field(default_factory=dict)
    """Name -> readings."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Name -> why it is missing from the beginning, or later."""
    sampler_cpu_s: float | None = None
    """CPU time of the sampler; None if it was killed before it wrote its last line."""
    failure: str = ""
    """What went wrong in the sampler; empty if nothing did."""

    def count(self, t: int, values: list[float | None]) -> None:
        """Add a reading of the counters."""
        for name, value in zip(self.header.counters, values, strict=False):
            if value is not None:
                series = self.counters.setdefault(name, Series())
                if not series.times or t > series.times[-1]:
                    series.times.append(t)
                    series.values.append(float(value))

    def begins_at_zero(self, spawned: int) -> None:
        """Add that the counters of the trial's own processes were 0 when the first of them started."""
        for name in ("cpu_s", "run_queue_wait_s"):
            series = self.counters.get(name)
            if series is not None and spawned < series.times[0]:
                series.times.insert(0, spawned)
                series.values.insert(0, 0.0)


def read_trace(path: Path) -> Trace | None:
    """The trace in a file; None if there is none."""
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except OSError:
        return None
    return parse_trace(lines)


def parse_trace(lines: Iterable[bytes | str]) -> Trace | None:
    """The trace in the lines of a file; None without a header that says what the values are."""
    trace = None
    for text in lines:
        try:
            line = json.loads(text)
            if trace is None:
                if line.get("event") == "header":
                    trace = Trace(Header.of(line), unavailable=dict(line["unavailable"]))
            else:
                _add(trace, line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return trace


def _add(trace: Trace, line: RawEvent) -> None:
    kind = line.get("event")
    if kind is None:
        t, names = int(line["t"]), trace.header.gauges
        mean = _named(names, line["g"])
        most = {**mean, **_named(names, line.get("m", []))}
        trace.samples.append(Sample(t, int(line["n"]), mean, most))
        trace.count(t, line["c"])
    elif kind == "edge":
        trace.count(int(line["t"]), line["c"])
    elif kind == "unavailable":
        trace.unavailable |= line["metrics"]
    elif kind == "end":
        trace.count(int(line["t"]), line["c"])
        trace.sampler_cpu_s = float(line["cpu_s"])
    elif kind == "failed":
        trace.failure = str(line["message"])


def _named(names: Iterable[str], values: Iterable[float | None]) -> Values:
    return {name: float(value) for name, value in zip(names, values, strict=False) if value is not None}


@dataclass
class Window:
    """Samples that become one line."""

    samples: int = 0
    """Number of samples."""
    counters: Values = field(default_factory=dict)
    """Of the last sample."""
    _sums: Values = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _most: Values = field(default_factory=dict)

    def add(self, counters: Values, gauges: Values) -> None:
        """Add a sample."""
        self.samples += 1
        self.counters = counters
        for name, value in gauges.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
            self._most[name] = max(value, self._most.get(name, value))

    def line(self, names: list[str], counters: list[str]) -> dict[str, list[float | None] | int]:
        """`n` samples, `c` counters, `g` means of gauges and, for more than one sample, `m` their maxima."""
        means = [_short(self._sums[n] / self._counts[n]) if n in self._counts else None for n in names]
        line: dict[str, list[float | None] | int] = {
            "n": self.samples,
            "c": _trimmed([_micro(self.counters.get(n)) for n in counters]),
            "g": _trimmed(means),
        }
        if self.samples > 1:
            line["m"] = _trimmed([_short(self._most.get(n)) for n in names])
        return line


class Thinning:
    """Decides how many samples make a line: one at first, and more as a phase grows long."""

    def __init__(self, lines_per_width: int = LINES_PER_WIDTH):
        self._limit = lines_per_width
        self.width = 1
        self._lines = 0

    def phase_changes(self) -> None:
        """Begin a phase, with lines of one sample."""
        self.width, self._lines = 1, 0

    def closes(self, window: Window) -> bool:
        """Whether the next sample is the last one of the window."""
        return window.samples + 1 >= self.width

    def is_full(self, window: Window) -> bool:
        """Whether to write the window now."""
        if window.samples < self.width:
            return False
        self._lines += 1
        if self._lines >= self._limit:
            self.width, self._lines = 2 * self.width, 0
        return True


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _micro(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _trimmed(values: list[float | None]) -> list[float | None]:
    """Remove the missing values at the end."""
    while values and values[-1] is None:
        values.pop()
    return values
