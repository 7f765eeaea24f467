"""How long each side took to the accuracy that the baseline reached. It is shown, and decides nothing."""

import math
from collections.abc import Sequence

from bench.compare.measurement import Measurement, Pair
from bench.compare.verdict import AccuracyTimeChange
from bench.records.accuracy_time import SHARES, first_kept, over_seeds
from bench.trials.measured import NEVER


def accuracy_time_changes(pairs: Sequence[Pair]) -> tuple[AccuracyTimeChange, ...]:
    """Times of both sides to shares of the best validation accuracy of each pair's baseline.

    The target is the same for both sides of a pair: against a best of its own, a candidate that learns less
    would look fast.

    Args:
        pairs: Those whose times count.
    """
    known = [pair for pair in pairs if pair.baseline.moments and pair.candidate.moments]
    return tuple(_change(known, share) for share in SHARES) if known else ()


def _change(pairs: Sequence[Pair], share: float) -> AccuracyTimeChange:
    old, new = [], []
    for pair in pairs:
        target = share * max(moment.accuracy for moment in pair.baseline.moments)
        old.append(_seconds(pair.baseline, target))
        new.append(_seconds(pair.candidate, target))
    both = [(a, b) for a, b in zip(old, new, strict=True) if math.isfinite(a) or math.isfinite(b)]
    ratios = over_seeds([b / a if math.isfinite(b) else math.inf for a, b in both]) if both else None
    return AccuracyTimeChange(
        of_best=share,
        baseline=over_seeds(old).median,
        candidate=over_seeds(new).median,
        baseline_reached=sum(map(math.isfinite, old)),
        candidate_reached=sum(map(math.isfinite, new)),
        ratio=ratios.median if ratios else NEVER,
        low=ratios.low if ratios else None,
        high=ratios.high if ratios else None,
        coverage=ratios.coverage if ratios else None,
        pairs=len(pairs),
    )


def _seconds(side: Measurement, target: float) -> float:
    kept = first_kept(side.moments, target)
    return math.inf if kept is None else kept.work_s
