"""Figures of one attempt as a page of a few kilobytes, drawn without a script and without a network.

Plotly's own library would add five megabytes to each of thousands of runs.
"""

import html
import math
from collections.abc import Sequence
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 520, 260, 56, 12, 12, 34
_POINTS = 400
"""A curve has at most twice as many points: the least and the largest of each bucket."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #8a94a3; --paper: #fff; --one: #0b62c4;
  --two: #c2410c }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --faint: #8a94a3; --paper: #14181f; --one: #6db1ff; --two: #ff9a5c }
}
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 1.5rem }
svg { max-width: 100%; height: auto } svg text { fill: var(--ink); font-size: 12px }
.axis { stroke: var(--faint); fill: none } .one { stroke: var(--one); fill: none; stroke-width: 1.6 }
.two { stroke: var(--two); fill: none; stroke-width: 1.6 }
figure { margin: 0 0 1.5rem } .key-one { color: var(--one) } .key-two { color: var(--two) }
table { border-collapse: collapse }
td, th { padding: .35rem .6rem; text-align: right; border: 1px solid var(--faint) }
th { font-weight: 600 } caption { text-align: left; padding-bottom: .4rem }
"""


def figures_html(record: dict[str, Any], epochs: Sequence[dict[str, Any]]) -> str:
    """Loss and accuracy by epoch, and the confusion matrix.

    Args:
        record: The attempt's record.
        epochs: Its `epoch` events, in their order.
    """
    trial = record["trial"]
    parts = [f"<h1>{html.escape(trial['id'])}</h1>"]
    for metric, title in (("loss", "Loss"), ("accuracy", "Accuracy")):
        curves = {
            part: [(event["epoch"], event["metrics"].get(key)) for event in epochs]
            for part, key in (("train", metric), ("validation", f"validation_{metric}"))
        }
        parts.append(_chart(title, curves))
    if record["test"]:
        parts.append(_confusion(record["test"]))
    body = "\n".join(filter(None, parts))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(trial['id'])}</title><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def thinned(curve: Sequence[tuple[int, float]], buckets: int = _POINTS) -> list[tuple[int, float]]:
    """A curve with fewer points, none of its extremes lost: of each bucket the least and the largest."""
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


def _chart(title: str, curves: dict[str, list[tuple[int, float | None]]]) -> str:
    finite = {
        name: [(x, y) for x, y in curve if y is not None and math.isfinite(y)]
        for name, curve in curves.items()
    }
    points = [point for curve in finite.values() for point in curve]
    if not points:
        return ""
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def place(x: float, y: float) -> str:
        right = (x - first) / max(1, last - first) * (_WIDTH - _LEFT - _RIGHT)
        down = (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{_LEFT + right:.1f},{_TOP + down:.1f}"

    drawn = []
    for (name, curve), style in zip(finite.items(), ("one", "two"), strict=True):
        if len(curve) == 1:
            x, y = place(*curve[0]).split(",")
            drawn.append(f'<circle class="{style}" cx="{x}" cy="{y}" r="3"><title>{name}</title></circle>')
        elif curve:
            path = " ".join(place(*point) for point in thinned(curve))
            drawn.append(f'<polyline class="{style}" points="{path}"><title>{name}</title></polyline>')
    bottom = _HEIGHT - _BOTTOM
    axes = f'<path class="axis" d="M{_LEFT},{_TOP} V{bottom} H{_WIDTH - _RIGHT}"/>'
    labels = (
        f'<text x="{_LEFT - 6}" y="{_TOP + 10}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 12}">{first}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 12}" text-anchor="end">epoch {last}</text>'
    )
    return (
        f'<figure><figcaption>{title} (<span class="key-one">train</span>, '
        f'<span class="key-two">validation</span>)</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{title}">'
        f"{axes}{labels}{''.join(drawn)}</svg></figure>"
    )


def _confusion(test: dict[str, Any]) -> str:
    classes, matrix = test["classes"], test["confusion_matrix"]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in classes)
    rows = []
    for name, row in zip(classes, matrix, strict=True):
        whole = sum(row)
        trials = "".join(
            '<td style="background: color-mix(in srgb, var(--one) '
            f'{70 * count / whole if whole else 0:.0f}%, transparent)">{count}</td>'
            for count in row
        )
        rows.append(f"<tr><th>{html.escape(name)}</th>{trials}</tr>")
    return (
        "<table><caption>Test images: rows the true class, columns the predicted one. "
        f"{test['accuracy']:.1%} of {test['images']} are right.</caption>"
        f"<tr><td></td>{head}</tr>{''.join(rows)}</table>"
    )
