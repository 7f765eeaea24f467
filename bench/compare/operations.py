"""Which operations of the training step take longer, from the traces of both sides."""

import math
from collections.abc import Sequence

import numpy as np

from bench.compare.betting import Array
from bench.compare.measurement import Pair
from bench.compare.metrics import PHASE_LEVEL, p_of_mean
from bench.compare.speed import estimate
from bench.compare.thresholds import holm
from bench.compare.verdict import OperationChange
from bench.trials.measured import Profile

LEAST_SHARE = 0.01
"""Of the own time of all operations: what takes less on both sides is left out."""


def operation_changes(pairs: Sequence[Pair]) -> tuple[OperationChange, ...]:
    """The operations that most pairs with traces have on both sides, those that changed by most time first.

    A change is clear if a t test of the log ratios over the pairs shows it at 5 %, with Holm's correction over all
    operations of the trial. Nothing without traces (`[profile]` of a suite) on both sides.
    """
    traced = [
        (_milliseconds(old), _milliseconds(new))
        for pair in pairs
        if (old := pair.baseline.record.profile) and (new := pair.candidate.record.profile)
    ]
    if not traced:
        return ()
    times: dict[str, Array] = {}
    for name in sorted({name for both in traced for side in both for name in side}):
        both = [(old[name], new[name]) for old, new in traced if name in old and name in new]
        if 2 * len(both) >= len(traced):
            times[name] = np.array(both)
    typical = {name: np.median(values, axis=0) for name, values in times.items()}
    least = LEAST_SHARE * sum(typical.values(), np.zeros(2))
    times = {name: values for name, values in times.items() if (typical[name] >= least).any()}
    logs = {name: np.log(values[:, 1] / values[:, 0]) for name, values in times.items()}
    adjusted = holm([p_of_mean(ratios) for ratios in logs.values()])
    changes = [
        OperationChange(
            operation=name,
            baseline_ms=float(typical[name][0]),
            candidate_ms=float(typical[name][1]),
            ratio=math.exp(estimate(ratios)),
            up=int((ratios > 0).sum()),
            pairs=len(ratios),
            clear=p is not None and p <= PHASE_LEVEL,
        )
        for (name, ratios), p in zip(logs.items(), adjusted, strict=True)
    ]
    return tuple(sorted(changes, key=lambda one: (not one.clear, -abs(one.difference_ms))))


def _milliseconds(profile: Profile) -> dict[str, float]:
    """Operation -> milliseconds of its own in a step."""
    return {one.op: 1000 * one.self_s / profile.steps for one in profile.top if one.self_s > 0}
