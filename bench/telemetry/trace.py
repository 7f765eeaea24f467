"""What a sampler wrote, read back. A torn or damaged line costs that line, a missing file is no trace at
all."""

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """A line of samples.

    Attributes:
        t: When the last of them was taken, in nanoseconds of the monotonic clock.
        samples: How many they are.
        mean: By gauge.
        most: The largest, by gauge.
    """

    t: int
    samples: int
    mean: dict[str, float]
    most: dict[str, float]


@dataclass
class Series:
    """Readings of a cumulative counter, in the order of time."""

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def at(self, t: float, slack: float) -> float | None:
        """The count at a time, between two readings on the straight line that joins them.

        Args:
            t: Nanoseconds.
            slack: So far beyond the first or last reading that reading stands in; farther off it is None.
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
        """By how much it grew from one time to another; None where it was not watched so long.

        Args:
            began: Nanoseconds.
            ended: Nanoseconds.
            given_up: It could not be read any more after its last reading, which stands for nothing later.
        """
        slack = max(0.5e9, 0.02 * (ended - began))
        first, last = self.at(began, slack), self.at(ended, 0 if given_up else slack)
        return None if first is None or last is None else last - first


@dataclass
class Trace:
    """Telemetry of one attempt.

    Attributes:
        header: Of the file: interval, cores, GPUs, names, methods.
        samples: In the order of time.
        counters: Name -> readings.
        unavailable: Name -> why it is missing, or went missing.
        end: The sampler's last line; None where it was killed.
        failure: What went wrong in the sampler; empty where nothing did.
    """

    header: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)
    counters: dict[str, Series] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    end: dict[str, Any] | None = None
    failure: str = ""

    def count(self, t: int, values: list[float | None]) -> None:
        """Take in a reading of the counters."""
        for name, value in zip(self.header["counters"], values, strict=False):
            if value is not None:
                series = self.counters.setdefault(name, Series())
                if not series.times or t > series.times[-1]:
                    series.times.append(t)
                    series.values.append(float(value))

    def begins_at_zero(self, spawned: int) -> None:
        """What the trial's own processes count was nothing when the first of them was started."""
        for name in ("cpu_s", "run_queue_wait_s"):
            series = self.counters.get(name)
            if series is not None and spawned < series.times[0]:
                series.times.insert(0, spawned)
                series.values.insert(0, 0.0)


def read_trace(path: Path) -> Trace | None:
    """The trace in a file; None where there is none."""
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
                    _check(line)
                    trace = Trace(line, unavailable=dict(line["unavailable"]))
            else:
                _take_in(trace, line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return trace


def _check(header: dict[str, Any]) -> None:
    """Raises where something is missing without which nothing can be read."""
    list(header["counters"]), list(header["gauges"]), float(header["interval_s"])
    int(header["cores"]["slot"]), int(header["cores"]["machine"])


def _take_in(trace: Trace, line: dict[str, Any]) -> None:
    kind = line.get("event")
    if kind is None:
        t, names = int(line["t"]), trace.header["gauges"]
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
        trace.end = line
    elif kind == "failed":
        trace.failure = str(line["message"])


def _named(names: list[str], values: list[float | None]) -> dict[str, float]:
    return {name: value for name, value in zip(names, values, strict=False) if value is not None}
