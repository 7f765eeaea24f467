"""Two trials of a suite beside each other: the same test images, in pairs, and what each one cost."""

from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bench.compare.differences import Fingerprint
from bench.compare.discordance import Clusters
from bench.errors import InputError
from bench.journal.results import Attempt
from bench.trials.record import Record
from bench.trials.trial import Trial
from wbc.evaluation.predictions import Predictions

CONFIDENCE = 0.95
OTHER_IMAGES = "the trials were not tested on the same images"


@dataclass(frozen=True)
class Side:
    """What one of the two trials reached."""

    trial: str
    accuracy: float
    balanced_accuracy: float
    result_s: float | None
    """From the start of the process to the result."""
    fit_s: float | None
    disturbed: tuple[str, ...]
    """Why its times may not be its own; mostly empty."""


@dataclass(frozen=True)
class TwoTrials:
    """The second trial against the first. Differences are those of the second less the first."""

    first: Side
    second: Side
    differ: tuple[tuple[str, str, str], ...]
    """Settings and versions that differ: name, and the values of both."""
    images: int
    """Test images that both predicted."""
    sources: int
    """Their sources. Images of one source are one draw."""
    only_first: int
    """Images that only the first predicts right."""
    only_second: int
    difference: float
    """Of the balanced accuracies, on these images."""
    low: float
    high: float
    """Its 95 % interval, over sources."""
    other_device: str
    """What differs between the devices, so that times are not compared; empty if nothing does."""
    p: float | None
    """Two-sided, of McNemar's exact test; None where images share sources, because it takes every image for a draw."""
    left_out: int = 0
    """Test images of one of them that the other was not tested on."""

    @property
    def sentence(self) -> str:
        """What the images say, in one sentence."""
        points = f"{abs(self.difference) * 100:.1f} points of balanced accuracy"
        bounds = f"[{self.low * 100:+.1f} to {self.high * 100:+.1f}]"
        if self.low > 0 or self.high < 0:
            better = self.second if self.difference > 0 else self.first
            confident = f"{bounds} with 95 % confidence"
            return f"{better.trial} is better by {points}, {confident}, on the same {self.images} images."
        return (
            f"The same {self.images} images do not tell them apart: the second is "
            f"{'better' if self.difference > 0 else 'worse'} by {points}, {bounds}."
            if self.difference
            else f"The same {self.images} images do not tell them apart: no difference, {bounds}."
        )


def compare_trials(first: tuple[Attempt, Record], second: tuple[Attempt, Record]) -> TwoTrials:
    """Compare two trials that are done.

    The interval is of trained networks as they are: it does not include what another seed would change.

    Raises:
        InputError: A trial has no predictions, or they are of other images or classes.
    """
    ours, theirs = _predictions(first), _predictions(second)
    if list(ours.classes) != list(theirs.classes):
        raise InputError(
            f"the trials tell other classes apart: {', '.join(ours.classes)}, and {', '.join(theirs.classes)}"
        )
    if _other_images(first[1].trial, second[1].trial):
        raise InputError(OTHER_IMAGES, "Compare trials of one data set and one split.")
    place = {name: index for index, name in enumerate(theirs.files)}
    mine = [index for index, name in enumerate(ours.files) if name in place]
    its = [place[ours.files[index]] for index in mine]
    if not mine or (ours.labels[mine] != theirs.labels[its]).any():
        raise InputError(OTHER_IMAGES, "Compare trials of one data set and one split.")
    labels = ours.labels[mine]
    right = [(one.predicted[chosen] == labels).astype(float) for one, chosen in ((ours, mine), (theirs, its))]
    counts = np.bincount(labels, minlength=len(ours.classes))
    weights = len(labels) / ((counts > 0).sum() * counts[labels])
    sources = [ours.sources[index] for index in mine]
    clusters = Clusters.of((right[1] - right[0]) * weights, sources)
    half = clusters.half(CONFIDENCE)
    only_first, only_second = int((right[0] > right[1]).sum()), int((right[1] > right[0]).sum())
    independent = len(clusters.size) == len(labels)
    return TwoTrials(
        _side(first[1], right[0], weights),
        _side(second[1], right[1], weights),
        _differ(first[1].trial, second[1].trial),
        len(labels),
        len(clusters.size),
        only_first,
        only_second,
        clusters.mean,
        max(-1.0, clusters.mean - half),
        min(1.0, clusters.mean + half),
        Fingerprint.of_record(first[1]).difference(Fingerprint.of_record(second[1])),
        mcnemar(only_first, only_second) if independent else None,
        len(ours.files) + len(theirs.files) - 2 * len(mine),
    )


def _other_images(first: Trial, second: Trial) -> bool:
    """Whether images of the same names are others: drawn with another seed, or replaced under what else is equal."""
    ours, theirs = first.settings.data, second.settings.data
    if (ours.source, ours.data_seed) != (theirs.source, theirs.data_seed):
        return True
    unnamed = {"name": None, "digest": "", "test_name": None, "test_digest": None}
    return ours.digest != theirs.digest and replace(ours, **unnamed) == replace(theirs, **unnamed)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided probability of so uneven a split of the images that one alone predicts right, if both are equal."""
    from scipy.special import bdtr

    both = only_first + only_second
    return 1.0 if not both else min(1.0, 2 * float(bdtr(min(only_first, only_second), both, 0.5)))


def _differ(first: Trial, second: Trial) -> tuple[tuple[str, str, str], ...]:
    mine, its = first.flat(), second.flat()
    return tuple(
        (name, str(mine.get(name, "not set")), str(its.get(name, "not set")))
        for name in dict.fromkeys((*mine, *its))
        if mine.get(name) != its.get(name)
    )


def _predictions(trial: tuple[Attempt, Record]) -> Predictions:
    attempt, record = trial
    try:
        return Predictions.read_csv(attempt.predictions)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{record.trial.id} has no predictions that can be read ({attempt.predictions}: {reason})",
            "Run it again.",
        ) from None


def _side(record: Record, right: NDArray[np.float64], weights: NDArray[np.float64]) -> Side:
    whole, fit = record.time_to_result, record.fit_time
    return Side(
        record.trial.id,
        float(right.mean()),
        float((right * weights).mean()),
        whole.wall_s if whole else None,
        fit.wall_s if fit else None,
        record.disturbed,
    )
