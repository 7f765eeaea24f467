"""From pairs to the verdict on all configurations: speed and memory, learning, and what could be found at all."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.compare.betting import detectable
from bench.compare.counted_pairs import metric_values
from bench.compare.differences import software_changes
from bench.compare.learning import compared, content_of, judge_learning
from bench.compare.looks import number_of_look
from bench.compare.measurement import Measurement, TrialPairs
from bench.compare.metrics import METRICS
from bench.compare.speed import MetricValues, judge_speed
from bench.compare.thresholds import Thresholds
from bench.compare.trial_verdicts import judged_trial, unpaired_trial
from bench.compare.verdict import Verdict


def judge(
    trials: Sequence[TrialPairs],
    thresholds: Thresholds | None = None,
    *,
    noise: Sequence[TrialPairs] = (),
    baseline: str = "baseline",
    candidate: str = "candidate",
    differences: Mapping[str, tuple[str, str]] | None = None,
    notes: Iterable[str] = (),
    looks: Path | None = None,
) -> Verdict:
    """Judge all trials of a comparison in speed, memory and learning.

    Args:
        trials: All configurations.
        thresholds: What to judge by; None for the defaults.
        noise: Pairs of the baseline with itself on the same machine; they only tell what can be found.
        baseline: Name of the old side.
        candidate: Name of the new side.
        differences: What is known to differ between the sides, see `software_changes`.
        notes: Of the whole comparison.
        looks: Folder that counts the looks at learning; None: the thresholds have the number.

    Raises:
        InputError: Predictions are damaged.
    """
    thresholds = thresholds or Thresholds()
    judged = {trial.key: trial for trial in trials if trial.pairs and not trial.not_comparable}
    timed = {key: metric_values(trial) for key, trial in judged.items() if not trial.speed_not_comparable}
    speeds = judge_speed(timed, thresholds)
    every = {key: metric_values(judged[key], disturbed=True) for key in timed}
    with_disturbed = judge_speed(every, thresholds, with_intervals=False)
    predicted = {key: compared(trial.pairs) for key, trial in judged.items()}
    learned = {key: found for key, found in predicted.items() if not isinstance(found, str)}
    if looks is not None:
        thresholds = replace(thresholds, look=number_of_look(looks, content_of(learned)))
    differing = judge_learning(learned, thresholds)
    verdicts = [
        judged_trial(
            trial,
            speeds.get(trial.key),
            with_disturbed.get(trial.key),
            differing.get(trial.key, []),
            predicted[trial.key],
        )
        if trial.key in judged
        else unpaired_trial(trial)
        for trial in trials
    ]
    return Verdict(
        baseline=baseline,
        candidate=candidate,
        trials=tuple(verdicts),
        changes=software_changes(_all(trials, 0), _all(trials, 1), differences),
        thresholds=thresholds.plain(),
        detectable=_detectable(
            timed, {trial.key: metric_values(trial) for trial in noise if trial.pairs}, thresholds
        ),
        notes=tuple(notes),
    )


def typical_spread(name: str, *groups: Mapping[str, MetricValues]) -> float | None:
    """Standard deviation of a metric's log ratios from pair to pair, over all trials; None where unknown.

    Args:
        name: Of the metric.
        groups: Trials, each around its own mean.
    """
    squares, degrees = 0.0, 0
    for values in (values for group in groups for values in group.values() if name in values):
        logs = values[name].logs
        squares += float(np.square(logs - logs.mean()).sum())
        degrees += len(logs) - 1
    return (squares / degrees) ** 0.5 if degrees else None


def _detectable(
    values: Mapping[str, MetricValues], noise: Mapping[str, MetricValues], thresholds: Thresholds
) -> dict[str, float]:
    """Metric -> the smallest change that these pairs find as often as `thresholds.power` says."""
    found = {}
    for name, metric in METRICS.items():
        pairs = [len(trial[name].logs) for trial in values.values() if name in trial]
        spread = typical_spread(name, values, noise)
        if not pairs or spread is None:
            continue
        size = detectable(min(pairs), thresholds.bar(metric.dimension, len(values)), thresholds.power)
        if size is not None:
            # A change is named only if it is estimated to be one that counts.
            estimated = math.log1p(thresholds.change) + 1.3 * spread / min(pairs) ** 0.5
            found[name] = math.expm1(max(size * spread, estimated))
    return found


def _all(trials: Iterable[TrialPairs], side: int) -> list[Measurement]:
    found: list[Measurement] = []
    for trial in trials:
        found += [pair.sides[side] for pair in trial.pairs]
        found += (trial.baseline_only, trial.candidate_only)[side]
    return found
