"""A verdict as one HTML page that needs nothing but itself; each pair is a dot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.metrics import METRICS
from bench.compare.output import format as words
from bench.compare.verdict import DifferenceVerdict, EpochChange, MetricVerdict, TrialVerdict, Verdict
from bench.pages.render import asset, render

WIDTH, HEIGHT, PAD = 420, 46, 10
"""Of the dots of one metric, in CSS pixels."""

SMALLEST = {"%": 1.0, "points": 1.0}
"""Shortest axis of each unit: rounding must not look like a spread."""

MOST_EPOCHS = 8
"""Rows of a table of losses."""


@dataclass(frozen=True)
class Dots:
    """A dot per pair along an axis; the interval is a bar below, and a line marks no change."""

    label: str
    """What a screen reader says."""
    zero: float
    """Place of the line. This and all other places are in pixels."""
    dots: list[tuple[float, int]]
    interval: tuple[float, float] | None
    estimate: float
    ticks: list[tuple[float, str, str]]
    """Place, anchor and text."""
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class ShownChange:
    """One metric of a trial, as text."""

    metric: str
    verdict: str
    baseline: str
    candidate: str
    change: str
    pairs: Dots | None
    evidence: str
    """And what it takes to show a change."""
    spread: str
    """From pair to pair."""


@dataclass(frozen=True)
class ShownTrial:
    """One trial, as text."""

    anchor: str
    label: str
    verdicts: list[str]
    """Of speed, memory and learning; or why there is none."""
    overview: list[str]
    """The rest of its row in the first table."""
    remarks: list[str]
    changes: list[ShownChange]
    phases: list[list[str]]
    operations: list[list[str]]
    accuracy_times: list[list[str]]
    curves: list[list[str]]
    """Losses of both sides after the same epochs, below their headings."""


def page(verdict: Verdict) -> str:
    """The verdict as one HTML document without scripts."""
    shared = words.shared_remarks(verdict)
    metrics = words.shown_metrics(verdict)
    return render(
        "comparison",
        style=asset("comparison.css"),
        title=f"{verdict.baseline} against {verdict.candidate}",
        outcome=words.outcome(verdict),
        counts=words.counts(verdict),
        overview_headings=["trial", *words.VERDICTS, *map(words.title_of, metrics), "accuracy", "pairs"],
        change_headings=[
            *("metric", "verdict", "baseline", "candidate", "change, 95 % interval", "pairs", "evidence"),
            "varies by",
        ],
        phase_headings=["where the time goes", "baseline s", "candidate s", "difference s"],
        time_headings=words.TIME_HEADINGS,
        operation_headings=words.OPERATION_HEADINGS,
        shared=[f"{', '.join(labels)}: {said}" for said, labels in shared.items()],
        trials=[_trial(trial, metrics, shared) for trial in verdict.trials],
        differences=[(one.name, one.baseline, one.candidate) for one in verdict.changes],
        notes=[note for note in (words.detectable(verdict), *verdict.notes) if note],
    )


def _trial(trial: TrialVerdict, metrics: Sequence[str], shared: dict[str, list[str]]) -> ShownTrial:
    changes = [words.change(words.metric_of(trial, name)) for name in metrics]
    accuracy = words.difference(words.difference_of(trial, "accuracy"))
    return ShownTrial(
        anchor=f"trial-{trial.key[:16]}",
        label=trial.label,
        verdicts=list(words.verdict_of(trial)),
        overview=[*changes, accuracy, words.pairs_of(trial)],
        remarks=[said for said in words.remarks(trial) if said not in shared],
        changes=[*map(_metric, trial.metrics), *map(_difference, trial.differences)],
        phases=[
            [one.means, f"{one.baseline_s:.2f}", f"{one.candidate_s:.2f}", f"{one.difference_s:+.2f}"]
            for one in trial.phases
        ],
        operations=[words.operation_row(one) for one in trial.operations[: words.MOST_OPERATIONS]],
        accuracy_times=[words.time_row(one) for one in trial.accuracy_times],
        curves=_curves(trial.curves),
    )


def _metric(one: MetricVerdict) -> ShownChange:
    unit = METRICS[one.metric].unit
    changes = [100 * (ratio - 1) for ratio in one.ratios]
    interval = None if one.low is None or one.high is None else (100 * (one.low - 1), 100 * (one.high - 1))
    return ShownChange(
        words.title_of(one.metric),
        str(one.verdict),
        words.amount(one.baseline, unit),
        words.amount(one.candidate, unit),
        words.change(one),
        dots(changes, interval, 100 * (one.ratio - 1), "%"),
        words.evidence(one),
        "—" if one.spread is None else f"{one.spread:.1%}",
    )


def _difference(one: DifferenceVerdict) -> ShownChange:
    accuracy = one.metric == "accuracy"
    scale, unit = (100, "points") if accuracy else (1, "nats")
    interval = None if one.low is None or one.high is None else (scale * one.low, scale * one.high)
    baseline, candidate = (
        f"{value:.1%}" if accuracy else f"{value:.3f}" for value in (one.baseline, one.candidate)
    )
    return ShownChange(
        one.metric,
        str(one.verdict),
        baseline,
        candidate,
        words.difference(one),
        dots([scale * value for value in one.pairs], interval, scale * one.difference, unit),
        f"it takes {words.difference_needed(one)}" if one.bar is not None else "—",
        "—",
    )


def dots(
    values: Sequence[float], interval: tuple[float, float] | None, estimate: float, unit: str
) -> Dots | None:
    """The places of the dots of pairs; None where a value is not finite.

    Args:
        values: The change of every pair.
        interval: Of the estimate.
        estimate: Over all pairs.
        unit: Of all of them.
    """
    reach: float = max(SMALLEST.get(unit, 0.01), *map(abs, (*values, *(interval or ()), estimate))) * 1.1
    if not math.isfinite(reach):
        return None

    def x(value: float) -> float:
        place: float = round(WIDTH / 2 + value / reach * (WIDTH / 2 - PAD), 1)
        return place

    places = ((-reach, PAD, "start"), (0.0, WIDTH / 2, "middle"), (reach, WIDTH - PAD, "end"))
    return Dots(
        label=f"{len(values)} pairs, estimate {estimate:+.3g} {unit}",
        zero=x(0),
        # Dots of equal values would hide each other, so two of three are a little lower.
        dots=[(x(value), 10 + 5 * (number % 3)) for number, value in enumerate(values)],
        interval=None if interval is None else (x(interval[0]), x(interval[1])),
        estimate=x(estimate),
        ticks=[(place, anchor, f"{value:+.3g} {unit}") for value, place, anchor in places],
    )


def _curves(curves: Sequence[EpochChange]) -> list[list[str]]:
    """Headings and rows: of all epochs if they are few, else of some."""
    step = max(1, math.ceil(len(curves) / MOST_EPOCHS))
    chosen = [*curves[::step], *([] if (len(curves) - 1) % step == 0 else [curves[-1]])]
    names = [
        name
        for name in ("loss", "validation_loss")
        if all(name in side for one in chosen for side in (one.baseline, one.candidate))
    ]
    if not chosen or not names:
        return []
    columns = [f"{name.replace('_', ' ')}, {side}" for name in names for side in ("baseline", "candidate")]
    rows = [
        [str(one.epoch), *(f"{side[name]:.4f}" for name in names for side in (one.baseline, one.candidate))]
        for one in chosen
    ]
    return [["after epoch", *columns], *rows]
