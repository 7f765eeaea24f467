"""A history of versions from comparisons of neighbors: a line for each metric, and the steps in it.

A step lies between two neighbors whose pairs show a change. Their evidence is that of a verdict, so it may be looked at
after every pair. Over all neighbors and trials the error rate of each dimension and direction is held by Holm's method,
with 1 / evidence as p value (Vovk and Wang, Ann Stat 2021).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.compare.betting import Array, confidence_sequence
from bench.compare.metrics import METRICS
from bench.compare.thresholds import BETTER_SHARE, WORSE_SHARE, Dimension, Thresholds, holm
from bench.compare.verdict import Change, Learning, MetricVerdict, Status, TrialVerdict, Verdict
from bench.errors import ExitCode

WORSE: dict[str, Dimension] = {"slower": "speed", "larger": "memory"}
BETTER: dict[str, Dimension] = {"faster": "speed", "smaller": "memory"}

ACCURACY = "accuracy"


@dataclass(frozen=True)
class Step:
    """A change from one version to the next."""

    trial: str
    """Key of the configuration."""
    label: str
    """Its readable name."""
    verdict: str
    """`slower`, `faster`, `larger`, `smaller`, `worse`, `better` or `failed`."""
    regression: bool
    """Whether it is a change for the worse."""
    baseline: str
    """The version before it."""
    candidate: str
    """The version after it."""
    metrics: tuple[str, ...]
    """Those that show it, the one with most evidence first; none where the configuration newly fails."""
    change: float | None
    """Of the first metric, as a share; of accuracy and loss a difference."""
    low: float | None
    """Lower bound of its 95 % interval; None where it is open."""
    high: float | None
    evidence: float | None
    """For this change; None for learning."""
    needed: float | None
    """Evidence that it takes."""
    changes: tuple[Change, ...]
    """What else changed from one environment to the other."""


@dataclass(frozen=True)
class Level:
    """A metric of a version, relative to the version with which its line begins."""

    version: str
    change: float
    """As a share; of accuracy a difference. 0 at the beginning."""
    low: float | None
    """Lower bound of the 95 % interval; None where so few pairs leave it open."""
    high: float | None
    pairs: int
    """Chains of pairs that the interval rests on: the pairs of the neighbor that has the fewest."""


@dataclass(frozen=True)
class Line:
    """A metric of a configuration over versions that were compared without a gap."""

    trial: str
    """Key of the configuration."""
    label: str
    metric: str
    """A name in `bench.compare.metrics.METRICS`, or `accuracy`."""
    levels: tuple[Level, ...]
    """Two or more."""


@dataclass(frozen=True)
class Neighbors:
    """Two versions, one after the other, and how they compare."""

    baseline: str
    candidate: str
    pairs: int
    """Of all configurations."""
    judged: bool
    """Whether anything of both could be compared."""
    unclear: tuple[str, ...]
    """Labels of the configurations that are inconclusive; also of a regression that is no step of the history."""
    changes: tuple[Change, ...]
    """What differs between the environments."""


@dataclass(frozen=True)
class History:
    """A suite over versions."""

    suite: str
    versions: tuple[str, ...]
    """Oldest first."""
    neighbors: tuple[Neighbors, ...]
    steps: tuple[Step, ...]
    lines: tuple[Line, ...]
    thresholds: dict[str, float]
    """What it was judged by."""
    exit_code: ExitCode
    """1: a step for the worse; 3: trials failed; 4: not enough evidence for one of the neighbors; else 0."""
    notes: tuple[str, ...] = ()


def make_history(
    suite: str, verdicts: Sequence[Verdict], thresholds: Thresholds, notes: Iterable[str] = ()
) -> History:
    """Draw lines through the comparisons of neighbors, and find the steps.

    Args:
        suite: Its name.
        verdicts: Of neighbors, in order. The candidate of one is the baseline of the next.
        thresholds: What to judge by; error rates are those of the whole history.
        notes: Of the whole.
    """
    labels = {trial.key: trial.label for verdict in verdicts for trial in verdict.trials}
    steps = find_steps(verdicts, thresholds)
    stepping = {(step.trial, step.candidate) for step in steps}
    return History(
        suite=suite,
        versions=tuple([*(one.baseline for one in verdicts[:1]), *(one.candidate for one in verdicts)]),
        neighbors=tuple(
            Neighbors(
                one.baseline,
                one.candidate,
                sum(trial.pairs for trial in one.trials),
                bool(one.compared),
                tuple(
                    trial.label
                    for trial in one.trials
                    if trial.inconclusive or (trial.regression and (trial.key, one.candidate) not in stepping)
                ),
                one.changes,
            )
            for one in verdicts
        ),
        steps=steps,
        lines=tuple(line for key, label in labels.items() for line in _lines(key, label, verdicts)),
        thresholds=thresholds.plain(),
        exit_code=_exit_code(verdicts, steps),
        notes=tuple(notes),
    )


def among(thresholds: Thresholds, neighbors: int) -> Thresholds:
    """What each of several comparisons is judged by, so that all together keep the error rates."""
    return replace(
        thresholds,
        alpha_speed=thresholds.alpha_speed / neighbors,
        alpha_memory=thresholds.alpha_memory / neighbors,
        alpha_learning=thresholds.alpha_learning / neighbors,
    )


def find_steps(verdicts: Sequence[Verdict], thresholds: Thresholds) -> tuple[Step, ...]:
    """The steps between neighbors, in their order.

    Learning is judged already: the verdicts must have their share of its error rate, see `among`.
    """
    found = [
        (number, trial.label, step)
        for number, verdict in enumerate(verdicts)
        for trial in verdict.trials
        for step in _judged_steps(verdict, trial)
    ]
    for words, share in ((WORSE, WORSE_SHARE), (BETTER, BETTER_SHARE)):
        for word, dimension in words.items():
            whole = thresholds.alpha_speed if dimension == "speed" else thresholds.alpha_memory
            found += _timed_steps(verdicts, word, share * whole, thresholds)
    return tuple(step for _, _, step in sorted(found, key=lambda one: one[:2]))


def _timed_steps(
    verdicts: Sequence[Verdict], word: str, alpha: float, thresholds: Thresholds
) -> list[tuple[int, str, Step]]:
    """The steps in one direction, with the number of the verdict and the label of the trial."""
    asked = [
        (number, trial, trial.evidence[word])
        for number, verdict in enumerate(verdicts)
        for trial in verdict.trials
        if word in trial.evidence
    ]
    found = []
    adjusted = holm([1 / value for _, _, value in asked])
    for (number, trial, value), p in zip(asked, adjusted, strict=True):
        if p is not None and p <= alpha:
            # Holm multiplied 1 / value by the number of hypotheses that were still open.
            step = _timed_step(verdicts[number], trial, word, thresholds, p * value / alpha)
            found += [(number, trial.label, step)] if step else []
    return found


def chain_interval(links: Sequence[Array], level: float = 0.95) -> tuple[float | None, float | None]:
    """Interval of the sum of changes, from pairs of each.

    The k-th pairs of all links make a chain, which is a pair of the first and the last version. If the pairs of each
    link lie symmetrically around its change, the chains lie symmetrically around the sum. The interval therefore holds
    whenever the links were stopped.

    Args:
        links: Log ratios of each link in the order of time.
        level: Confidence.
    """
    chains = min(map(len, links))
    return confidence_sequence(np.sum([one[:chains] for one in links], axis=0), level)


def _timed_step(
    verdict: Verdict, trial: TrialVerdict, word: str, thresholds: Thresholds, needed: float
) -> Step | None:
    """A step of a time or of memory; None where no metric that shows it changed by as much as counts."""
    way, dimension = (1, WORSE[word]) if word in WORSE else (-1, BETTER[word])
    band = math.log1p(thresholds.change)
    shown = [
        one
        for one in trial.metrics
        if METRICS[one.metric].dimension == dimension
        and one.evidence >= needed
        and way * (1 if METRICS[one.metric].more_is_worse else -1) * math.log(one.ratio) >= band
    ]
    if not shown:
        return None
    # Of nearly equal evidence the larger change comes first.
    shown.sort(key=lambda one: (-round(math.log(one.evidence)), -abs(math.log(one.ratio))))
    best = shown[0]
    return Step(
        trial=trial.key,
        label=trial.label,
        verdict=word,
        regression=word in WORSE,
        baseline=verdict.baseline,
        candidate=verdict.candidate,
        metrics=tuple(one.metric for one in shown),
        change=best.ratio - 1,
        low=None if best.low is None else best.low - 1,
        high=None if best.high is None else best.high - 1,
        evidence=trial.evidence[word],
        needed=needed,
        changes=verdict.changes,
    )


def _judged_steps(verdict: Verdict, trial: TrialVerdict) -> list[Step]:
    """Steps that the verdict itself has: what was learned, and new failures."""
    failed = Step(
        trial=trial.key,
        label=trial.label,
        verdict="failed",
        regression=True,
        baseline=verdict.baseline,
        candidate=verdict.candidate,
        metrics=(),
        change=None,
        low=None,
        high=None,
        evidence=None,
        needed=None,
        changes=verdict.changes,
    )
    return [failed] * (trial.status is Status.FAILED and trial.regression) + [
        replace(
            failed,
            verdict=str(one.verdict),
            regression=one.verdict is Learning.WORSE,
            metrics=(one.metric,),
            change=one.difference,
            low=one.low,
            high=one.high,
        )
        for one in trial.differences
        if one.verdict in (Learning.WORSE, Learning.BETTER)
    ]


def _lines(key: str, label: str, verdicts: Sequence[Verdict]) -> list[Line]:
    """The lines of a configuration, metric by metric; a gap ends a line, and another one begins behind it."""
    own = [next((trial for trial in verdict.trials if trial.key == key), None) for verdict in verdicts]
    lines: list[Line] = []
    for name in (*METRICS, ACCURACY):
        stretch: list[int] = []
        for number, trial in enumerate([*own, None]):
            if trial is not None and _has(trial, name):
                stretch.append(number)
                continue
            if stretch:
                levels = _levels(name, [verdicts[one] for one in stretch], [own[one] for one in stretch])
                lines.append(Line(key, label, name, levels))
            stretch = []
    return lines


def _levels(
    name: str, verdicts: Sequence[Verdict], trials: Sequence[TrialVerdict | None]
) -> tuple[Level, ...]:
    levels = [Level(verdicts[0].baseline, 0.0, 0.0, 0.0, 0)]
    known = [trial for trial in trials if trial is not None]
    for number, verdict in enumerate(verdicts, start=1):
        so_far = known[:number]
        level = _accuracy_level(so_far) if name == ACCURACY else _metric_level(name, so_far)
        change, low, high, pairs = level
        levels.append(Level(verdict.candidate, change, low, high, pairs))
    return tuple(levels)


def _metric_level(name: str, trials: Sequence[TrialVerdict]) -> tuple[float, float | None, float | None, int]:
    metrics = [one for trial in trials if (one := _metric(trial, name)) is not None]
    logs = [np.log(np.array(one.ratios, float)) for one in metrics]
    change = sum(math.log(one.ratio) for one in metrics)
    low, high = chain_interval(logs)
    # The estimate rests on all pairs, the interval on whole chains.
    bounds = None if low is None else min(low, change), None if high is None else max(high, change)
    shares = [None if bound is None else math.expm1(bound) for bound in bounds]
    return math.expm1(change), shares[0], shares[1], min(map(len, logs))


def _accuracy_level(trials: Sequence[TrialVerdict]) -> tuple[float, float | None, float | None, int]:
    """The half widths of independent comparisons add in squares, which is nearly right."""
    found = [one for trial in trials for one in trial.differences if one.metric == ACCURACY]
    change = sum(one.difference for one in found)
    pairs = min(len(one.pairs) for one in found)
    squares = [
        (change_low, change_high)
        for one in found
        if one.low is not None and one.high is not None
        for change_low, change_high in [((one.difference - one.low) ** 2, (one.high - one.difference) ** 2)]
    ]
    if len(squares) < len(found):
        return change, None, None, pairs
    down, up = (math.sqrt(sum(side)) for side in zip(*squares, strict=True))
    return change, change - down, change + up, pairs


def _has(trial: TrialVerdict, name: str) -> bool:
    if name == ACCURACY:
        return any(one.metric == ACCURACY for one in trial.differences)
    return _metric(trial, name) is not None


def _metric(trial: TrialVerdict, name: str) -> MetricVerdict | None:
    return next((one for one in trial.metrics if one.metric == name and one.ratios), None)


def _exit_code(verdicts: Sequence[Verdict], steps: Sequence[Step]) -> ExitCode:
    if any(step.regression for step in steps):
        return ExitCode.REGRESSION
    codes = {verdict.exit_code for verdict in verdicts}
    failed = any(trial.status is Status.FAILED for verdict in verdicts for trial in verdict.trials)
    if failed and any(verdict.compared for verdict in verdicts):
        return ExitCode.TRIALS_FAILED
    if not verdicts or codes & {ExitCode.NOT_ENOUGH_EVIDENCE, ExitCode.REGRESSION}:
        return ExitCode.NOT_ENOUGH_EVIDENCE
    return ExitCode.OK
