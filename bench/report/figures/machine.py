"""How busy the device was and what memory it held, over time, with the phases shaded."""

import numpy as np

from bench.report.figures.figure import PHASE_COLOURS, Figure, Trace, axis, numbers, plain, thin
from bench.report.samples import Samples

POINTS = 400

_DASHES = ("solid", "dot", "dash", "dashdot")


def over_time(name: str, title: str, samples: Samples, colour: str) -> Figure | None:
    """Utilisation above memory: of the GPUs where the trial had some, else of its cores."""
    busy, held = _series(samples)
    data: list[Trace] = []
    for number, (label, values) in enumerate(busy.items()):
        data.append(_line(samples, values, label, colour, number, "y", "%{y:.0f} %"))
    for number, (label, values) in enumerate(held.items()):
        data.append(_line(samples, values, label, colour, number, "y2", "%{y:.2f} GiB"))
    if not data:
        return None
    end = float(samples.seconds[-1])
    shapes, marks = [], []
    for phase, begin, until in samples.phases:
        shade = PHASE_COLOURS.get(phase, "#999999")
        shapes.append(
            {
                "type": "rect",
                "layer": "below",
                "xref": "x",
                "yref": "paper",
                "x0": round(begin, 3),
                "x1": round(until, 3),
                "y0": 0,
                "y1": 1,
                "fillcolor": shade,
                "opacity": 0.16,
                "line": {"width": 0},
            }
        )
        if until - begin > 0.07 * end:
            middle = round((begin + until) / 2, 3)
            marks.append(
                {
                    "x": middle,
                    "y": 1.0,
                    "xref": "x",
                    "yref": "paper",
                    "yanchor": "bottom",
                    "text": plain(phase),
                    "showarrow": False,
                    "font": {"size": 10},
                }
            )
    layout = {
        "xaxis": axis("seconds since the start of the process", anchor="y2"),
        "yaxis": axis("busy %", domain=[0.54, 1], range=[0, 104]),
        "yaxis2": axis("GiB", domain=[0, 0.46], rangemode="tozero"),
        "shapes": shapes,
        "annotations": marks,
    }
    return Figure(name, title, data, layout, small=True, height=340)


def _series(samples: Samples) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Label -> percent, and label -> GiB."""
    busy, held = {}, {}
    for gauge, values in samples.values.items():
        device, _, metric = gauge.rpartition("/")
        if not np.isfinite(values).any():
            continue
        if metric == "gpu_utilisation":
            busy[f"{device} busy"] = 100 * values
        elif metric == "gpu_memory_bytes":
            held[f"{device} memory"] = values / 2**30
    if not busy and np.isfinite(samples.values.get("cpu_percent", np.array([np.nan]))).any():
        busy["cores busy"] = samples.values["cpu_percent"] / (samples.slot_cores or 1)
    if not held and np.isfinite(samples.values.get("rss_bytes", np.array([np.nan]))).any():
        held["memory of the processes"] = samples.values["rss_bytes"] / 2**30
    return busy, held


def _line(samples: Samples, values, label: str, colour: str, number: int, yaxis: str, hover: str) -> Trace:
    x, y = thin(samples.seconds, values, POINTS)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(label),
        "x": numbers(x),
        "y": numbers(y),
        "yaxis": yaxis,
        "line": {"color": colour, "width": 1.2, "dash": _DASHES[number % len(_DASHES)]},
        "hovertemplate": hover,
    }
