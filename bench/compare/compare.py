"""Two sides, from where they are kept to the verdict: read, match, judge."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.compare import baseline as baselines
from bench.compare.accuracy_time import accuracy_time_changes
from bench.compare.betting import detectable
from bench.compare.differences import software_changes
from bench.compare.learning import Compared, compared, content_of, judge_learning, learning_of
from bench.compare.looks import number_of_look
from bench.compare.matching import match, shared_runs
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.metrics import METRICS, Values, metrics_for, phase_changes, values_of
from bench.compare.operations import operation_changes
from bench.compare.reading import (
    BASELINE,
    MLFLOW,
    Side,
    matching,
    read_experiment,
    read_folder,
    read_saved,
    suite_folder,
)
from bench.compare.speed import JudgedTrial, MetricValues, judge_speed
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import (
    DifferenceVerdict,
    EpochChange,
    Learning,
    Memory,
    MetricVerdict,
    PhaseChange,
    Speed,
    Status,
    TrialVerdict,
    Verdict,
)

LARGEST_PHASES = 3
"""Of the phases that explain a change, the most that are named."""

CHANGED = (Speed.SLOWER, Speed.FASTER, Memory.LARGER, Memory.SMALLER)
"""Verdicts of metrics that are named as what decided."""


def compare_sides(
    a: str,
    b: str,
    results: Path,
    thresholds: Thresholds,
    only: str | None = None,
    looks: Path | None = None,
) -> Verdict:
    """Judge side B against side A.

    Args:
        a: See `read_side`.
        b: Likewise.
        results: The results folder.
        thresholds: What to judge by.
        only: Only trials whose name matches this pattern; None: all.
        looks: Folder that counts the looks at these sides; None: this is the first one.

    Raises:
        InputError: A side cannot be read, or has nothing to compare.
    """
    sides = [
        replace(side, measurements=matching(side.measurements, only, side.name))
        for side in (read_side(where, results) for where in (a, b))
    ]
    if any(side.machine for side in sides):
        # Where the records look as if they came from this machine, they did.
        sides = [
            side if side.machine else replace(side, machine=baselines.machine_of(side.measurements))
            for side in sides
        ]
    warnings = dict.fromkeys(warning for side in sides for warning in side.warnings)
    notes = filter(None, [shared_runs(*sides), *warnings])
    return judge(match(*sides), thresholds, baseline=a, candidate=b, notes=notes, looks=looks)


def read_side(where: str, results: Path) -> Side:
    """Read one side of a comparison.

    Args:
        where: A folder (results of a suite, a results folder with a single suite, a saved baseline),
            `baseline:NAME`, or `mlflow:EXPERIMENT`.
        results: The results folder that has the baselines and the files downloaded from MLflow.

    Raises:
        InputError: There is nothing to compare.
    """
    if where.startswith(MLFLOW):
        return read_experiment(where, results)
    if where.startswith(BASELINE):
        folder = baselines.find(results, where.removeprefix(BASELINE)).folder
    else:
        folder = suite_folder(Path(where))
    side = read_folder(folder, where)
    saved = read_saved(folder)
    return side if saved is None else replace(side, machine=saved.machine)


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
        _judged(
            trial,
            speeds.get(trial.key),
            with_disturbed.get(trial.key),
            differing.get(trial.key, []),
            predicted[trial.key],
        )
        if trial.key in judged
        else _not_judged(trial)
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


def metric_values(trial: TrialPairs, disturbed: bool = False) -> dict[str, Values]:
    """Metric -> its values in the pairs that count, see `counting`; with `disturbed` also in those left out."""
    pairs = in_time(trial) if disturbed else counting(trial)
    found = {metric.name: values_of(metric, pairs) for metric in metrics_for(pairs)}
    return {name: values for name, values in found.items() if values is not None}


def in_time(trial: TrialPairs) -> tuple[Pair, ...]:
    """The pairs in the order of time. Times of a resumed run are sums over its interruptions and never count."""
    own = [pair for pair in trial.pairs if not pair.resumed]
    return tuple(sorted(own, key=lambda pair: max(side.record.started_at or "" for side in pair.sides)))


def counting(trial: TrialPairs) -> tuple[Pair, ...]:
    """The pairs whose times count, in the order of time.

    Undisturbed pairs count. A disturbed one counts if most pairs until then were disturbed: then the machine is
    like that. What is known at the time decides, and stays decided, so that no later look chooses anew.
    """
    counted, quiet = [], 0
    for number, pair in enumerate(in_time(trial), start=1):
        quiet += not pair.disturbed
        if not pair.disturbed or 2 * quiet < number:
            counted.append(pair)
    return tuple(counted)


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


def _judged(
    trial: TrialPairs,
    timed: JudgedTrial | None,
    with_disturbed: JudgedTrial | None,
    differences: list[DifferenceVerdict],
    predicted: dict[str, Compared] | str,
) -> TrialVerdict:
    """A configuration that has pairs."""
    if timed is None:
        timed = JudgedTrial((), Speed.NOT_COMPARABLE, Memory.NOT_COMPARABLE, {})
    speed = timed.speed or Speed.INCONCLUSIVE
    notes = [*trial.notes, trial.speed_not_comparable]
    notes += dict.fromkeys(one.damage for pair in trial.pairs for one in pair.sides)
    images = sources = 0
    if isinstance(predicted, str):
        learning = Learning.NOT_COMPARABLE
        notes.append(f"learning: {predicted}")
    else:
        learning = learning_of(differences)
        clusters = predicted["accuracy"].clusters
        images, sources = clusters.images, len(clusters.size)
    counted = counting(trial)
    disturbed = len(trial.pairs) - len(trial.undisturbed)
    if disturbed and len(counted) == len(trial.pairs):
        # Without the numbers, which are beside the pairs: several trials can then share the note.
        notes.append("too few pairs were undisturbed, so all count")
    left_out = len(in_time(trial)) - len(counted)
    if left_out and with_disturbed is not None:
        said = [f"speed {with_disturbed.speed}"] if with_disturbed.speed else []
        said += [f"memory {with_disturbed.memory}"] if with_disturbed.memory else []
        notes.append(f"with the disturbed pairs, which do not count: {', '.join(said)}")
    if resumed := sum(pair.resumed for pair in trial.pairs):
        notes.append(
            f"the times of {resumed} pairs do not count: one of their runs was interrupted and resumed"
        )
    notes.append(_external(trial.pairs))
    failed = [one for one in trial.candidate_only if one.failed]
    if failed:
        notes.append(f"{_failures(failed)} of the candidate, beside {len(trial.pairs)} pairs")
    phases = phase_changes(counted)
    broken = _newly_failing(trial)
    reason = _reason(timed.metrics, differences, phases)
    if broken:
        seeds = f"{len({one.key for one in broken})} of its seeds or splits"
        reason = "; ".join(filter(None, (f"{seeds}: {_failures(broken)}, done before", reason)))
    return TrialVerdict(
        key=trial.key,
        label=trial.label,
        status=Status.FAILED if broken else Status.JUDGED,
        speed=speed,
        memory=timed.memory,
        learning=learning,
        regression=bool(broken)
        or speed is Speed.SLOWER
        or timed.memory is Memory.LARGER
        or learning is Learning.WORSE,
        reason=reason,
        metrics=timed.metrics,
        evidence=timed.evidence,
        differences=tuple(differences),
        phases=phases,
        operations=operation_changes(counted),
        accuracy_times=accuracy_time_changes(counted),
        curves=_curves(trial.pairs),
        pairs=len(trial.pairs),
        disturbed=disturbed,
        failed=len(failed),
        images=images,
        sources=sources,
        notes=tuple(filter(None, notes)),
    )


def _external(pairs: Sequence[Pair]) -> str:
    """The accuracy of both sides in the external test, in words; empty without one. It is not judged."""
    found = [
        (old.balanced_accuracy, new.balanced_accuracy)
        for pair in pairs
        if (old := pair.baseline.record.external) and (new := pair.candidate.record.external)
    ]
    both = [(old, new) for old, new in found if old is not None and new is not None]
    if not both:
        return ""
    old, new = (100 * sum(values) / len(both) for values in zip(*both, strict=True))
    count = "1 pair" if len(both) == 1 else f"{len(both)} pairs"
    return f"external test: {old:.1f} and {new:.1f} % balanced accuracy, mean of {count}"


def _newly_failing(trial: TrialPairs) -> list[Measurement]:
    """Failed attempts of the candidate at trials that the baseline has done and the candidate has not."""
    done = {pair.candidate.key for pair in trial.pairs}
    done |= {one.key for one in trial.candidate_only if one.done}
    before = {one.key for one in trial.baseline_only if one.done}
    return [one for one in trial.candidate_only if one.failed and one.key in before and one.key not in done]


def _not_judged(trial: TrialPairs) -> TrialVerdict:
    """A configuration without pairs."""
    old, new = trial.baseline_only, trial.candidate_only
    done_before = any(one.done for one in old)
    broken = [one for one in new if one.failed]
    regression, reason = False, ""
    if trial.not_comparable:
        status, reason = Status.NOT_COMPARABLE, trial.not_comparable
    elif broken and not any(one.done for one in new):
        status, regression = Status.FAILED, done_before
        before = "it was done before" if done_before else "it failed before, too" if old else "it is new"
        reason = f"{_failures(broken)}; {before}"
    elif any(one.done for one in new):
        status, reason = Status.NEW, "the baseline has not done it"
        if failed := [one for one in old if one.failed]:
            reason = f"the baseline failed: {_failures(failed)}"
    else:
        status, reason = Status.GONE, "the candidate has not done it"
        if new:
            reason = "the candidate was interrupted in it"
        elif not done_before:
            reason = f"only the baseline tried it: {_failures(old)}"
    return TrialVerdict(
        trial.key,
        trial.label,
        status,
        regression=regression,
        reason=reason,
        failed=len(broken),
        notes=trial.notes,
    )


def _failures(failed: Sequence[Measurement]) -> str:
    failure = failed[-1].record.failure
    if failure is None:
        said = "failed: without a reason"
    else:
        said = f"{failure.kind}{f' in {failure.phase}' if failure.phase else ''}: {failure.message}"
    return said if len(failed) == 1 else f"{said} ({len(failed)} attempts)"


def _reason(
    metrics: Sequence[MetricVerdict],
    differences: Sequence[DifferenceVerdict],
    phases: Sequence[PhaseChange],
) -> str:
    """What decided, in one sentence or two."""
    changed = [one for one in metrics if one.verdict in CHANGED]
    said = [f"{METRICS[one.metric].title} {one.ratio - 1:+.1%}" for one in changed]
    verdicts = {one.verdict for one in changed}
    if verdicts & {Speed.SLOWER, Speed.FASTER}:
        way = 1 if Speed.SLOWER in verdicts else -1
        moved = [one for one in phases if way * one.difference_s > 0]
        total = sum(abs(one.difference_s) for one in moved)
        large = [one for one in moved[:LARGEST_PHASES] if one.clear and abs(one.difference_s) >= 0.2 * total]
        if large:
            said.append("in " + ", ".join(f"{one.means} ({one.difference_s:+.2f} s)" for one in large))
    for one in differences:
        if one.verdict in (Learning.BETTER, Learning.WORSE):
            points = f"{one.difference * 100:+.1f} points"
            size = points if one.metric == "accuracy" else f"{one.difference:+.3f} nats"
            said.append(f"{one.metric} {size}")
    return "; ".join(said)


def _curves(pairs: Sequence[Pair]) -> tuple[EpochChange, ...]:
    """Means over the pairs of every metric after each epoch that all of them reached."""
    curves = [[{one.number: one.metrics for one in side.epochs} for side in pair.sides] for pair in pairs]
    curves = [pair for pair in curves if all(pair)]
    if not curves:
        return ()
    common = sorted(set.intersection(*(set(side) for pair in curves for side in pair)))
    changes = []
    for epoch in common:
        old, new = ([pair[side][epoch] for pair in curves] for side in (0, 1))
        changes.append(EpochChange(epoch, _means(old), _means(new)))
    return tuple(changes)


def _means(epochs: Sequence[dict[str, float]]) -> dict[str, float]:
    names = set.intersection(*(set(epoch) for epoch in epochs))
    return {name: float(np.mean([epoch[name] for epoch in epochs])) for name in sorted(names)}


def _all(trials: Iterable[TrialPairs], side: int) -> list[Measurement]:
    found: list[Measurement] = []
    for trial in trials:
        found += [pair.sides[side] for pair in trial.pairs]
        found += (trial.baseline_only, trial.candidate_only)[side]
    return found
