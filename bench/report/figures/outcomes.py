"""Accuracy: of every class, of modes and epoch counts side by side, and confusion matrices."""

import numpy as np
import pandas as pd

from bench.report.figures.figure import Colors, Figure, axis, error_bars, percent, plain
from bench.report.frame import BOTH_HIGH, BOTH_LOW, share_of
from bench.report.names import group_file, group_name, groups_of, labels
from bench.report.rows import CLASS
from bench.trials.metrics import Metrics

MOST_BARS = 24
"""Configurations in one figure of bars."""

_PATTERNS = ("", "/", "x", ".", "\\", "+")


def classes(configurations: pd.DataFrame, colors: Colors) -> list[Figure]:
    """Test accuracy of every class, one bar per network; one figure per mode and epoch count (thesis: C.1 to C.3)."""
    names = [name.removeprefix(CLASS) for name in configurations if name.startswith(CLASS)]
    figures = []
    for (mode, epochs), group in groups_of(configurations[configurations["replicates"] > 0]):
        shown, caption = _most_accurate(group)
        data = []
        own = [name for name in names if shown[f"{CLASS}{name}"].notna().any()]
        for label, row in zip(labels(shown), shown.to_dict("records"), strict=True):
            values = [row[f"{CLASS}{name}"] for name in own]
            bars = error_bars(
                values,
                *([row.get(f"{bound}{name}", np.nan) for name in own] for bound in (BOTH_LOW, BOTH_HIGH)),
            )
            data.append(
                {
                    "type": "bar",
                    "name": plain(label),
                    "x": [plain(name) for name in own],
                    "y": percent(values),
                    "marker": {"color": colors[row["network"]]},
                    **({"error_y": bars} if bars else {}),
                }
            )
        figures.append(
            Figure(
                f"classes-{group_file(mode, epochs)}",
                f"Test accuracy of the classes: {group_name(mode, epochs)}",
                data,
                {
                    "barmode": "group",
                    "xaxis": {"type": "category", "automargin": True},
                    "yaxis": axis("right %", range=[0, 103]),
                },
                caption,
            )
        )
    return figures


def side_by_side(configurations: pd.DataFrame, colors: Colors) -> list[Figure]:
    """Modes beside one another for an epoch count (thesis: 5.14), epoch counts for a mode (thesis: 5.15)."""
    done = configurations[(configurations["replicates"] > 0) & (configurations["epochs"] > 0)]
    figures = []
    for epochs, group in done.groupby("epochs", sort=False):
        if group["mode"].nunique() > 1:
            title = f"Balanced accuracy by mode: {int(epochs)} epochs"
            figures.append(_grouped(f"modes-{int(epochs)}", title, group, "mode", "{}", colors))
    for mode, group in done.groupby("mode", sort=False):
        if group["epochs"].nunique() > 1:
            title = f"Balanced accuracy by epochs: {mode}"
            figures.append(
                _grouped(f"epochs-{mode}", title, group.sort_values("epochs"), "epochs", "{} epochs", colors)
            )
    return figures


def _grouped(name: str, title: str, group: pd.DataFrame, by: str, pattern: str, colors: Colors) -> Figure:
    chosen = list(dict.fromkeys(group["network"]))[:MOST_BARS]
    data = []
    for number, (value, part) in enumerate(list(group.groupby(by, sort=False))[: len(_PATTERNS)]):
        best = part.sort_values("balanced_accuracy", ascending=False).drop_duplicates("network")
        rows = {row["network"]: row for row in best.to_dict("records")}
        own = [network for network in chosen if network in rows]
        shares = [share_of(rows[network]) or (np.nan,) * 3 for network in own]
        values = [rows[network]["balanced_accuracy"] for network in own]
        bars = error_bars(values, [share[1] for share in shares], [share[2] for share in shares])
        data.append(
            {
                "type": "bar",
                "name": pattern.format(int(value) if by == "epochs" else plain(value)),
                "x": [plain(network) for network in own],
                "y": percent(values),
                "marker": {
                    "color": [colors[network] for network in own],
                    "opacity": 1 if number == 0 else 0.62,
                    "pattern": {"shape": _PATTERNS[number], "size": 6},
                },
                **({"error_y": bars} if bars else {}),
            }
        )
    caption = "Bars: 95 % intervals." if any("error_y" in one for one in data) else ""
    if group.duplicated(["network", by]).any():
        caption = f"{caption} Of several variants of a network, the most accurate.".strip()
    layout = {
        "barmode": "group",
        "xaxis": {"type": "category", "automargin": True},
        "yaxis": axis("balanced accuracy %", range=[0, 103]),
    }
    return Figure(name, title, data, layout, caption)


def confusion(name: str, title: str, test: Metrics, color: str) -> Figure:
    """A confusion matrix (thesis: D.1): rows the true, columns the predicted class, shaded by row."""
    matrix = np.array(test.confusion_matrix, float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names = [plain(one) for one in test.classes]
    short = [
        one if len(one) <= 14 else f"{plain(raw[:12])}…" for one, raw in zip(names, test.classes, strict=True)
    ]
    ticks = {"tickvals": list(range(len(names))), "ticktext": short, "ticklabeloverflow": "allow"}
    data = [
        {
            "type": "heatmap",
            "z": [percent(row) for row in shares],
            "text": [[str(int(count)) for count in row] for row in matrix],
            "texttemplate": "%{text}" if len(names) <= 12 else "",
            "hovertemplate": "%{text} images, %{z:.1f} % of the row<extra></extra>",
            "colorscale": [[0, "rgba(127,127,127,0.06)"], [1, color]],
            "zmin": 0,
            "zmax": 100,
            "showscale": False,
            "xgap": 2,
            "ygap": 2,
        }
    ]
    layout = {
        "xaxis": axis("predicted", side="bottom", showgrid=False, zeroline=False, tickangle=-35, **ticks),
        "yaxis": axis("true", autorange="reversed", showgrid=False, zeroline=False, **ticks),
    }
    return Figure(name, title, data, layout, small=True, height=300)


def _most_accurate(group: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    if len(group) <= MOST_BARS:
        return group, ""
    best = group.sort_values("balanced_accuracy", ascending=False).head(MOST_BARS)
    return best, f"The {MOST_BARS} most accurate of {len(group)} configurations."
