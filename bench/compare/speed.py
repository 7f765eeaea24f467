"""Times and memory of all trials, judged together. Works on plain arrays, without records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.betting import Array, confidence_sequence, evidence, highest, least_pairs
from bench.compare.metrics import METRICS, Metric, Values
from bench.compare.thresholds import Dimension, Thresholds
from bench.compare.verdict import Memory, MetricVerdict, Speed

MetricValues = Mapping[str, Values]
"""Metric -> its values in the pairs of one trial, in the order of time."""

WORDS: dict[Dimension, tuple[Speed | Memory, ...]] = {
    "speed": (Speed.SLOWER, Speed.FASTER, Speed.SAME, Speed.INCONCLUSIVE),
    "memory": (Memory.LARGER, Memory.SMALLER, Memory.SAME, Memory.INCONCLUSIVE),
}
"""Of worse, better, the same, and neither shown."""


@dataclass(frozen=True)
class Standing:
    """The evidence on one dimension of a trial after each of its pairs, and the bars that it must reach."""

    worse: Array
    """That it changed for the worse: weighted mean over the metrics, shape (pairs,). A mean of e-values is one."""
    better: Array
    same: Array
    """That no metric which decides on it changed by as much as counts, in either direction: the least of all."""
    metrics: Mapping[str, Sequence[Array]]
    """Name -> evidence of each metric alone: for worse, for better, and for the same."""
    changes: Array
    """Weighted mean log ratio over the metrics and all pairs so far, positive for worse; shape (pairs,)."""
    bar: float
    """Of a change for the worse."""
    bar_better: float
    bar_same: float

    @property
    def decided(self) -> bool:
        """Whether one of the bars was reached. Once reached, it stays so: every look counts."""
        return (
            self.worst >= self.bar
            or highest_of(self.better) >= self.bar_better
            or highest_of(self.same) >= self.bar_same
        )

    @property
    def change(self) -> float:
        """The change so far, shrunk where there are few pairs.

        It says which of several suspected trials gets the next pair, and decides nothing.
        """
        pairs = len(self.changes)
        return float(self.changes[-1]) * pairs / (pairs + 1) if pairs else 0.0

    @property
    def worst(self) -> float:
        """The highest evidence that it changed for the worse."""
        return highest_of(self.worse)

    @property
    def nearness(self) -> float:
        """How near the evidence is to a bar by now: 1 at the bar, 0 where there is none."""
        return max(
            math.log(_last(capital)) / math.log(bar)
            for capital, bar in (
                (self.worse, self.bar),
                (self.better, self.bar_better),
                (self.same, self.bar_same),
            )
        )

    @property
    def suspicion(self) -> float:
        """The evidence that it changed for the worse, by now."""
        return _last(self.worse)


def highest_of(capital: Array) -> float:
    """The most that a capital reached."""
    return float(highest(capital))


def metric_evidence(worse: Array, change: float) -> tuple[Array, Array, Array]:
    """Evidence of one metric after each pair: for worse, for better, and for the same.

    Args:
        worse: Log ratios whose positive values are changes for the worse, in the order of time; shape (..., n).
        change: Smallest change that counts, as a share.

    Returns:
        Shape (..., n) each. The last one is the least of the evidence against both changes that count; what it
        has reached it keeps, because either bar may be reached at any look.
    """
    band = math.log1p(change)
    up, down, low, high = evidence(np.stack([worse, -worse, worse + band, band - worse]))
    same = np.minimum(np.maximum.accumulate(low, axis=-1), np.maximum.accumulate(high, axis=-1))
    return up, down, same


def standing(
    values: MetricValues, dimension: Dimension, thresholds: Thresholds, trials: int
) -> Standing | None:
    """The evidence on a dimension of a trial; None where none of its metrics is known.

    Args:
        values: Of the trial.
        dimension: Of the metrics that count.
        thresholds: What to judge by.
        trials: How many trials are judged together.
    """
    own = [(METRICS[name], one) for name, one in values.items() if METRICS[name].dimension == dimension]
    if not own:
        return None
    pairs = max(one.last for _, one in own)
    found = {metric.name: _over(one, metric, thresholds, pairs) for metric, one in own}
    deciding = [found[metric.name][2] for metric, _ in own if metric.decides_same]
    weights = [metric.weight for metric, _ in own]
    return Standing(
        worse=np.average([worse for worse, _, _ in found.values()], axis=0, weights=weights),
        better=np.average([better for _, better, _ in found.values()], axis=0, weights=weights),
        same=np.min(deciding, axis=0) if deciding else np.ones(pairs),
        metrics=found,
        changes=np.average(
            [_mean_so_far(one, metric, pairs) for metric, one in own], axis=0, weights=weights
        ),
        bar=thresholds.bar(dimension, trials),
        bar_better=thresholds.bar(dimension, trials, worse=False),
        bar_same=thresholds.bar_same,
    )


@dataclass(frozen=True)
class JudgedTrial:
    """What the times and the memory of a trial show."""

    metrics: tuple[MetricVerdict, ...]
    speed: Speed | None
    """None where no time is known."""
    memory: Memory | None
    """None where no memory is known."""
    evidence: Mapping[str, float]
    """`slower`, `faster`, `larger`, `smaller` -> the highest evidence for it."""


def judge_speed(
    trials: Mapping[str, MetricValues], thresholds: Thresholds, with_intervals: bool = True
) -> dict[str, JudgedTrial]:
    """Judge times and memory of every trial; the same rule after any number of pairs and looks.

    A trial is slower (or faster) if the weighted mean of its metrics' evidence reached the bar at any look, and one
    whose own evidence reached it is estimated to have changed by `thresholds.change` or more. It is the same if
    the metrics that decide on that are shown to have changed by less. Memory is judged likewise, for itself.

    Args:
        trials: Name of a trial -> its metrics.
        thresholds: What to judge by.
        with_intervals: Intervals take most of the time; simulations can do without.
    """
    return {name: _judged(values, thresholds, len(trials), with_intervals) for name, values in trials.items()}


def estimate(logs: Array) -> float:
    """Location of log ratios: the median of the means of all two of them (Hodges and Lehmann 1963).

    That is nearly as good as the mean under normal noise, and robust where a machine ran at half speed in
    some of the runs.
    """
    i, j = np.triu_indices(len(logs))
    return float(np.median((logs[i] + logs[j]) / 2))


def _judged(values: MetricValues, thresholds: Thresholds, trials: int, with_intervals: bool) -> JudgedTrial:
    metrics: list[MetricVerdict] = []
    said: dict[Dimension, Speed | Memory | None] = {}
    shown: dict[str, float] = {}
    for dimension, words in WORDS.items():
        where = standing(values, dimension, thresholds, trials)
        if where is None:
            said[dimension] = None
            continue
        worse, better, same, unclear = words
        shown |= {str(worse): where.worst, str(better): highest_of(where.better)}
        own = [
            _judge_metric(name, one, where, words, thresholds, with_intervals)
            for name, one in values.items()
            if METRICS[name].dimension == dimension
        ]
        found = {one.verdict for one in own}
        deciding = {one.verdict for one in own if METRICS[one.metric].decides_same}
        said[dimension] = next(
            (word for word in (worse, better) if word in found), same if deciding == {same} else unclear
        )
        metrics += own
    order = list(METRICS)
    speed, memory = said["speed"], said["memory"]
    assert not isinstance(speed, Memory) and not isinstance(memory, Speed)
    return JudgedTrial(tuple(sorted(metrics, key=lambda one: order.index(one.metric))), speed, memory, shown)


def _judge_metric(
    name: str,
    values: Values,
    where: Standing,
    words: Sequence[Speed | Memory],
    thresholds: Thresholds,
    with_intervals: bool,
) -> MetricVerdict:
    metric, logs = METRICS[name], values.logs
    n, center, band = len(logs), estimate(values.logs), math.log1p(thresholds.change)
    worse, better, same, unclear = words
    way = 1 if metric.more_is_worse else -1
    up, down, alike = map(highest_of, where.metrics[name])
    for_worse = where.worst >= where.bar <= up
    for_better = highest_of(where.better) >= where.bar_better <= down
    note, verdict = "", unclear
    if for_worse and way * center >= band:
        verdict = worse
    elif for_better and -way * center >= band:
        verdict = better
    elif alike >= where.bar_same:
        verdict = same
    elif for_worse or for_better:
        note = f"there is a change, but it may be smaller than {thresholds.change:.0%}"
    elif n < (least := least_pairs(where.bar)):
        note = f"{n} pair{'' if n == 1 else 's'}: to show a change it takes {least} or more"
    else:
        note = f"neither a change nor the absence of one of {thresholds.change:.0%} is shown"
    low, high = confidence_sequence(logs) if with_intervals else (None, None)
    return MetricVerdict(
        metric=name,
        verdict=verdict,
        baseline=float(np.median(values.baseline)),
        candidate=float(np.median(values.candidate)),
        ratio=math.exp(center),
        low=None if low is None else math.exp(low),
        high=None if high is None else math.exp(high),
        spread=float(np.std(logs, ddof=1)) if n > 1 else None,
        evidence=max(up, down),
        bar=where.bar if up >= down else where.bar_better,
        ratios=tuple(np.exp(logs).tolist()),
        note=note,
    )


def _over(values: Values, metric: Metric, thresholds: Thresholds, pairs: int) -> list[Array]:
    """Evidence of a metric after every pair of the trial; a pair that lacks the metric changes nothing."""
    way = 1 if metric.more_is_worse else -1
    found = metric_evidence(way * values.logs, thresholds.change)
    return [_at_every_pair(one, values, pairs, before=1.0) for one in found]


def _mean_so_far(values: Values, metric: Metric, pairs: int) -> Array:
    """Mean log ratio of a metric up to every pair of the trial, positive for worse."""
    way = 1 if metric.more_is_worse else -1
    means = way * np.cumsum(values.logs) / np.arange(1, len(values.logs) + 1)
    return _at_every_pair(means, values, pairs, before=0.0)


def _at_every_pair(found: Array, values: Values, pairs: int, before: float) -> Array:
    """What was found after the pairs that have a metric, after every pair of the trial."""
    if values.pairs is None or len(values.logs) == pairs:
        return found
    so_far = np.searchsorted(values.pairs, np.arange(pairs), side="right")
    every: Array = np.concatenate([[before], found])[so_far]
    return every


def _last(capital: Array) -> float:
    return max(1e-9, float(capital[-1])) if len(capital) else 1.0
