"""How long training took to reach an accuracy, and to keep it. Pure functions.

A target is reached at the first epoch from which on, to the end of training, the validation accuracy is never
below it. An accuracy that was reached for a moment only does not count.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.journal.events import Checkpointed, Epoch, PhaseStarted
from bench.journal.history import Stretch
from bench.records.steady import LEAST, median_interval
from bench.telemetry.trace import Trace
from bench.trials.measured import NEVER, Never, TimeToAccuracy

SHARES = (0.80, 0.90, 0.95)
"""Targets of every trial: shares of the best validation accuracy of its own."""

MONITORED = "validation_accuracy"

NO_EPOCHS = "nothing was validated after epochs"
NOT_OVER = "training did not come to its end"


@dataclass(frozen=True)
class Moment:
    """The end of an epoch."""

    epoch: int
    accuracy: float
    """Of validation; a value that is not finite counts as 0."""
    fit_s: float
    """Since the first step began, without checkpoints, over all attempts that count."""
    work_s: float
    """The same and the extraction of features."""
    joules: float | None
    """Since the extraction or the first step began; None where the energy is not known."""


def moments_of(stretches: Sequence[Stretch], traces: Sequence[Trace] = ()) -> list[Moment]:
    """The end of every epoch with a validation, and what had been spent by then.

    Args:
        stretches: See `bench.journal.history.history`.
        traces: Of each stretch, where the energy of all of them is known; else none.
    """
    found: list[Moment] = []
    fit_s = features_s = 0.0
    joules: float | None = 0.0 if traces else None
    features = [one.phases.features.wall_s if one.phases.features else 0.0 for one in stretches]
    # Where another trial began the training, as if this one had extracted its features before, and compiled once.
    own = next(number for number, one in enumerate(stretches) if not one.of_another)
    features[0], features[own] = features[own], features[0]
    for number, stretch in enumerate(stretches):
        goes_on = number > 0 and stretches[number - 1].of_another
        began = _start(stretch, "train" if goes_on else "compile")
        features_s += features[number]
        if began is None:
            continue
        trace = traces[number] if traces else None
        first = _start(stretch, "features") or began
        checkpoints_s, spent, grown = 0.0, 0.0, joules
        for event in stretch.events:
            if isinstance(event, Checkpointed):
                checkpoints_s += event.seconds
            if not isinstance(event, Epoch | Checkpointed):
                continue
            spent = (event.t - began) / 1e9 - checkpoints_s
            if trace is not None and joules is not None:
                growth = _energy(trace, first, event.t)
                grown = None if growth is None else joules + growth
            if isinstance(event, Epoch) and MONITORED in event.metrics:
                value = event.metrics[MONITORED]
                accuracy = value if math.isfinite(value) else 0.0
                done = fit_s + spent
                found.append(Moment(event.epoch, accuracy, done, done + features_s, grown))
        fit_s, joules = fit_s + spent, grown
    return found


def times_to_accuracy(moments: Sequence[Moment], targets: Sequence[float] = ()) -> tuple[TimeToAccuracy, ...]:
    """When each target was reached for good, the shares of the best accuracy first.

    Args:
        moments: Of all epochs; none gives nothing.
        targets: Accuracies that were asked for, shares of 1.
    """
    if not moments:
        return ()
    best = max(one.accuracy for one in moments)
    wanted: list[tuple[float | None, float]] = [(share, share * best) for share in SHARES]
    wanted += [(None, target) for target in targets]
    return tuple(_time_to(moments, accuracy, share) for share, accuracy in wanted)


def first_kept(moments: Sequence[Moment], accuracy: float) -> Moment | None:
    """The first moment from which on the accuracy is never below a target; None: it is below at the end."""
    kept = None
    for moment in reversed(moments):
        if moment.accuracy < accuracy - 1e-9:
            break
        kept = moment
    return kept


@dataclass(frozen=True)
class OverSeeds:
    """A time to an accuracy over the replicates of a configuration. A replicate that never got there is longer
    than any that did: it is censored, not left out."""

    median: float | Never
    """Never: half of the replicates or fewer got there, and no time has as many above as below."""
    low: float | Never | None
    """Bounds of an interval of the median over all seeds; None with a single replicate."""
    high: float | Never | None
    coverage: float | None
    """How often such an interval holds the median at least: 0.95 from six replicates on, of fewer the range is
    told, which holds it less often."""
    reached: int
    """Replicates that got there."""
    count: int


def over_seeds(times: Sequence[float | Never]) -> OverSeeds:
    """The median over replicates, and an interval from ranks alone: it holds for any distribution.

    Args:
        times: Of every replicate, one or more.
    """
    ordered = sorted(math.inf if time == "never" else float(time) for time in times)
    count = len(ordered)
    low: float | None = None
    high: float | None = None
    coverage = None
    if count >= LEAST:
        (low, high), coverage = median_interval(ordered), 0.95
    elif count > 1:
        low, high, coverage = ordered[0], ordered[-1], 1 - 2.0 ** (1 - count)
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return OverSeeds(
        _or_never(median),
        None if low is None else _or_never(low),
        None if high is None else _or_never(high),
        coverage,
        sum(math.isfinite(time) for time in ordered),
        count,
    )


def _or_never(time: float) -> float | Never:
    return time if math.isfinite(time) else NEVER


def _time_to(moments: Sequence[Moment], accuracy: float, share: float | None) -> TimeToAccuracy:
    kept = first_kept(moments, accuracy)
    if kept is None:
        return TimeToAccuracy(
            accuracy=accuracy, of_best=share, epoch=NEVER, fit_s=NEVER, work_s=NEVER, joules=NEVER
        )
    return TimeToAccuracy(
        accuracy=accuracy,
        of_best=share,
        epoch=kept.epoch,
        fit_s=kept.fit_s,
        work_s=kept.work_s,
        joules=kept.joules,
    )


def _start(stretch: Stretch, phase: str) -> int | None:
    return next(
        (one.t for one in stretch.events if isinstance(one, PhaseStarted) and one.phase == phase), None
    )


def _energy(trace: Trace, began: int, ended: int) -> float | None:
    """Joules of all GPUs of the slot between two moments; None where a counter was not read around them."""
    grown = []
    for gpu in trace.header.gpus:
        series = trace.counters.get(f"{gpu}/energy_j")
        grown.append(None if series is None else series.grown(began, ended))
    known = [one for one in grown if one is not None]
    return sum(known) if known and len(known) == len(grown) else None
