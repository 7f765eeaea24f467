"""The verdict on one configuration: its status, what decided, and what is said beside it."""

from collections.abc import Sequence

import numpy as np

from bench.compare.accuracy_time import accuracy_time_changes
from bench.compare.counted_pairs import counting, in_time
from bench.compare.learning import Compared, learning_of
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.metrics import METRICS, phase_changes
from bench.compare.operations import operation_changes
from bench.compare.speed import JudgedTrial
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
)

LARGEST_PHASES = 3
"""Of the phases that explain a change, the most that are named."""

CHANGED = (Speed.SLOWER, Speed.FASTER, Memory.LARGER, Memory.SMALLER)
"""Verdicts of metrics that are named as what decided."""


def judged_trial(
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
            f"the times of {resumed} pairs do not count: one of their runs resumed training from a checkpoint"
        )
    notes.append(_external(trial.pairs))
    failed = [one for one in trial.candidate_only if one.failed]
    if failed:
        notes.append(f"{_failures(failed)} of the candidate, beside {len(trial.pairs)} pairs")
    phases = phase_changes(counted)
    broken = _newly_failing(trial)
    reason = reason_of(timed.metrics, differences, phases)
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


def unpaired_trial(trial: TrialPairs) -> TrialVerdict:
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


def reason_of(
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
