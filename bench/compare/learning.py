"""What both sides learnt: the same images, predicted by both; networks trained from the same seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.measurement import Images, Pair
from bench.compare.statistics.discordance import Clusters, images_needed, mcnemar, sign_flip
from bench.compare.statistics.multiplicity import holm
from bench.compare.statistics.spread import Spread, common_spread
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import DifferenceVerdict, Learning

FEW = 4.0
"""Degrees of freedom below which too little is known of how training varies from run to run."""

ASSUMED = Spread(0.03**2, 30.0)
"""What is assumed of accuracies then: networks trained anew differ by three points (a standard deviation)."""

ACCURACY, LOSS = "accuracy", "loss"
RESOLUTION = {ACCURACY: 1.0, LOSS: 0.0}


@dataclass(frozen=True)
class Compared:
    """One figure of a trial's pairs.

    Attributes:
        baseline: Mean over images, of every pair that tells something of its own; shape (pairs,).
        candidate: Likewise.
        clusters: Candidate less baseline of each image, means over the pairs, joined by source cell.
        grouped: Whether images share a source cell.
        discordant: Images that only the baseline has right, and only the candidate; of a single pair.
        identical: Whether all predictions are the same to the bit.
    """

    baseline: np.ndarray
    candidate: np.ndarray
    clusters: Clusters
    grouped: bool
    discordant: tuple[int, int] | None
    identical: bool

    @property
    def differences(self) -> np.ndarray:
        """Candidate less baseline, of every pair."""
        return self.candidate - self.baseline


Found = Mapping[str, Compared]
"""Figure -> what was found, of one trial."""


def compared(pairs: Sequence[Pair]) -> dict[str, Compared] | str:
    """Accuracy and loss of pairs whose sides predicted the same images; else why there are none.

    Pairs that repeat others to the bit (same seed, deterministic) are counted once: they are one training.
    Seeds may have other test images each; those are then further images.
    """
    kept: dict[tuple, tuple[Images, Images]] = {}
    for pair in pairs:
        old, new = pair.baseline.images, pair.candidate.images
        if old is None or new is None:
            continue
        order = _aligned(old, new)
        if order is None:
            return "the two sides predicted different test images"
        kept.setdefault((old.content, tuple(new.content[number] for number in order)), (old, new))
    if not kept:
        return "there are no predictions of both sides"
    identical = all(set(old) == set(new) for old, new in kept)
    found = {}
    for figure in (ACCURACY, LOSS):
        total: dict[str, list[float]] = {}
        sources: dict[str, str] = {}
        means = []
        for old, new in kept.values():
            order = _aligned(old, new)
            before = old.right.astype(float) if figure == ACCURACY else old.losses
            after = (new.right.astype(float) if figure == ACCURACY else new.losses)[order]
            means.append((before.mean(), after.mean()))
            for file, source, difference in zip(old.files, old.sources, after - before, strict=True):
                total.setdefault(file, []).append(float(difference))
                sources[file] = source
        difference = np.array([np.mean(total[file]) for file in total])
        trials = [sources[file] for file in total]
        single = len(kept) == 1 and figure == ACCURACY
        baseline, candidate = np.array(means).T
        found[figure] = Compared(
            baseline=baseline,
            candidate=candidate,
            clusters=Clusters.of(difference, trials),
            grouped=len(set(trials)) < len(trials),
            discordant=(int((difference < 0).sum()), int((difference > 0).sum())) if single else None,
            identical=identical,
        )
    return found


def judge_learning(
    trials: Mapping[str, Found], thresholds: Thresholds, noise: Mapping[str, Found] | None = None
) -> dict[str, list[DifferenceVerdict]]:
    """Judge accuracy and loss of every trial; Holm's correction is over all of them.

    Two things vary: which images were tested, and how training went. A difference counts if the images show
    it (McNemar's exact test, or sign flips of source cells) *and* the networks do (t test over the pairs,
    variance moderated by other trials and A against A), and if it is as large as the margin. McNemar's test
    alone speaks of the two networks, not of what trained them (Dietterich, Neural Comput 1998): trained
    anew from other seeds, one in three would differ like that. Where too little is known of how training
    varies, `ASSUMED` stands for it, the note says so, and loss is not judged.

    Args:
        trials: Name -> figure -> what `compared` found.
        thresholds: See `Thresholds`.
        noise: Trials of A against A, by the same names.
    """
    tested = [(trial, figure) for trial in trials for figure in (ACCURACY, LOSS)]
    spreads = {(trial, figure): _known(trial, figure, trials, noise or {}) for trial, figure in tested}
    p = {key: _p(trials[key[0]][key[1]], key[1], spreads[key]) for key in tested}
    adjusted = dict(zip(tested, holm([p[key] for key in tested]), strict=True))
    verdicts: dict[str, list[DifferenceVerdict]] = {trial: [] for trial in trials}
    for trial, figure in tested:
        key = trial, figure
        verdicts[trial].append(
            _judge(figure, trials[trial][figure], spreads[key], p[key], adjusted[key], thresholds)
        )
    return verdicts


def learning_of(differences: Sequence[DifferenceVerdict]) -> Learning:
    """The verdict of a trial: worse if either figure is, better if one is; the same if accuracy is."""
    verdicts = {difference.verdict for difference in differences}
    for verdict in (Learning.WORSE, Learning.BETTER):
        if verdict in verdicts:
            return verdict
    return differences[0].verdict


def _known(trial: str, figure: str, trials: Mapping[str, Found], noise: Mapping[str, Found]) -> Spread:
    """What other trials and A against A say of how training varies.

    A against A that is identical to the bit says nothing of it: one training was done twice.
    """
    varied = {name: found for name, found in noise.items() if not found[figure].identical}
    others = common_spread(
        *(
            [found[figure].differences for other, found in each.items() if other != trial]
            for each in (trials, varied)
        )
    )
    return others.with_noise(varied[trial][figure].differences) if trial in varied else others


def _p(found: Compared, figure: str, spread: Spread) -> float | None:
    if found.identical:  # nothing to test
        return None
    moderated = spread.with_sample(found.differences)
    if moderated.degrees < FEW:
        if figure == LOSS:
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
    """Standard error of the difference between trainings and its degrees of freedom; None if unknown."""
    moderated = spread.with_sample(found.differences)
    if moderated.degrees < FEW:
        return None
    return float(np.sqrt(moderated.variance / len(found.differences))), moderated.degrees


def _bounds(found: Compared, figure: str, spread: Spread, confidence: float) -> tuple[float, float]:
    """The wider of what images and what networks leave open."""
    if found.identical:
        return 0.0, 0.0
    low, high = found.clusters.interval(confidence, RESOLUTION[figure])
    networks = _networks(found, spread)
    if networks is not None:
        from scipy.special import stdtrit

        error, degrees = networks
        half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
        mean = float(found.differences.mean())
        low, high = min(low, mean - half), max(high, mean + half)
    return low, high


def _judge(
    figure: str,
    found: Compared,
    spread: Spread,
    p: float | None,
    adjusted: float | None,
    thresholds: Thresholds,
) -> DifferenceVerdict:
    margin = thresholds.margin if figure == ACCURACY else thresholds.loss_margin
    mean = float(found.differences.mean())
    low, high = _bounds(found, figure, spread, 0.9)
    note, verdict = "", Learning.INCONCLUSIVE
    significant = adjusted is not None and adjusted <= thresholds.alpha_now
    alone = _networks(found, spread) is None
    if found.identical:
        verdict, note = Learning.SAME, "identical to the bit"
    elif significant and abs(mean) >= margin:
        verdict = Learning.BETTER if (mean > 0) == (figure == ACCURACY) else Learning.WORSE
    elif -margin < low and high < margin:
        verdict = Learning.SAME
    else:
        note = _why_inconclusive(figure, found, margin)
    if alone and not found.identical:
        number = len(found.differences)
        networks = "one network a side does" if number == 1 else f"{number} networks a side do"
        said = f"{networks} not show how training varies from run to run: more seeds would"
        note = f"{note}; {said}" if note else said
    wide = _bounds(found, figure, spread, 0.95)
    return DifferenceVerdict(
        figure=figure,
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


def _why_inconclusive(figure: str, found: Compared, margin: float) -> str:
    low, high = found.clusters.interval(0.95, RESOLUTION[figure])
    if low > 0 or high < 0:
        return "these networks differ, but networks trained anew might as well: more seeds would tell"
    needed = images_needed(found.clusters, margin, RESOLUTION[figure])
    size = f"{margin * 100:g} points" if figure == ACCURACY else f"{margin:g} nats"
    if needed > found.clusters.images:
        return f"{found.clusters.images} test images are too few for a margin of {size}: about {needed}"
    return f"neither a difference nor equivalence within {size} is shown: more seeds"


def _method(found: Compared, alone: bool) -> str:
    if found.identical:
        return "comparison to the bit"
    images = "McNemar, exact" if found.discordant and not found.grouped else "sign flips"
    images += " by source cell" if found.grouped else ""
    return images if alone else f"{images}; t over networks, variance moderated"


def _aligned(old: Images, new: Images) -> np.ndarray | None:
    """For each image of the old side its row in the new one; None if images or classes differ."""
    if old.files == new.files and old.truth == new.truth:
        return np.arange(len(old.files))
    place = {file: number for number, file in enumerate(new.files)}
    if len(place) != len(new.files) or set(place) != set(old.files):
        return None
    order = np.array([place[file] for file in old.files])
    return order if tuple(new.truth[number] for number in order) == old.truth else None
