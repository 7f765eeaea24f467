"""The metrics of an attempt as MLflow stores them. Pure functions, without MLflow.

A chart of MLflow shows 320 points of a series, the first of each bucket, so that peaks vanish. Telemetry is
therefore sent as the mean and the maximum of few windows; every sample is among the artifacts.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.journal.events import Epoch
from bench.journal.history import Stretch
from bench.tracking.tags_and_params import moment, plain_keys, span_of
from bench.trials.measured import NEVER
from bench.trials.record import Record

Point = tuple[str, float, int, int]
"""(key, value, timestamp in ms, step)"""

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "loss",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_auc",
    "calibration_error",
)
"""Metrics of a test split, see `bench.trials.metrics.Metrics`."""

METRICS_OF_CLASSES = {"accuracy": "per_class_accuracy", "precision": "precision", "f1": "f1", "auc": "auc"}
"""Metric of each class in MLflow -> its name in a record."""

STEADY = {
    "images_per_s": "throughput/steady_images_per_s",
    "median_images_per_s": "throughput/median_images_per_s",
    "low": "throughput/steady_images_per_s_low",
    "high": "throughput/steady_images_per_s_high",
    "step_s": "time/steady_step_s",
    "settled_s": "time/settled_s",
    "data_wait_s": "time/steady_data_wait_s",
    "data_wait_share": "throughput/data_wait_share",
    "compile_s": "time/first_step_s",
}
"""Field of `bench.trials.measured.Steady` -> metric in MLflow."""

WINDOWS = 300
"""Windows of an attempt's telemetry, at most."""

SHORTEST_WINDOW_S = 1.0


@dataclass
class Series:
    """The samples of one metric of telemetry."""

    samples: list[tuple[int, float, float, int]] = field(default_factory=list)
    """Time (ns, monotonic), mean, maximum, number of readings; in order of time."""


@dataclass
class _Window:
    weight: float = 0.0
    total: float = 0.0
    most: float = -math.inf

    def add(self, mean: float, most: float, readings: int) -> None:
        self.weight += readings
        self.total += mean * readings
        self.most = max(self.most, most)


def points_of(
    record: Record, stretches: Sequence[Stretch], telemetry: Mapping[str, Series] = {}
) -> list[Point]:
    """Every metric of an attempt; epochs count from 1 and carry the time of their end.

    The same journals give the same points to the bit, so that sending them twice changes nothing. Values
    that are not finite are left out: MLflow would store another value in their place.

    Args:
        record: The attempt's record.
        stretches: Its history; a resumed attempt shows the epochs that it continues from, too.
        telemetry: See `series_of`.
    """
    points: list[Point] = []
    end = span_of(stretches)[1]
    for stretch in stretches:
        for epoch in stretch.epochs:
            points += _points_of_epoch(epoch, moment(stretch, epoch.t))
    points += [(name, float(value), end, 0) for name, value in _final(record) if _is_number(value)]
    own = stretches[-1]
    if own.events:
        for name, windows in windows_of(telemetry).items():
            # From 1: MLflow draws a line only where the last step is not 0.
            points += [
                (name, value, moment(own, t), step) for step, (t, value) in enumerate(windows, start=1)
            ]
    keys = {name: key for key, name in plain_keys({name: name for name, *_ in points})}
    return [(keys[name], value, time, step) for name, value, time, step in points if math.isfinite(value)]


def series_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Series]:
    """The gauges in the lines of `telemetry.jsonl`.

    Args:
        lines: As written; lines that are torn or no samples are ignored.

    Returns:
        Metric -> series; metrics of a GPU are named like `gpu:0/power_w`.
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
        `system/NAME` and `system/NAME_max` -> end of the window in ns and value. Windows without a sample are
        left out, so that nothing is shown where nothing was read.
    """
    times = [sample[0] for one in series.values() for sample in (one.samples[:1] + one.samples[-1:])]
    if not times:
        return {}
    first, last = min(times), max(times)
    width = max(int(SHORTEST_WINDOW_S * 1e9), (last - first) // WINDOWS + 1)
    found: dict[str, list[tuple[int, float]]] = {}
    for name, one in sorted(series.items()):
        windows: dict[int, _Window] = {}
        for t, mean, most, readings in one.samples:
            windows.setdefault((t - first) // width, _Window()).add(mean, most, readings)
        ends = {number: min(first + (number + 1) * width, last) for number in sorted(windows)}
        key = f"system/{name.replace(':', '_').replace('/', '_')}"
        found[key] = [(ends[number], windows[number].total / windows[number].weight) for number in ends]
        found[f"{key}_max"] = [(ends[number], windows[number].most) for number in ends]
    return found


def _points_of_epoch(epoch: Epoch, time: int) -> list[Point]:
    points = []
    for name, value in epoch.metrics.items():
        validation = name.startswith("validation_")
        key = f"validation/{name.removeprefix('validation_')}" if validation else f"train/{name}"
        points.append((key, value, time, epoch.epoch))
    return points


def _final(record: Record) -> Iterator[tuple[str, Any]]:
    """The metrics that an attempt has once."""
    if test := record.test:
        for name in METRICS:
            yield f"test/{name}", getattr(test, name)
        for prefix, field_name in METRICS_OF_CLASSES.items():
            for class_name, value in getattr(test, field_name).items():
                yield f"test/{prefix}_{class_name}", value
    if external := record.external:
        for name in METRICS:
            yield f"test/external_{name}", getattr(external, name)
        for class_name, value in external.per_class_accuracy.items():
            yield f"test/external_accuracy_{class_name}", value
    for evaluation, metrics in (record.evaluations or {}).items():
        yield f"test/{evaluation}_accuracy", metrics.accuracy
    yield from _fields("time/fit_time_", record.fit_time)
    yield from _fields("time/time_to_result_", record.time_to_result)
    for name, phase in record.phases.items():
        yield f"time/{name}_wall_s", phase.wall_s
        yield f"time/{name}_cpu_s", phase.cpu_s
    if use := record.phases.evaluate:
        yield "test/model_bytes", use.model_bytes
        yield "test/inference_s", use.inference_s
    yield from _fields("throughput/", record.throughput)
    for calls in record.latency:
        for name in ("p50_s", "p95_s", "p99_s", "images_per_s", "first_call_s"):
            yield f"latency/{calls.batch}_{name}", getattr(calls, name)
    yield from _times_to_accuracy(record)
    yield from _measured(record)


def _times_to_accuracy(record: Record) -> Iterator[tuple[str, Any]]:
    """Times to accuracies. MLflow stores numbers only: `reached` is 0 for never, and the time is not there."""
    for one in record.time_to_accuracy:
        if one.of_best is not None:
            key = f"time_to_accuracy/{100 * one.of_best:.0f}_of_best"
        else:
            key = f"time_to_accuracy/{100 * one.accuracy:.6g}"
        yield f"{key}_reached", int(one.epoch != NEVER)
        for name in ("epoch", "fit_s", "work_s", "joules"):
            yield f"{key}_{name}", getattr(one, name)


def _measured(record: Record) -> Iterator[tuple[str, Any]]:
    """What it took: steady throughput, utilization, memory, energy, work."""
    for name, value in _fields("", record.steady):
        if name in STEADY:
            yield STEADY[name], value
    if record.steady is not None:
        yield "throughput/steady_state", int(record.steady.outcome == "steady")
    yield from _fields("throughput/", record.utilization)
    yield from _fields("memory/", record.memory)
    for where in ("host_growth", "device_growth"):
        for name, value in _fields("", getattr(record.memory, where) if record.memory else None):
            yield f"memory/{where}_{name}", value
    yield from _fields("memory/analytic_", record.memory.analytic if record.memory else None)
    yield from _fields("energy/", record.energy)
    yield from _fields("work/", record.work)
    if profile := record.profile:
        for name in ("input_stall", "kernel_busy", "copies_s"):
            yield f"profile/{name}", getattr(profile, name)
        for kind, share in profile.kinds.items():
            yield f"profile/share_of_{kind}", share
    yield from _fields("reference_work/", record.reference_work)


def _fields(prefix: str, struct: msgspec.Struct | None) -> Iterator[tuple[str, Any]]:
    """Prefixed names and values of a part of a record; nothing where it is missing."""
    if struct is not None:
        for name in struct.__struct_fields__:
            yield f"{prefix}{name}", getattr(struct, name)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
