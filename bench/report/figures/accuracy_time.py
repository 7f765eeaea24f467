"""How soon each configuration reached its accuracy."""

import pandas as pd

from bench.report.figures.figure import Colors, Figure, numbers, plain
from bench.report.names import group_name, labels
from bench.report.tables.formats import duration, time_or_never
from bench.trials.measured import NEVER

MOST_ROWS = 40

_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "hexagon", "pentagon")


def to_accuracy(times: pd.DataFrame, colors: Colors) -> Figure | None:
    """A row per configuration, a mark per target; a hollow mark at the end of training where it was never reached.

    Args:
        times: See `bench.report.tables.accuracy_time.accuracy_times`.
        colors: Of networks.
    """
    if times.empty:
        return None
    targets = list(dict.fromkeys(times["target"]))
    firsts = times.drop_duplicates("configuration")
    chosen = firsts.sort_values("trained_s").head(MOST_ROWS)
    several = chosen.groupby(["mode", "epochs"]).ngroups > 1
    names = {
        row.configuration: f"{label}, {group_name(row.mode, row.epochs)}" if several else label
        for row, label in zip(chosen.itertuples(), labels(chosen), strict=True)
    }
    data = []
    for number, target in enumerate(targets):
        own = times[(times["target"] == target) & times["configuration"].isin(names)]
        symbol = _SYMBOLS[number % len(_SYMBOLS)]
        reached = [median != NEVER for median in own["median_s"]]
        seconds = [
            median if got else trained
            for median, got, trained in zip(own["median_s"], reached, own["trained_s"], strict=True)
        ]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": target,
                "x": numbers(seconds),
                "y": [plain(names[key]) for key in own["configuration"]],
                "text": [
                    f"{time_or_never(median)}" + ("" if got else f" within {duration(trained)}")
                    for median, got, trained in zip(own["median_s"], reached, own["trained_s"], strict=True)
                ],
                "hovertemplate": f"{target}: %{{text}}<extra></extra>",
                "marker": {
                    "size": 11,
                    "symbol": [symbol if got else f"{symbol}-open" for got in reached],
                    "color": [colors[network] for network in own["network"]],
                },
            }
        )
    caption = "Medians over replicates. Hollow: never, at the end of training."
    if len(firsts) > len(names):
        caption = f"The {len(names)} trained fastest of {len(firsts)} configurations. {caption}"
    layout = {
        # A title would lie under the legend.
        "xaxis": {"type": "log", "automargin": True, "ticksuffix": " s"},
        "yaxis": {"type": "category", "automargin": True, "autorange": "reversed"},
    }
    title = "Time until the validation accuracy stays at a share of its best"
    return Figure("time-to-accuracy", title, data, layout, caption, height=194 + 26 * len(names))
