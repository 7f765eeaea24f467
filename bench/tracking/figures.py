"""The charts of one attempt as a page of a few kilobytes, drawn without a script and without a network.

Plotly's own library would add five megabytes to each of thousands of runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.journal.events import Epoch
from bench.pages.render import render
from bench.trials.record import Record

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 520, 260, 56, 12, 12, 34

_BUCKETS = 400
"""A curve has at most twice as many points: the least and the largest of each bucket."""

Curve = Sequence[tuple[int, float]]
"""Epoch and value."""


@dataclass(frozen=True)
class _Line:
    """One curve of a chart."""

    split: str
    style: str
    points: list[tuple[str, str]]
    """Coordinates in the drawing."""


@dataclass(frozen=True)
class _Chart:
    """One metric by epoch, with the texts at its axes."""

    title: str
    lines: list[_Line]
    first: int
    last: int
    low: str
    high: str


def figures_html(record: Record, epochs: Sequence[Epoch]) -> str:
    """Loss and accuracy by epoch, and the confusion matrix.

    Args:
        record: The attempt's record.
        epochs: Its epochs, in their order.
    """
    charts = []
    for metric, title in (("loss", "Loss"), ("accuracy", "Accuracy")):
        curves = {
            split: [(epoch.epoch, epoch.metrics.get(key)) for epoch in epochs]
            for split, key in (("train", metric), ("validation", f"validation_{metric}"))
        }
        if chart := _chart(title, curves):
            charts.append(chart)
    return render(
        "attempt",
        title=record.trial.id,
        charts=charts,
        test=record.test,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        top=_TOP,
        bottom=_HEIGHT - _BOTTOM,
    )


def thinned(curve: Curve, buckets: int = _BUCKETS) -> list[tuple[int, float]]:
    """A curve with fewer points that keeps its extremes: the least and the largest of each bucket."""
    if len(curve) <= 2 * buckets:
        return list(curve)
    kept: list[tuple[int, float]] = []
    for number in range(buckets):
        bucket = curve[number * len(curve) // buckets : (number + 1) * len(curve) // buckets]
        least, largest = min(bucket, key=_value), max(bucket, key=_value)
        kept += sorted({least, largest})
    return kept


def _value(point: tuple[int, float]) -> float:
    return point[1]


def _chart(title: str, curves: dict[str, list[tuple[int, float | None]]]) -> _Chart | None:
    """A chart of a curve for each split; None without a finite value."""
    finite = {
        split: [(x, y) for x, y in curve if y is not None and math.isfinite(y)]
        for split, curve in curves.items()
    }
    points = [point for curve in finite.values() for point in curve]
    if not points:
        return None
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def place(x: float, y: float) -> tuple[str, str]:
        right = (x - first) / max(1, last - first) * (_WIDTH - _LEFT - _RIGHT)
        down = (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{_LEFT + right:.1f}", f"{_TOP + down:.1f}"

    lines = [
        _Line(split, style, [place(*point) for point in thinned(curve)])
        for (split, curve), style in zip(finite.items(), ("one", "two"), strict=True)
        if curve
    ]
    return _Chart(title, lines, first, last, f"{low:.3g}", f"{high:.3g}")
