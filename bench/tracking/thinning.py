"""Telemetry as MLflow's charts can show it: mean and maximum of few windows instead of every sample.

A chart shows 320 points of a series, the first of each bucket, so that peaks would vanish: the maximum is a
series of its own. The full rate is among the artifacts.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

WINDOWS = 300
"""At most so many windows an attempt."""

LEAST_S = 1.0
"""No window is shorter."""


@dataclass
class _Window:
    weight: float = 0.0
    total: float = 0.0
    most: float = -math.inf

    def add(self, mean: float, most: float, samples: int) -> None:
        self.weight += samples
        self.total += mean * samples
        self.most = max(self.most, most)


@dataclass
class Series:
    """The samples of one metric.

    Attributes:
        samples: Time (ns, monotonic), mean, maximum, and over how many readings; in order of time.
    """

    samples: list[tuple[int, float, float, int]] = field(default_factory=list)


def series_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Series]:
    """The series in the lines of `telemetry.jsonl`: its gauges.

    Args:
        lines: As written; those that are no samples, or torn, are passed over.

    Returns:
        Metric -> series; those of a GPU are called as `gpu:0/power_w`.
    """
    gauges: list[str] = []
    series: dict[str, Series] = {}
    for line in lines:
        if line.get("event") == "header":
            gauges = list(line.get("gauges", ()))
        if "g" not in line or "t" not in line:
            continue
        most = line.get("m", ())
        for number, (name, value) in enumerate(zip(gauges, line["g"], strict=False)):
            if value is not None:
                peak = most[number] if number < len(most) and most[number] is not None else value
                sample = (line["t"], value, peak, line.get("n", 1))
                series.setdefault(name, Series()).samples.append(sample)
    return series


def windows_of(series: Mapping[str, Series]) -> dict[str, list[tuple[int, float]]]:
    """Means and maxima of at most `WINDOWS` windows of equal length.

    Returns:
        `system/NAME` and `system/NAME_max` -> end of the window in ns and value; windows without a sample are
        left out, so that nothing is shown where nothing was read.
    """
    times = [sample[0] for one in series.values() for sample in (one.samples[:1] + one.samples[-1:])]
    if not times:
        return {}
    first, last = min(times), max(times)
    width = max(int(LEAST_S * 1e9), (last - first) // WINDOWS + 1)
    found: dict[str, list[tuple[int, float]]] = {}
    for name, one in sorted(series.items()):
        windows: dict[int, _Window] = {}
        for t, mean, most, samples in one.samples:
            windows.setdefault((t - first) // width, _Window()).add(mean, most, samples)
        ends = {number: min(first + (number + 1) * width, last) for number in sorted(windows)}
        key = f"system/{name.replace(':', '_').replace('/', '_')}"
        found[key] = [(ends[number], windows[number].total / windows[number].weight) for number in ends]
        found[f"{key}_max"] = [(ends[number], windows[number].most) for number in ends]
    return found
