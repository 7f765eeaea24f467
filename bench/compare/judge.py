"""From pairs to the verdict."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.compare.changes import changes_between
from bench.compare.learning import Compared, compared, judge_learning, learning_of
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.metrics import METRICS, Values, metrics_for, phase_changes, values_of
from bench.compare.speed import judge_speed, speed_of
from bench.compare.statistics.power import detectable
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
        thresholds: What to go by; None for the defaults.
        noise: The baseline against itself on the same machine, as `TrialPairs` too.
        baseline: Name of the old side.
        candidate: Name of the new side.
        differences: What is known to differ between the sides, see `changes_between`.
        notes: Of the whole comparison.

    Raises:
        InputError: Predictions are damaged.
    """
    thresholds = thresholds or Thresholds()
    judged = {trial.key: trial for trial in trials if trial.pairs and not trial.not_comparable}
    figures = {key: figures_of(trial, thresholds) for key, trial in judged.items()}
    noise_figures = {trial.key: figures_of(trial, thresholds) for trial in noise if trial.pairs}
    metrics = judge_speed(
        {key: found for key, found in figures.items() if not judged[key].speed_not_comparable},
        thresholds,
        noise_figures,
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
        changes=changes_between(_all(trials, 0), _all(trials, 1), differences),
        thresholds=thresholds.plain(),
        detectable=detectable_of(figures, noise_figures, thresholds),
        notes=tuple(notes),
    )


def figures_of(trial: TrialPairs, thresholds: Thresholds | None = None) -> dict[str, Values]:
    """Metric -> its values in the pairs that count: the undisturbed ones where there are enough."""
    pairs = counting(trial, thresholds or Thresholds())
    found = {metric.name: values_of(metric, pairs) for metric in metrics_for(pairs)}
    return {name: values for name, values in found.items() if values is not None}


def counting(trial: TrialPairs, thresholds: Thresholds) -> tuple[Pair, ...]:
    """The undisturbed pairs; all of them where most, or all but a few, were disturbed.

    What is chosen by is what went on beside the pairs, never what they measured.
    """
    calm = len(trial.undisturbed)
    enough = calm >= min(thresholds.minimum_pairs, len(trial.pairs)) and 2 * calm >= len(trial.pairs)
    return trial.undisturbed if enough else trial.pairs


def detectable_of(figures, noise, thresholds: Thresholds) -> dict[str, float]:
    """Metric -> the smallest change that the pairs at hand find as often as `thresholds.power` asks."""
    from bench.compare.speed import spreads_of

    spreads = spreads_of(figures, noise)
    tests = sum(len(found) for found in figures.values())
    found = {}
    for name in METRICS:
        pairs = [len(trial[name].logs) for trial in figures.values() if name in trial]
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
    speed = speed_of(metrics) if metrics else Speed.INCONCLUSIVE
    if trial.speed_not_comparable:
        speed = Speed.NOT_COMPARABLE
    notes = [*trial.notes, trial.speed_not_comparable]
    if isinstance(predicted, str):
        learning = Learning.NOT_COMPARABLE
        notes.append(f"learning: {predicted}")
    else:
        learning = learning_of(differences)
    disturbed = len(trial.pairs) - len(trial.undisturbed)
    if disturbed and len(counting(trial, thresholds)) == len(trial.pairs):
        # Without numbers, which stand with the pairs: what holds of many trials is then said once.
        notes.append("too few pairs were undisturbed, so all count")
    phases = phase_changes(counting(trial, thresholds))
    failed = [one for one in trial.candidate_only if one.record["status"] == "failed"]
    if failed:
        notes.append(f"{_failures(failed)} of the candidate, beside {len(trial.pairs)} pairs")
    broken = _newly_failing(trial)
    reason = _reason(speed, metrics, differences, phases)
    if broken:
        seeds = f"{len({one.key for one in broken})} of its seeds or splits"
        reason = "; ".join(filter(None, (f"{seeds}: {_failures(broken)}, done before", reason)))
    images = 0 if isinstance(predicted, str) else predicted["accuracy"].clusters.images
    sources = 0 if isinstance(predicted, str) else len(predicted["accuracy"].clusters.size)
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
    """Failed attempts of the candidate at trials that it has not done and the baseline has."""
    done = {pair.candidate.key for pair in trial.pairs} | {
        one.key for one in trial.candidate_only if one.done
    }
    before = {one.key for one in trial.baseline_only if one.done}
    return [
        one
        for one in trial.candidate_only
        if one.record["status"] == "failed" and one.key in before and one.key not in done
    ]


def _not_judged(trial: TrialPairs) -> TrialVerdict:
    """A configuration that no pair tells anything of."""
    old, new = trial.baseline_only, trial.candidate_only
    made = [one for one in old if one.done]
    broken = [one for one in new if one.record["status"] == "failed"]
    regression, reason = False, ""
    if trial.not_comparable:
        status, reason = Status.NOT_COMPARABLE, trial.not_comparable
    elif broken and not any(one.done for one in new):
        status, regression = Status.FAILED, bool(made)
        before = "it was done before" if made else "it failed before, too" if old else "it is new"
        reason = f"{_failures(broken)}; {before}"
    elif any(one.done for one in new):
        status, reason = Status.NEW, "the baseline has not done it"
        if failed := [one for one in old if one.record["status"] == "failed"]:
            reason = f"the baseline failed: {_failures(failed)}"
    else:
        status, reason = Status.GONE, "the candidate has not done it"
        if new:
            reason = "the candidate was interrupted in it"
        elif not made:
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
    failure = failed[-1].record.get("failure") or {}
    where = f" in {failure['phase']}" if failure.get("phase") else ""
    said = f"{failure.get('kind', 'failed')}{where}: {failure.get('message', 'without a reason')}"
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
            size = (
                f"{one.difference * 100:+.1f} points"
                if one.figure == "accuracy"
                else f"{one.difference:+.3f} nats"
            )
            said.append(f"{one.figure} {size}")
    return "; ".join(said)


def _curves(pairs: Sequence[Pair]) -> tuple[EpochChange, ...]:
    """Means over the pairs of every metric after each epoch that all of them reached."""
    curves = [(_by_epoch(pair.baseline), _by_epoch(pair.candidate)) for pair in pairs]
    curves = [pair for pair in curves if all(pair)]
    if not curves:
        return ()
    common = sorted(set.intersection(*(set(side) for pair in curves for side in pair)))
    changes = []
    for epoch in common:
        old, new = ([pair[side][epoch] for pair in curves] for side in (0, 1))
        changes.append(EpochChange(epoch, _means(old), _means(new)))
    return tuple(changes)


def _by_epoch(measurement: Measurement) -> dict[int, dict[str, float]]:
    return {
        int(epoch["epoch"]): {name: value for name, value in epoch.items() if name != "epoch"}
        for epoch in measurement.epochs
    }


def _means(epochs: Sequence[dict[str, float]]) -> dict[str, float]:
    names = set.intersection(*(set(epoch) for epoch in epochs))
    return {name: float(np.mean([epoch[name] for epoch in epochs])) for name in sorted(names)}


def _all(trials: Iterable[TrialPairs], side: int) -> list[Measurement]:
    found: list[Measurement] = []
    for trial in trials:
        found += [(pair.baseline, pair.candidate)[side] for pair in trial.pairs]
        found += (trial.baseline_only, trial.candidate_only)[side]
    return found
