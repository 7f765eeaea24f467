"""The metrics of a record that are compared, and where the time of a trial goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.compare.betting import Array
from bench.compare.measurement import Pair
from bench.compare.thresholds import Dimension, holm
from bench.compare.verdict import PhaseChange
from bench.trials.measured import Growth
from bench.trials.record import Record
from wbc.evaluation.latency import BATCHES

Source = Callable[[Record], float | None]


@dataclass(frozen=True)
class Metric:
    """A time, a throughput or a memory of a trial."""

    name: str
    """As in `regression.json`."""
    title: str
    """As people read it."""
    unit: str
    """`s`, `images/s`, `bytes`."""
    more_is_worse: bool
    """Whether a ratio above 1 is a change for the worse."""
    sources: tuple[Source, ...]
    """Where a record has it, the best first; both sides and all pairs use the same source."""
    dimension: Dimension = "speed"
    """Which verdict it is part of."""
    decides_same: bool = False
    """Whether a trial is the same in this dimension only if this metric is."""
    processor_only: bool = False
    """Whether it means nothing for trials that train on GPUs."""
    with_features: bool = False
    """Whether the extraction of features counts in it, so that trials that found theirs do not have it."""
    weight: float = 1.0
    """Of its evidence in the mean over the metrics of its dimension. It is smaller where several metrics tell of one
    thing, and where most of a time is not the training step."""


def _latency(record: Record, batch: int) -> float | None:
    found = record.latency_of(batch)
    return found.p50_s if found else None


def _factor(growth: Growth | None) -> float | None:
    return growth.factor if growth else None


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "fit_time",
            "fit time",
            "s",
            True,
            (lambda record: record.fit_time.wall_s if record.fit_time else None,),
            decides_same=True,
        ),
        Metric(
            "time_to_result",
            "time to result",
            "s",
            True,
            (lambda record: record.time_to_result.wall_s if record.time_to_result else None,),
            with_features=True,
            weight=0.5,
        ),
        Metric(
            "throughput",
            "training throughput",
            "images/s",
            False,
            (
                lambda record: record.steady.images_per_s if record.steady else None,
                lambda record: record.throughput.train_images_per_s,
            ),
            decides_same=True,
        ),
        Metric(
            "feature_throughput",
            "feature throughput",
            "images/s",
            False,
            (lambda record: record.throughput.feature_images_per_s,),
            decides_same=True,
        ),
        Metric(
            "compile_time",
            "compile time",
            "s",
            True,
            (
                lambda record: record.steady.compile_s if record.steady else None,
                lambda record: record.phases.compile.wall_s if record.phases.compile else None,
            ),
            weight=0.5,
        ),
        Metric(
            "train_cpu_time",
            "CPU time of training",
            "s",
            True,
            (lambda record: record.phases.train.cpu_s if record.phases.train else None,),
            processor_only=True,
        ),
        *(
            Metric(
                f"latency_{batch}",
                f"latency of {batch} image{'s' if batch > 1 else ''}",
                "s",
                True,
                (partial(_latency, batch=batch),),
                weight=0.25,
            )
            for batch in BATCHES
        ),
        Metric(
            "peak_memory",
            "peak memory",
            "bytes",
            True,
            (
                lambda record: record.memory.device_peak if record.memory else None,
                lambda record: record.memory.process_peak if record.memory else None,
                lambda record: record.memory.allocator_peak if record.memory else None,
            ),
            dimension="memory",
            decides_same=True,
            with_features=True,
        ),
        Metric(
            "memory_growth",
            "growth of memory in 1,000 steps",
            "x",
            True,
            (lambda record: _factor(record.memory.host_growth if record.memory else None),),
            dimension="memory",
        ),
        Metric(
            "device_memory_growth",
            "growth of GPU memory in 1,000 steps",
            "x",
            True,
            (lambda record: _factor(record.memory.device_growth if record.memory else None),),
            dimension="memory",
        ),
    )
}
"""All metrics by name, in the order in which they are shown."""

PHASES = {
    "startup": "import",
    "reference_work": "reference work",
    "data": "input",
    "build": "building the network",
    "features": "feature extraction",
    "search": "search for the learning rate",
    "compile": "tracing and first step",
    "train": "steps",
    "waiting": "steps waiting for input",
    "validation": "validation",
    "checkpoint": "checkpoints",
    "evaluate": "evaluation",
    "save": "saving the model",
    "profile": "profile",
}
"""Part of a trial's time -> what happens in it. `waiting`, `validation` and `checkpoint` are parts of `train`."""


PHASE_LEVEL = 0.05
"""Error rate of the phases that are named as the place of a change, over all phases of a trial."""


@dataclass(frozen=True)
class Values:
    """A metric in pairs; arrays of shape (n,), in the order of time."""

    baseline: Array
    candidate: Array
    pairs: NDArray[np.int64] | None = None
    """Number of each pair among the trial's, from 0; None where no pair lacks the metric."""

    @property
    def logs(self) -> Array:
        """Logarithms of candidate / baseline."""
        ratios: Array = np.log(self.candidate / self.baseline)
        return ratios

    @property
    def last(self) -> int:
        """Pairs of the trial up to the last one that has the metric."""
        return len(self.baseline) if self.pairs is None else int(self.pairs[-1]) + 1


def values_of(metric: Metric, pairs: Sequence[Pair]) -> Values | None:
    """A metric of all pairs that have it on both sides; None if none has.

    Of several sources it takes the one that most pairs have, because values of two sources do not mix.
    """
    best: list[tuple[int, float, float]] = []
    for source in metric.sources:
        found = []
        for number, pair in enumerate(pairs):
            if metric.with_features and any(side.record.found for side in pair.sides):
                continue
            old, new = source(pair.baseline.record), source(pair.candidate.record)
            if old is not None and new is not None and old > 0 and new > 0:
                found.append((number, old, new))
        if len(found) > len(best):
            best = found
    if not best:
        return None
    number, baseline, candidate = np.array(best, float).T
    return Values(baseline, candidate, None if len(best) == len(pairs) else number.astype(np.int64))


def metrics_for(pairs: Sequence[Pair]) -> list[Metric]:
    """The metrics that mean something for these pairs."""
    slots = [side.record.slot for pair in pairs for side in pair.sides]
    on_processor = all(slot is not None and slot.kind == "cpu" for slot in slots)
    return [metric for metric in METRICS.values() if on_processor or not metric.processor_only]


def phase_changes(pairs: Sequence[Pair]) -> tuple[PhaseChange, ...]:
    """Where the time went on both sides: means over the pairs, largest differences first.

    A difference is clear if a t test over the pairs shows it at 5 %, with Holm's correction over all phases.
    """
    spent = [[phase_seconds(side.record) for side in pair.sides] for pair in pairs]
    known = {
        phase: np.array([(old[phase], new[phase]) for old, new in spent if phase in old and phase in new])
        for phase in PHASES
    }
    known = {phase: seconds for phase, seconds in known.items() if len(seconds)}
    adjusted = holm([p_of_mean(seconds[:, 1] - seconds[:, 0]) for seconds in known.values()])
    changes = [
        PhaseChange(
            phase,
            PHASES[phase],
            float(seconds[:, 0].mean()),
            float(seconds[:, 1].mean()),
            p is not None and p <= PHASE_LEVEL,
        )
        for (phase, seconds), p in zip(known.items(), adjusted, strict=True)
    ]
    return tuple(sorted(changes, key=lambda change: -abs(change.difference_s)))


def p_of_mean(values: Array) -> float | None:
    """Two-sided p value of Student's t test that the mean is 0; None with a single value."""
    from scipy.special import stdtr

    if len(values) < 2:
        return None
    mean, error = abs(float(values.mean())), float(np.std(values, ddof=1)) / len(values) ** 0.5
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * float(stdtr(len(values) - 1, -mean / error))


def phase_seconds(record: Record) -> dict[str, float]:
    """Wall seconds of each part, without overlap; the end of the process is left out."""
    seconds = {
        name: phase.wall_s
        for name, phase in record.phases.items()
        if name in PHASES and name not in record.found
    }
    train = record.phases.train
    if train is None:
        return seconds
    for name, inside in (("validation", train.validation_s), ("checkpoint", train.checkpoint_s)):
        if inside:
            seconds[name] = inside
            seconds["train"] -= inside
    if record.steady is not None:
        # Waiting is measured in the steady part of training only; its share stands for all of it.
        seconds["waiting"] = record.steady.data_wait_share * seconds["train"]
        seconds["train"] -= seconds["waiting"]
    return seconds
