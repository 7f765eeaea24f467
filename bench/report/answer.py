"""The answer of a report: which configuration is worth its time, or what it would take to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.compare.noninferiority import (
    MARGIN,
    NonInferiority,
    fastest_non_inferior,
    non_inferior,
)
from bench.journal.results import SuiteResults
from bench.report.frame import attempt_of
from bench.report.mistakes import predictions_of
from bench.report.pareto import Candidate, best_of, on_several_devices
from bench.report.tables.formats import bounds, duration

Floats = NDArray[np.float64]

MOST_COMPARED = 24
"""Configurations that are compared with one another: the most accurate ones."""

MOST_SEEDS = 20
"""Seeds that anyone would be asked for."""

MOST_REPLICATES = 10
"""Trials of each whose predictions are read for it."""


@dataclass(frozen=True)
class SameImages:
    """What configurations predicted for the same test images, as `bench.compare.noninferiority` takes it."""

    right: Mapping[str, Floats] = field(default_factory=dict)
    """Key of a configuration -> shape (trainings, images). The mean over the images of a training is its balanced
    accuracy: each image that is right counts with a weight that makes all classes equal."""
    sources: Sequence[str] = ()
    """Of every image."""
    classes: int = 0
    """Of the test images; 0 where that is not known."""


@dataclass(frozen=True)
class Decision:
    """Which configuration the page names, and why."""

    named: Candidate
    best: Candidate
    """The most accurate."""
    count: int
    """Configurations that are done."""
    shown: NonInferiority | None
    """The test of the one that is named; None where no test shows that it is as good as any other."""
    faster: Candidate | None
    """The faster one of which it takes least to tell whether it is as good; None: none is close, or one is named."""
    takes: NonInferiority | None
    """What is known of `faster`."""
    compared: int
    """Configurations whose predictions were compared, the most accurate ones."""
    close: bool
    """Whether a faster one comes within the margin of the most accurate, by its mean."""
    margin: float
    """Smaller differences do not count, a share."""
    uncompared: int
    """Configurations that were not compared, since predictions are missing."""
    is_fastest: bool
    """Whether no other one takes less time than the one that is named."""
    guessing: float | None = None
    """Balanced accuracy of always naming one class, where no configuration is shown to be better."""
    on_several_devices: bool = False
    """Nothing is said of times, then."""


def same_images(
    results: SuiteResults,
    trials: pd.DataFrame,
    found: Sequence[Candidate],
    damaged: dict[Path, str] | None = None,
) -> SameImages:
    """Read the predictions of the most accurate configurations, of all their replicates.

    A row is a training with its seeds, a column an image. Images of one name are the same image, unless the data
    themselves were made with another seed. Predictions that cannot be read are left out, and added to `damaged`.
    """
    chosen = sorted(found, key=lambda one: -one.accuracy)[:MOST_COMPARED]
    keys = [one.configuration for one in chosen]
    if "configuration" not in trials:
        return SameImages()
    done = trials[(trials["status"] == "done") & trials["configuration"].isin(keys)]
    done = done.groupby("configuration", sort=False).head(MOST_REPLICATES)
    made: dict[str, dict[str, tuple[list[str], Floats]]] = {}
    columns: dict[str, int] = {}
    sources: list[str] = []
    classes = 0
    for row in done.to_dict("records"):
        predictions = predictions_of(attempt_of(results, row), {} if damaged is None else damaged)
        if predictions is None:
            continue
        replicate = str(row.get("replicate", ""))
        drawn = replicate.rpartition(" data ")[2]
        names = [f"{drawn} {file}" for file in predictions.files]
        for name, source in zip(names, predictions.sources, strict=True):
            if columns.setdefault(name, len(sources)) == len(sources):
                sources.append(f"{drawn} {source}")
        classes = max(classes, len(np.unique(predictions.labels)))
        weights = _equal_classes(predictions.labels)
        right = (predictions.predicted == predictions.labels) * weights
        made.setdefault(row["configuration"], {}).setdefault(replicate, (names, right))
    trainings = {
        key: number for number, key in enumerate(dict.fromkeys(key for own in made.values() for key in own))
    }
    table: dict[str, Floats] = {}
    for configuration, own in made.items():
        values = np.full((len(trainings), len(sources)), np.nan)
        for training, (names, right) in own.items():
            values[trainings[training], [columns[name] for name in names]] = right
        table[configuration] = values
    return SameImages(table, sources, classes)


def _equal_classes(labels: NDArray[np.int64]) -> Floats:
    """A weight for every image, so that a weighted mean is the mean over classes."""
    _, number, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: Floats = len(labels) / (len(counts) * counts[number].astype(float))
    return weights


def decide(found: Sequence[Candidate], images: SameImages, margin: float = MARGIN) -> Decision | None:
    """Name the fastest configuration that is shown to be as good as any other one, else the most accurate.

    Args:
        found: See `bench.report.pareto.candidates`.
        images: See `same_images`.
        margin: Smaller differences do not count, a share.

    Returns:
        None where nothing is done.
    """
    best = best_of(found)
    if best is None:
        return None
    guessing = 1 / images.classes if images.classes else None
    if guessing is not None and any(one.low is None or one.low > guessing for one in found):
        guessing = None
    if on_several_devices(found):
        return Decision(best, best, len(found), None, None, None, 0, False, margin, 0, False, guessing, True)

    def is_close(one: Candidate) -> bool:
        return one.seconds < best.seconds and best.accuracy - one.accuracy < margin

    compared = {one.configuration: one for one in found if one.configuration in images.right}
    least = min(one.seconds for one in found)
    uncompared = 0 if len(found) == 1 else min(len(found), MOST_COMPARED) - len(compared)
    tests: dict[str, NonInferiority] = {}
    if len(compared) > 1:
        tests = non_inferior({key: images.right[key] for key in compared}, images.sources, margin)
    # Without the predictions of all, no other one is known to be no better.
    fastest = (
        fastest_non_inferior({key: one.seconds for key, one in compared.items()}, tests)
        if not uncompared and guessing is None
        else None
    )
    if fastest is not None and (compared[fastest] is best or compared[fastest].seconds < best.seconds):
        named, shown = compared[fastest], tests[fastest]
        faster: list[tuple[Candidate, NonInferiority]] = []
    else:
        named, shown = best, None
        faster = [(one, tests[key]) for key, one in compared.items() if key in tests and is_close(one)]
    one, takes = min(faster, key=lambda pair: _least_work(pair[1])) if faster else (None, None)
    return Decision(
        named,
        best,
        len(found),
        shown,
        one,
        takes,
        len(compared),
        any(map(is_close, found)),
        margin,
        uncompared,
        named.seconds <= least,
        guessing,
    )


def _least_work(test: NonInferiority) -> float:
    """Of trainings or images, how many times as many it takes."""
    times = [
        needed / known
        for needed, known in ((test.images_needed, test.images), (test.seeds_needed, test.seeds))
        if needed is not None and known
    ]
    return min(times, default=float("inf"))


def sentences(decision: Decision, found: Sequence[Candidate]) -> list[str]:
    """The whole answer. The first sentence begins with the name of a configuration."""
    said = [f"{decision.named.name} {headline(decision)}"]
    if decision.guessing is not None:
        said += [learned_nothing(decision), uncompared(decision)]
    elif decision.count > 1:
        said += [price(decision), proof(decision), doubt(decision), uncompared(decision)]
    return [*filter(None, [*said, classical_floor(decision, found)])]


def headline(decision: Decision) -> str:
    """What the configuration that is named comes to; the sentence begins with its name."""
    named = decision.named
    if decision.count == 1:
        return f"comes to {accuracy(named)} in {duration(named.seconds)}. It is the only one that is done."
    if decision.shown is None:
        return f"is the most accurate of {decision.count}: {accuracy(named)} in {duration(named.seconds)}."
    best = f", the most accurate of {decision.count}," if named is decision.best else ""
    return f"is worth its time: {accuracy(named)}{best} in {duration(named.seconds)}."


def learned_nothing(decision: Decision) -> str:
    """That nothing is shown to be better than naming one class; empty where something is."""
    if decision.guessing is None:
        return ""
    is_shown = "It is not shown" if decision.count == 1 else "None of them is shown"
    return (
        f"{is_shown} to be better than always naming one class, which comes to {decision.guessing * 100:.1f} %: "
        "try more epochs, another learning rate or pretrained weights."
    )


def price(decision: Decision) -> str:
    """What more accuracy costs; empty where the most accurate is named."""
    named, best = decision.named, decision.best
    if named is best:
        return ""
    gained = (best.accuracy - named.accuracy) * 100
    more = f"{gained:.1f} points more" if gained >= 0.05 else "the same accuracy"
    longer = f"{_times(best.seconds / named.seconds)} as long ({duration(best.seconds)})"
    return f"The most accurate, {best.name}, has {more} and takes {longer}."


def proof(decision: Decision) -> str:
    """What is shown of the one that is named; empty where nothing is."""
    test = decision.shown
    if test is None or test.bound is None:
        return ""
    trainings = "1 training" if test.seeds == 1 else f"{test.seeds} trainings"
    others = "No other configuration"
    if decision.count > decision.compared:
        others = f"None of the {decision.compared} most accurate configurations"
    return (
        f"{others} is better by {_points(decision.margin)} or more: shown on the same {test.images:,} "
        f"test images with {trainings} each, at 5 % error."
    )


def doubt(decision: Decision) -> str:
    """Whether something faster may be as good, and what it takes to tell; empty where that is shown."""
    if decision.shown is not None:
        return ""
    if decision.on_several_devices:
        return "Whether a faster one is as good is not told: trials ran on several kinds of device."
    if decision.is_fastest:
        return "None of the others is faster."
    best, faster, takes = decision.best, decision.faster, decision.takes
    if faster is None or takes is None:
        if decision.close:
            return "Whether a faster one is as good cannot be told."
        return f"No faster configuration comes within {_points(decision.margin)} of it, by its mean."
    lost = (best.accuracy - faster.accuracy) * 100
    less = f"{lost:.1f} points less" if lost >= 0.05 else "the same accuracy"
    return (
        f"Whether a faster one is as good, we cannot tell: {faster.name} has {less} in {duration(faster.seconds)}, "
        f"{_times(best.seconds / faster.seconds)} faster. {_effort(takes)}"
    )


def more_seeds(decision: Decision | None) -> int:
    """How many seeds would make the answer firmer; 0 where none is open, or where more seeds alone would not do."""
    if decision is None or decision.shown is not None or decision.count < 2:
        return 0
    if decision.guessing is not None or decision.on_several_devices:
        return 0
    if decision.takes is None:  # predictions are missing, or nothing faster is close
        return 0 if decision.close else decision.named.replicates + 2
    needed = decision.takes.seeds_needed or 0
    return needed if needed <= MOST_SEEDS else 0


def _effort(takes: NonInferiority) -> str:
    ways = []
    if takes.images_needed is not None:
        ways.append(f"{_about(takes.images_needed)} test images")
    if takes.seeds_needed is not None:
        ways.append(f"{takes.seeds_needed} seeds")
    if not ways:
        return "More test images and more seeds would be needed, both together."
    return f"It would take about {' or '.join(ways)}."


def uncompared(decision: Decision) -> str:
    """How many configurations could not be compared; empty where all were."""
    if not decision.uncompared:
        return ""
    have = "1 configuration has" if decision.uncompared == 1 else f"{decision.uncompared} configurations have"
    return f"{have} no readable predictions, so nothing is shown against all."


def majority(share: float | None, classes: int) -> str:
    """What a classifier comes to that always names the largest class; empty where that is unknown."""
    if share is None or not classes:
        return ""
    balanced = f"{100 / classes:.1f} % balanced accuracy"
    return f"Always naming the largest class comes to {share * 100:.1f} % accuracy and {balanced}."


def classical_floor(decision: Decision, found: Sequence[Candidate]) -> str:
    """The best classical method; empty where there is none, or where it is the one that is named."""
    best = best_of([one for one in found if one.mode == "classical"])
    if best is None or best is decision.named or best is decision.best:
        return ""
    return f"The best classical method, {best.name}, comes to {accuracy(best)} in {duration(best.seconds)}."


def in_one_sentence(decision: Decision | None) -> str:
    """The answer for a terminal; empty where nothing is done."""
    if decision is None:
        return ""
    said = f"{decision.named.name} {headline(decision)}"
    more = learned_nothing(decision) or (doubt(decision) if decision.count > 1 else "")
    return " ".join(filter(None, (said, more)))


def accuracy(one: Candidate) -> str:
    """Balanced accuracy with its interval."""
    interval = "" if one.low is None or one.high is None else f" (95 %: {bounds(one.low, one.high)})"
    return f"{one.accuracy * 100:.1f} % balanced accuracy{interval}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:.0f} times"


def _points(share: float) -> str:
    return f"{share * 100:g} point{'' if share == 0.01 else 's'}"


def _about(count: int) -> str:
    """A number with two digits that count."""
    digits = max(0, len(str(count)) - 2)
    return f"{round(count, -digits):,}"
