"""Accuracy against its cost, and where the time goes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.report.figures.figure import (
    PHASE_COLORS,
    SYMBOLS,
    Colors,
    Figure,
    Trace,
    axis,
    error_bars,
    numbers,
    percent,
    plain,
)
from bench.report.names import group_file, group_name, groups_of, labels
from bench.report.pareto import Candidate, front, on_several_devices
from bench.report.rows import PHASE
from bench.report.tables.formats import duration
from bench.trials.phases import Phases

MOST_POINTS = 400
"""In a scatter; the front is always among them."""

MOST_BARS = 40

_COSTS = {
    "seconds": ("time", "Balanced accuracy against time to result", "time to result (s)", 1.0),
    "joules": ("energy", "Balanced accuracy against energy", "energy (kJ)", 1e-3),
}


def against_cost(found: Sequence[Candidate], cost: str, colors: Colors) -> Figure | None:
    """Accuracy against a cost, with the Pareto front; None where no configuration has that cost.

    Args:
        found: See `bench.report.pareto.candidates`.
        cost: `seconds` or `joules`.
        colors: Of networks.
    """
    file, title, heading, scale = _COSTS[cost]
    priced = [one for one in found if getattr(one, cost) is not None]
    if not priced:
        return None
    best = front(priced, cost)
    shown, caption = priced, ""
    if len(priced) > MOST_POINTS:
        others = sorted((one for one in priced if one not in best), key=lambda one: -one.accuracy)
        shown = best + others[: max(0, MOST_POINTS - len(best))]
        caption = (
            f"{len(shown)} of {len(priced)} configurations: the Pareto front and the most accurate others."
        )
    data: list[Trace] = []
    if len(best) > 1:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Pareto front",
                "x": numbers(getattr(one, cost) * scale for one in best),
                "y": percent(one.accuracy for one in best),
                "line": {"shape": "hv", "width": 1.5, "dash": "dot", "color": "#8c95a1"},
                "hoverinfo": "skip",
            }
        )
    for network in dict.fromkeys(one.network for one in shown):
        own = [one for one in shown if one.network == network]
        bars = error_bars(
            [one.accuracy for one in own],
            [np.nan if one.low is None else one.low for one in own],
            [np.nan if one.high is None else one.high for one in own],
        )
        if bars and len(shown) > 60:
            bars = None  # too many to be readable
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain(network),
                "x": numbers(getattr(one, cost) * scale for one in own),
                "y": percent(one.accuracy for one in own),
                "text": [plain(one.name) + "<br>" + duration(one.seconds) for one in own],
                "hovertemplate": "%{text}<br>%{y:.1f} %<extra></extra>",
                "marker": {
                    "color": colors[network],
                    "size": [13 if one in best else 9 for one in own],
                    "symbol": [SYMBOLS.get(one.mode, "circle") for one in own],
                    "line": {"width": 1, "color": "rgba(127,127,127,0.6)"},
                },
            }
        )
        if bars:
            data[-1]["error_y"] = {**bars, "color": colors[network]}
    layout = {"xaxis": axis(heading, type="log"), "yaxis": axis("balanced accuracy %")}
    shapes = [mode for mode in dict.fromkeys(one.mode for one in shown) if mode in SYMBOLS]
    words = [f"{SYMBOLS[mode].replace('-up', '')} {mode}" for mode in shapes]
    if len(words) > 1:
        caption = f"{caption} Shapes: {', '.join(words)}.".strip()
    if any(one.low is not None for one in shown) and len(shown) <= 60:
        caption = f"{caption} Bars: 95 % intervals.".strip()
    if on_several_devices(shown):
        caption = f"{caption} Several kinds of device: no Pareto front.".strip()
    return Figure(f"accuracy-{file}", title, data, layout, caption, height=460)


def phases(configurations: pd.DataFrame) -> list[Figure]:
    """Wall time by phase, stacked, one bar per network; one figure per mode and epoch count."""
    done = configurations[configurations["replicates"] > 0]
    figures = []
    for (mode, epochs), group in groups_of(done):
        shown = group.sort_values("result_s").head(MOST_BARS)
        names = [plain(name) for name in labels(shown)]
        data = []
        for phase in Phases.__struct_fields__:
            column = f"{PHASE}{phase}"
            if column in shown and shown[column].notna().any():
                data.append(
                    {
                        "type": "bar",
                        "orientation": "h",
                        "name": phase.replace("_", " "),
                        "y": names,
                        "x": numbers(shown[column]),
                        "marker": {"color": PHASE_COLORS.get(phase, "#999999")},
                        "text": [duration(value) for value in shown[column]],
                        "textposition": "none",
                        "hovertemplate": f"{phase}: %{{text}}<extra></extra>",
                    }
                )
        left_out = len(group) - len(shown)
        caption = f"The {len(shown)} fastest of {len(group)} configurations." if left_out else ""
        figures.append(
            Figure(
                f"phases-{group_file(mode, epochs)}",
                f"Wall time by phase: {group_name(mode, epochs)}",
                data,
                {
                    "barmode": "stack",
                    "xaxis": {"automargin": True, "ticksuffix": " s"},  # a title would lie under the legend
                    "yaxis": {"type": "category", "automargin": True, "autorange": "reversed"},
                    "legend": {"traceorder": "normal"},
                },
                caption,
                height=194 + 26 * len(shown),
            )
        )
    return figures
