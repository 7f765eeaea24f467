"""Which figures of a record are compared, and where the time of a trial goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.compare.measurement import Pair
from bench.compare.verdict import PhaseChange

Record = dict[str, Any]
Source = Callable[[Record], float | None]


@dataclass(frozen=True)
class Metric:
    """A figure of a trial.

    Attributes:
        name: As in `regression.json`.
        title: As people read it.
        unit: `s`, `images/s`, `bytes`.
        more_is_worse: Whether a ratio above 1 is a change for the worse.
        sources: Where a record has it, the best first; both sides and all pairs use the same.
        decides_same: Whether a trial is only the same if this figure is.
        processor_only: Whether it means nothing for trials that train on GPUs.
    """

    name: str
    title: str
    unit: str
    more_is_worse: bool
    sources: tuple[Source, ...]
    decides_same: bool = False
    processor_only: bool = False


def _at(*path: str) -> Source:
    def read(record: Record) -> float | None:
        value: Any = record
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return float(value) if isinstance(value, int | float) and value > 0 else None

    return read


METRICS = {
    metric.name: metric
    for metric in (
        Metric("fit_time", "fit time", "s", True, (_at("fit_time", "wall_s"),), decides_same=True),
        Metric("time_to_result", "time to result", "s", True, (_at("time_to_result", "wall_s"),)),
        Metric(
            "throughput",
            "training throughput",
            "images/s",
            False,
            (_at("steady", "images_per_s"), _at("throughput", "train_images_per_s")),
            decides_same=True,
        ),
        Metric(
            "feature_throughput",
            "feature throughput",
            "images/s",
            False,
            (_at("throughput", "feature_images_per_s"),),
            decides_same=True,
        ),
        Metric(
            "compile_time",
            "compile time",
            "s",
            True,
            (_at("steady", "compile_s"), _at("phases", "compile", "wall_s")),
        ),
        Metric(
            "train_cpu_time",
            "CPU time of training",
            "s",
            True,
            (_at("phases", "train", "cpu_s"),),
            processor_only=True,
        ),
        Metric(
            "peak_memory",
            "peak memory",
            "bytes",
            True,
            (
                _at("memory", "device_peak"),
                _at("memory", "process_peak"),
                _at("memory", "allocator_peak"),
            ),
        ),
    )
}
"""All figures by name, in the order in which they are shown."""

PHASES = {
    "startup": "import",
    "reference_work": "reference work",
    "data": "input",
    "build": "building the network",
    "features": "feature extraction",
    "compile": "tracing and first step",
    "train": "steps",
    "waiting": "steps waiting for input",
    "validation": "validation",
    "checkpoint": "checkpoints",
    "evaluate": "evaluation",
    "save": "saving the model",
    "profile": "profile",
}
"""Parts of a trial's time -> what happens in them. `waiting` and the two after it lie within `train`."""


@dataclass(frozen=True)
class Values:
    """A metric in pairs; arrays of shape (pairs,)."""

    baseline: np.ndarray
    candidate: np.ndarray

    @property
    def logs(self) -> np.ndarray:
        """Logarithms of candidate / baseline."""
        return np.log(self.candidate / self.baseline)


def values_of(metric: Metric, pairs: Sequence[Pair]) -> Values | None:
    """A metric of all pairs that have it on both sides; None if none has.

    Of several sources the first is taken that most pairs have: figures from different ones don't mix.
    """
    best: list[tuple[float, float]] = []
    for source in metric.sources:
        found = [
            (old, new)
            for pair in pairs
            if (old := source(pair.baseline.record)) is not None
            and (new := source(pair.candidate.record)) is not None
        ]
        if len(found) > len(best):
            best = found
    if not best:
        return None
    baseline, candidate = np.array(best).T
    return Values(baseline, candidate)


def metrics_for(pairs: Sequence[Pair]) -> list[Metric]:
    """The metrics that mean something for these pairs."""
    kinds = {(side.record.get("slot") or {}).get("kind") for pair in pairs for side in _sides(pair)}
    return [metric for metric in METRICS.values() if not metric.processor_only or kinds <= {"cpu"}]


def phase_changes(pairs: Sequence[Pair]) -> tuple[PhaseChange, ...]:
    """Where the time went on both sides, means over the pairs; largest differences first."""
    changes = []
    spent = [[phase_seconds(side.record) for side in _sides(pair)] for pair in pairs]
    for phase, means in PHASES.items():
        both = [(old[phase], new[phase]) for old, new in spent if phase in old and phase in new]
        if both:
            seconds = np.array(both)
            old, new = seconds.mean(axis=0)
            number = len(seconds)
            spread = float(np.std(seconds[:, 1] - seconds[:, 0], ddof=1)) if number > 1 else None
            error = None if spread is None else spread / number**0.5
            changes.append(PhaseChange(phase, means, float(old), float(new), error))
    return tuple(sorted(changes, key=lambda change: -abs(change.difference_s)))


def phase_seconds(record: Record) -> dict[str, float]:
    """Wall seconds of each part, without overlap; the end of the process is left out."""
    phases = record.get("phases") or {}
    seconds = {name: phases[name]["wall_s"] for name in PHASES if "wall_s" in phases.get(name, {})}
    train = phases.get("train") or {}
    inside = {"validation": train.get("validation_s"), "checkpoint": train.get("checkpoint_s")}
    # Waiting is measured in the steady part of training only: its share is taken for all of it.
    share = (record.get("steady") or {}).get("data_wait_share")
    for name, value in inside.items():
        if value and "train" in seconds:
            seconds[name] = value
            seconds["train"] -= value
    if share is not None and "train" in seconds:
        seconds["waiting"] = share * seconds["train"]
        seconds["train"] -= seconds["waiting"]
    return seconds


def _sides(pair: Pair):
    return pair.baseline, pair.candidate
