"""What both sides learned: the same images, predicted by both; networks trained from the same seeds."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.compare.betting import Array
from bench.compare.discordance import Clusters, images_needed
from bench.compare.measurement import Images, Pair
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import DifferenceVerdict, Learning

FEW = 4
"""With fewer trainings of each side, too little is known of how training varies to call a side worse."""

ASSUMED_SD = 0.05
"""What is then assumed: accuracies of networks trained again differ by a standard deviation of five points."""

ACCURACY, LOSS = "accuracy", "loss"

Rows = tuple[tuple[str, ...], ...]

RESOLUTION = {ACCURACY: 1.0, LOSS: 0.0}
"""See `Clusters.error`."""


@dataclass(frozen=True)
class Compared:
    """Accuracy or loss in the pairs of a trial."""

    baseline: Array
    """Mean over the images, for every pair that trained networks of its own; shape (pairs,)."""
    candidate: Array
    """Likewise."""
    clusters: Clusters
    """Candidate less baseline of each image, means over the pairs, joined by source."""
    identical: bool
    """Whether all predictions are identical to the bit."""

    @property
    def differences(self) -> Array:
        """Candidate less baseline, for every pair."""
        return self.candidate - self.baseline


Found = Mapping[str, Compared]
"""Metric -> what was found, for one trial."""


def compared(pairs: Sequence[Pair]) -> dict[str, Compared] | str:
    """Accuracy and loss of pairs whose sides predicted the same images, or why there are none.

    Pairs that are identical to the bit (same seed, deterministic) count once, because they are one training.
    Each seed may have other test images; those are then additional images.
    """
    kept: dict[tuple[Rows, Rows], tuple[Images, Images]] = {}
    for pair in pairs:
        old, new = pair.baseline.images, pair.candidate.images
        if old is None or new is None:
            continue
        order = _aligned(old, new)
        if order is None:
            return "the two sides predicted different test images"
        kept.setdefault((old.content, tuple(new.content[number] for number in order)), (old, new))
    if not kept:
        return "the predictions of one side are missing or damaged"
    identical = all(set(old) == set(new) for old, new in kept)
    found = {}
    for metric in (ACCURACY, LOSS):
        total: dict[str, list[float]] = {}
        sources: dict[str, str] = {}
        means = []
        for old, new in kept.values():
            order = _aligned(old, new)
            before = old.right.astype(float) if metric == ACCURACY else old.losses
            after = (new.right.astype(float) if metric == ACCURACY else new.losses)[order]
            means.append((before.mean(), after.mean()))
            for file, source, difference in zip(old.files, old.sources, after - before, strict=True):
                total.setdefault(file, []).append(float(difference))
                sources[file] = source
        difference = np.array([np.mean(total[file]) for file in total])
        grouping = [sources[file] for file in total]
        baseline, candidate = np.array(means).T
        found[metric] = Compared(
            baseline=baseline,
            candidate=candidate,
            clusters=Clusters.of(difference, grouping),
            identical=identical,
        )
    return found


def judge_learning(trials: Mapping[str, Found], thresholds: Thresholds) -> dict[str, list[DifferenceVerdict]]:
    """Judge accuracy and loss of every trial.

    Two things vary: which images are tested, and how training goes. The half width of a difference is the root
    of the sum of both squares. Only the trial's own trainings say how its training varies.

    Worse or better: the difference is as large as the margin, and larger than the half width at the error rate
    of this look, shared by all trials and both metrics. With fewer than `FEW` trainings of each side,
    `ASSUMED_SD` takes the place of what they vary by, and loss is not judged.

    The same: the interval lies within the margin (two one-sided tests at the error rate of this look). One
    training of each side is never the same, unless all predictions are identical to the bit.

    Args:
        trials: Name -> metric -> what `compared` found.
        thresholds: What to judge by.
    """
    tested = [found for trial in trials.values() for found in trial.values() if not found.identical]
    level = thresholds.alpha_now / max(1, len(tested))
    return {
        name: [_judge(metric, found[metric], level, thresholds) for metric in (ACCURACY, LOSS)]
        for name, found in trials.items()
    }


def content_of(trials: Mapping[str, Found]) -> str:
    """What was learned, as a hash: another look at the same is no other look. Empty where nothing is tested."""
    tested = [
        (name, metric, one.baseline.tobytes(), one.candidate.tobytes())
        for name, found in sorted(trials.items())
        for metric, one in found.items()
        if not one.identical
    ]
    return hashlib.sha256(repr(tested).encode()).hexdigest()[:16] if tested else ""


def learning_of(differences: Sequence[DifferenceVerdict]) -> Learning:
    """The verdict of a trial: worse if either metric is, better if either is; the same if accuracy is."""
    verdicts = {difference.verdict for difference in differences}
    for verdict in (Learning.WORSE, Learning.BETTER):
        if verdict in verdicts:
            return verdict
    return differences[0].verdict


def half_width(found: Compared, metric: str, confidence: float, assumed: bool) -> float | None:
    """Half width of the interval of a difference; None where nothing is known of how training varies.

    Args:
        found: The metric.
        metric: Its name.
        confidence: Of the interval.
        assumed: Whether the assumed variation takes the place of what is known; that is one of accuracies.
    """
    from scipy.special import ndtri, stdtrit

    number = len(found.differences)
    if assumed:
        if metric != ACCURACY:
            return None
        trainings = float(ndtri((1 + confidence) / 2)) * ASSUMED_SD / math.sqrt(number)
    else:
        spread = float(np.std(found.differences, ddof=1))
        trainings = float(stdtrit(number - 1, (1 + confidence) / 2)) * spread / math.sqrt(number)
    return math.hypot(trainings, found.clusters.half(confidence, RESOLUTION[metric]))


def _judge(metric: str, found: Compared, level: float, thresholds: Thresholds) -> DifferenceVerdict:
    margin = thresholds.margin if metric == ACCURACY else thresholds.loss_margin
    mean, number = float(found.differences.mean()), len(found.differences)
    few, alone = number < FEW, number < 2
    wide, narrow, needed = (
        (0.0, 0.0, None)
        if found.identical
        else (
            half_width(found, metric, 0.95, alone),
            None if alone else half_width(found, metric, 1 - 2 * thresholds.alpha_same_now, False),
            half_width(found, metric, 1 - level, few),
        )
    )
    bar = None if needed is None else max(margin, needed)
    note, verdict = "", Learning.INCONCLUSIVE
    if found.identical:
        verdict, note = Learning.SAME, "identical to the bit"
    elif bar is not None and abs(mean) >= bar:
        verdict = Learning.BETTER if (mean > 0) == (metric == ACCURACY) else Learning.WORSE
    elif narrow is not None and abs(mean) + narrow < margin:
        verdict = Learning.SAME
    else:
        note = _why_inconclusive(metric, found, margin)
    if few and not found.identical:
        networks = "one network" if alone else f"{number} networks"
        said = f"{networks} per side cannot show how training varies from run to run; more seeds would"
        note = f"{note}; {said}" if note else said
    return DifferenceVerdict(
        metric=metric,
        verdict=verdict,
        baseline=float(found.baseline.mean()),
        candidate=float(found.candidate.mean()),
        difference=mean,
        low=None if wide is None else mean - wide,
        high=None if wide is None else mean + wide,
        bar=bar,
        pairs=tuple(found.differences.tolist()),
        note=note,
    )


def _why_inconclusive(metric: str, found: Compared, margin: float) -> str:
    if abs(found.clusters.mean) > found.clusters.half(0.95, RESOLUTION[metric]):
        return (
            "these networks differ, but networks of the same side might differ as much; more seeds would tell"
        )
    needed = images_needed(found.clusters, margin, RESOLUTION[metric])
    size = f"{margin * 100:g} points" if metric == ACCURACY else f"{margin:g} nats"
    if needed > found.clusters.images:
        return (
            f"{found.clusters.images} test images are too few for a margin of {size}; it takes about {needed}"
        )
    return f"neither a difference nor equivalence within {size} is shown; more seeds would help"


def _aligned(old: Images, new: Images) -> NDArray[np.int64] | None:
    """For each image of the baseline its row in the candidate; None if images or classes differ."""
    if old.files == new.files and old.truth == new.truth:
        return np.arange(len(old.files))
    place = {file: number for number, file in enumerate(new.files)}
    if len(place) != len(new.files) or set(place) != set(old.files):
        return None
    order = np.array([place[file] for file in old.files])
    return order if tuple(new.truth[number] for number in order) == old.truth else None
