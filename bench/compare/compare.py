"""Two sides, from where they are kept to the verdict: read, match, judge."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.compare import baseline as baselines
from bench.compare.differences import software_changes
from bench.compare.learning import Compared, compared, judge_learning, learning_of
from bench.compare.matching import match
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.metrics import METRICS, Values, metrics_for, phase_changes, values_of
from bench.compare.ratio import detectable
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
from bench.compare.speed import MetricValues, judge_speed, speed_of, spreads_of
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import (
    DifferenceVerdict,
    EpochChange,
    Learning,
    MetricVerdict,
    PhaseChange,
    Speed,
    Status,
    TrialVerdict,
    Verdict,
)

LARGEST_PHASES = 3
"""Of the phases that explain a change, the most that are named."""


def compare_sides(a: str, b: str, results: Path, thresholds: Thresholds, only: str | None = None) -> Verdict:
    """Judge side B against side A.

    Args:
        a: See `read_side`.
        b: Likewise.
        results: The results folder.
        thresholds: What to judge by.
        only: Only trials whose name matches this pattern; None: all.

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
    return judge(match(*sides), thresholds, baseline=a, candidate=b)


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
    side = Side(where, read_folder(folder))
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
) -> Verdict:
    """Judge all trials of a comparison in speed and in learning.

    Args:
        trials: All configurations.
        thresholds: What to judge by; None for the defaults.
        noise: Pairs of the baseline with itself on the same machine.
        baseline: Name of the old side.
        candidate: Name of the new side.
        differences: What is known to differ between the sides, see `software_changes`.
        notes: Of the whole comparison.

    Raises:
        InputError: Predictions are damaged.
    """
    thresholds = thresholds or Thresholds()
    judged = {trial.key: trial for trial in trials if trial.pairs and not trial.not_comparable}
    values = {key: metric_values(trial, thresholds) for key, trial in judged.items()}
    noise_values = {trial.key: metric_values(trial, thresholds) for trial in noise if trial.pairs}
    metrics = judge_speed(
        {key: found for key, found in values.items() if not judged[key].speed_not_comparable},
        thresholds,
        noise_values,
    )
    predicted = {key: compared(trial.pairs) for key, trial in judged.items()}
    differing = judge_learning(
        {key: found for key, found in predicted.items() if not isinstance(found, str)},
        thresholds,
        {trial.key: found for trial in noise if not isinstance(found := compared(trial.pairs), str)},
    )
    verdicts = [
        _judged(
            trial, metrics.get(trial.key, []), differing.get(trial.key, []), predicted[trial.key], thresholds
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
        detectable=_detectable(values, noise_values, thresholds),
        notes=tuple(notes),
    )


def metric_values(trial: TrialPairs, thresholds: Thresholds | None = None) -> dict[str, Values]:
    """Metric -> its values in the pairs that count, see `counting`."""
    pairs = counting(trial, thresholds or Thresholds())
    found = {metric.name: values_of(metric, pairs) for metric in metrics_for(pairs)}
    return {name: values for name, values in found.items() if values is not None}


def counting(trial: TrialPairs, thresholds: Thresholds) -> tuple[Pair, ...]:
    """The undisturbed pairs if they are enough and at least one half; otherwise all pairs.

    Only what happened beside the pairs decides, never what they measured.
    """
    undisturbed = trial.undisturbed
    enough = len(undisturbed) >= min(thresholds.minimum_pairs, len(trial.pairs))
    return undisturbed if enough and 2 * len(undisturbed) >= len(trial.pairs) else trial.pairs


def _detectable(
    values: Mapping[str, MetricValues], noise: Mapping[str, MetricValues], thresholds: Thresholds
) -> dict[str, float]:
    """Metric -> the smallest change that these pairs find as often as `thresholds.power` says."""
    spreads = spreads_of(values, noise)
    tests = sum(len(found) for found in values.values())
    found = {}
    for name in METRICS:
        pairs = [len(trial[name].logs) for trial in values.values() if name in trial]
        if pairs and spreads[name].degrees and min(pairs) >= thresholds.minimum_pairs:
            found[name] = detectable(spreads[name], min(pairs), tests, thresholds)
    return found


def _judged(
    trial: TrialPairs,
    metrics: list[MetricVerdict],
    differences: list[DifferenceVerdict],
    predicted: dict[str, Compared] | str,
    thresholds: Thresholds,
) -> TrialVerdict:
    """A configuration that has pairs."""
    speed = speed_of(metrics) if metrics else Speed.INCONCLUSIVE
    if trial.speed_not_comparable:
        speed = Speed.NOT_COMPARABLE
    notes = [*trial.notes, trial.speed_not_comparable]
    images = sources = 0
    if isinstance(predicted, str):
        learning = Learning.NOT_COMPARABLE
        notes.append(f"learning: {predicted}")
    else:
        learning = learning_of(differences)
        clusters = predicted["accuracy"].clusters
        images, sources = clusters.images, len(clusters.size)
    counted = counting(trial, thresholds)
    disturbed = len(trial.pairs) - len(trial.undisturbed)
    if disturbed and len(counted) == len(trial.pairs):
        # Without the numbers, which are beside the pairs: several trials can then share the note.
        notes.append("too few pairs were undisturbed, so all count")
    failed = [one for one in trial.candidate_only if one.failed]
    if failed:
        notes.append(f"{_failures(failed)} of the candidate, beside {len(trial.pairs)} pairs")
    phases = phase_changes(counted)
    broken = _newly_failing(trial)
    reason = _reason(speed, metrics, differences, phases)
    if broken:
        seeds = f"{len({one.key for one in broken})} of its seeds or splits"
        reason = "; ".join(filter(None, (f"{seeds}: {_failures(broken)}, done before", reason)))
    return TrialVerdict(
        key=trial.key,
        label=trial.label,
        status=Status.FAILED if broken else Status.JUDGED,
        speed=speed,
        learning=learning,
        regression=bool(broken) or speed is Speed.SLOWER or learning is Learning.WORSE,
        reason=reason,
        metrics=tuple(metrics),
        differences=tuple(differences),
        phases=phases,
        curves=_curves(trial.pairs),
        pairs=len(trial.pairs),
        disturbed=disturbed,
        failed=len(failed),
        images=images,
        sources=sources,
        notes=tuple(filter(None, notes)),
    )


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
    speed: Speed,
    metrics: Sequence[MetricVerdict],
    differences: Sequence[DifferenceVerdict],
    phases: Sequence[PhaseChange],
) -> str:
    """What decided, in one sentence or two."""
    said = [
        f"{METRICS[one.metric].title} {one.ratio - 1:+.1%}"
        for one in metrics
        if one.verdict in (Speed.SLOWER, Speed.FASTER)
    ]
    if speed in (Speed.SLOWER, Speed.FASTER):
        way = 1 if speed is Speed.SLOWER else -1
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
