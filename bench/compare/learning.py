"""What both sides learned: the same images, predicted by both; networks trained from the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.compare.discordance import Clusters, images_needed, mcnemar, sign_flip
from bench.compare.measurement import Images, Pair
from bench.compare.ratio import Floats, Spread, common_spread
from bench.compare.thresholds import Thresholds, holm
from bench.compare.verdict import DifferenceVerdict, Learning

FEW = 4.0
"""With fewer degrees of freedom, too little is known of how training varies from run to run."""

ASSUMED = Spread(0.03**2, 30.0)
"""What is then assumed of accuracies: networks trained again differ by a standard deviation of three points."""

ACCURACY, LOSS = "accuracy", "loss"

Rows = tuple[tuple[str, ...], ...]

RESOLUTION = {ACCURACY: 1.0, LOSS: 0.0}
"""See `Clusters.error`."""


@dataclass(frozen=True)
class Compared:
    """Accuracy or loss in the pairs of a trial."""

    baseline: Floats
    """Mean over the images, for every pair that trained networks of its own; shape (pairs,)."""
    candidate: Floats
    """Likewise."""
    clusters: Clusters
    """Candidate less baseline of each image, means over the pairs, joined by source."""
    grouped: bool
    """Whether images share a source."""
    discordant: tuple[int, int] | None
    """Images that only the baseline predicts right, and only the candidate; None with several pairs."""
    identical: bool
    """Whether all predictions are identical to the bit."""

    @property
    def differences(self) -> Floats:
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
        return "the predictions of one side are missing"
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
        single = len(kept) == 1 and metric == ACCURACY
        baseline, candidate = np.array(means).T
        found[metric] = Compared(
            baseline=baseline,
            candidate=candidate,
            clusters=Clusters.of(difference, grouping),
            grouped=len(set(grouping)) < len(grouping),
            discordant=(int((difference < 0).sum()), int((difference > 0).sum())) if single else None,
            identical=identical,
        )
    return found


def judge_learning(
    trials: Mapping[str, Found], thresholds: Thresholds, noise: Mapping[str, Found] | None = None
) -> dict[str, list[DifferenceVerdict]]:
    """Judge accuracy and loss of every trial, with Holm's correction over all of them.

    Two things vary: which images are tested, and how training goes. A difference counts if three conditions
    hold. The images show it: McNemar's exact test, or sign flips of sources. The networks show it: a t test
    over the pairs, with variance moderated by other trials and A against A. It is as large as the margin.

    McNemar's test alone is about the two networks, not about what trained them (Dietterich, Neural Comput
    1998): of networks trained from other seeds, one in three would differ as much. Where too little is known
    of how training varies, `ASSUMED` takes its place, a note says so, and loss is not judged.

    Args:
        trials: Name -> metric -> what `compared` found.
        thresholds: What to judge by.
        noise: Pairs of A against A, by the same names.
    """
    tested = [(trial, metric) for trial in trials for metric in (ACCURACY, LOSS)]
    spreads = {(trial, metric): _known(trial, metric, trials, noise or {}) for trial, metric in tested}
    p = {key: _p(trials[key[0]][key[1]], key[1], spreads[key]) for key in tested}
    adjusted = dict(zip(tested, holm([p[key] for key in tested]), strict=True))
    verdicts: dict[str, list[DifferenceVerdict]] = {trial: [] for trial in trials}
    for trial, metric in tested:
        key = trial, metric
        verdicts[trial].append(
            _judge(metric, trials[trial][metric], spreads[key], p[key], adjusted[key], thresholds)
        )
    return verdicts


def learning_of(differences: Sequence[DifferenceVerdict]) -> Learning:
    """The verdict of a trial: worse if either metric is, better if either is; the same if accuracy is."""
    verdicts = {difference.verdict for difference in differences}
    for verdict in (Learning.WORSE, Learning.BETTER):
        if verdict in verdicts:
            return verdict
    return differences[0].verdict


def _known(trial: str, metric: str, trials: Mapping[str, Found], noise: Mapping[str, Found]) -> Spread:
    """What other trials and A against A say of how training varies.

    A pair of A against A that is identical to the bit says nothing: it is one training, done twice.
    """
    varied = {name: found for name, found in noise.items() if not found[metric].identical}
    known, noisy = (
        [found[metric].differences for other, found in each.items() if other != trial]
        for each in (trials, varied)
    )
    others = common_spread(known, noisy)
    return others.with_noise(varied[trial][metric].differences) if trial in varied else others


def _p(found: Compared, metric: str, spread: Spread) -> float | None:
    if found.identical:  # nothing to test
        return None
    moderated = spread.with_sample(found.differences)
    if moderated.degrees < FEW:
        if metric == LOSS:
            return None
        moderated = max(moderated, ASSUMED, key=lambda one: one.variance)
    if found.discordant and not found.grouped:
        images = mcnemar(*found.discordant)
    else:
        images = sign_flip(found.clusters.difference)
    from scipy.special import stdtr

    mean = abs(float(found.differences.mean()))
    error = np.sqrt(moderated.variance / len(found.differences))
    if mean == 0:
        return 1.0
    return max(images, 2 * float(stdtr(moderated.degrees, -mean / error)) if error else 0.0)


def _networks(found: Compared, spread: Spread) -> tuple[float, float] | None:
    """Standard error of the difference between trainings, and its degrees of freedom; None if unknown."""
    moderated = spread.with_sample(found.differences)
    if moderated.degrees < FEW:
        return None
    return float(np.sqrt(moderated.variance / len(found.differences))), moderated.degrees


def _bounds(found: Compared, metric: str, spread: Spread, confidence: float) -> tuple[float, float]:
    """The wider of the intervals over images and over networks."""
    if found.identical:
        return 0.0, 0.0
    low, high = found.clusters.interval(confidence, RESOLUTION[metric])
    networks = _networks(found, spread)
    if networks is not None:
        from scipy.special import stdtrit

        error, degrees = networks
        half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
        mean = float(found.differences.mean())
        low, high = min(low, mean - half), max(high, mean + half)
    return low, high


def _judge(
    metric: str,
    found: Compared,
    spread: Spread,
    p: float | None,
    adjusted: float | None,
    thresholds: Thresholds,
) -> DifferenceVerdict:
    margin = thresholds.margin if metric == ACCURACY else thresholds.loss_margin
    mean = float(found.differences.mean())
    low, high = _bounds(found, metric, spread, 0.9)
    note, verdict = "", Learning.INCONCLUSIVE
    significant = adjusted is not None and adjusted <= thresholds.alpha_now
    alone = _networks(found, spread) is None
    if found.identical:
        verdict, note = Learning.SAME, "identical to the bit"
    elif significant and abs(mean) >= margin:
        verdict = Learning.BETTER if (mean > 0) == (metric == ACCURACY) else Learning.WORSE
    elif -margin < low and high < margin:
        verdict = Learning.SAME
    else:
        note = _why_inconclusive(metric, found, margin)
    if alone and not found.identical:
        number = len(found.differences)
        networks = "one network" if number == 1 else f"{number} networks"
        said = f"{networks} per side cannot show how training varies from run to run; more seeds would"
        note = f"{note}; {said}" if note else said
    wide = _bounds(found, metric, spread, 0.95)
    return DifferenceVerdict(
        metric=metric,
        verdict=verdict,
        baseline=float(found.baseline.mean()),
        candidate=float(found.candidate.mean()),
        difference=mean,
        low=wide[0],
        high=wide[1],
        p=p,
        adjusted_p=adjusted,
        method=_method(found, alone),
        pairs=tuple(found.differences.tolist()),
        note=note,
    )


def _why_inconclusive(metric: str, found: Compared, margin: float) -> str:
    low, high = found.clusters.interval(0.95, RESOLUTION[metric])
    if low > 0 or high < 0:
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


def _method(found: Compared, alone: bool) -> str:
    if found.identical:
        return "comparison to the bit"
    images = "McNemar, exact" if found.discordant and not found.grouped else "sign flips"
    images += " by source" if found.grouped else ""
    return images if alone else f"{images}; t over networks, variance moderated"


def _aligned(old: Images, new: Images) -> NDArray[np.int64] | None:
    """For each image of the baseline its row in the candidate; None if images or classes differ."""
    if old.files == new.files and old.truth == new.truth:
        return np.arange(len(old.files))
    place = {file: number for number, file in enumerate(new.files)}
    if len(place) != len(new.files) or set(place) != set(old.files):
        return None
    order = np.array([place[file] for file in old.files])
    return order if tuple(new.truth[number] for number in order) == old.truth else None
