"""Utilization and memory of the device over time, read from telemetry; phases are shaded."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.journal.results import Attempt
from bench.report.figures.figure import PHASE_COLORS, Figure, Trace, axis, numbers, plain, thin
from bench.report.rows import GPU_UTILIZATION

Series = NDArray[np.float64]
Line = dict[str, Any]
Values = list[float | None]

_PEAKS = ("rss_bytes", "memory_bytes")
"""Gauges whose maximum counts where a line has several samples: peaks of memory must not be averaged."""


@dataclass(frozen=True)
class Samples:
    """Series of one attempt."""

    seconds: Series
    """Since the trial started; shape (n,)."""
    values: dict[str, Series]
    """Gauge -> its means, of memory its maxima; shape (n,), NaN where there is none. Gauges of GPUs are
    `gpu:0/power_w` and the like."""
    phases: list[tuple[str, float, float]]
    """(name, begin, end) in seconds since the trial started."""
    slot_cores: int | None
    """How many cores the trial had."""
    unavailable: dict[str, str]
    """Gauge -> why it is missing."""


def read_samples(attempt: Attempt) -> Samples | None:
    """The telemetry of an attempt; None where there is none. Lines that are torn or unknown are ignored."""
    try:
        text = attempt.telemetry.read_text(errors="replace")
    except OSError:
        return None
    header: Line = {}
    times: list[int] = []
    rows: list[tuple[Values, Values]] = []
    for line in text.split("\n"):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(content, dict):
            continue
        if content.get("event") == "header":
            header = content
        elif "event" not in content and _is_sample(content):
            times.append(content["t"])
            rows.append((content["g"], content.get("m") or content["g"]))
    gauges = [str(name) for name in header.get("gauges") or ()]
    if not rows or not gauges:
        return None
    values = np.full((len(rows), len(gauges)), np.nan)
    peaks = np.array([name.endswith(_PEAKS) for name in gauges])
    for index, (means, maxima) in enumerate(rows):
        values[index] = np.where(peaks, _row(maxima, len(gauges)), _row(means, len(gauges)))
    spans = _phases(attempt)
    began = min([times[0], *(begin for _, begin, _ in spans)])
    return Samples(
        (np.array(times, float) - began) / 1e9,
        {name: values[:, index] for index, name in enumerate(gauges)},
        [(name, (begin - began) / 1e9, (end - began) / 1e9) for name, begin, end in spans],
        (header.get("cores") or {}).get("slot"),
        header.get("unavailable") or {},
    )


def _is_sample(content: Line) -> bool:
    """Whether a line is a sample. A failing disk or an editor may have changed it."""
    lists = (content.get("g"), content.get("m") or content.get("g"))
    return isinstance(content.get("t"), int) and all(
        isinstance(values, list) and all(one is None or isinstance(one, int | float) for one in values)
        for values in lists
    )


def _row(known: Values, length: int) -> Series:
    """The values of one line; those that it lacks at its end are missing."""
    row = np.full(length, np.nan)
    filled = [np.nan if one is None else one for one in known[:length]]
    row[: len(filled)] = filled
    return row


def _phases(attempt: Attempt) -> list[tuple[str, int, int]]:
    """Phases with begin and end, in nanoseconds of the clock. One without an end lasts until the last event."""
    events = [event for event in attempt.worker_events() if isinstance(event.get("t"), int)]
    begun: dict[str, int] = {}
    spans: list[tuple[str, int, int]] = []
    for event in events:
        kind, phase = event.get("event"), str(event.get("phase"))
        if kind == "phase_started":
            begun[phase] = event["t"]
        elif kind == "phase_ended" and phase in begun:
            spans.append((phase, begun.pop(phase), event["t"]))
    spans += [(name, begin, events[-1]["t"]) for name, begin in begun.items()]
    return sorted(spans, key=lambda span: span[1])


POINTS = 400

_DASHES = ("solid", "dot", "dash", "dashdot")


def over_time(name: str, title: str, samples: Samples, color: str) -> Figure | None:
    """Utilization above memory: of the GPUs where the trial had some, else of its cores."""
    busy, held = _series(samples)
    data: list[Trace] = []
    for number, (label, values) in enumerate(busy.items()):
        data.append(_line(samples, values, label, color, number, "y", "%{y:.0f} %"))
    for number, (label, values) in enumerate(held.items()):
        data.append(_line(samples, values, label, color, number, "y2", "%{y:.2f} GiB"))
    if not data:
        return None
    end = float(samples.seconds[-1])
    shapes, marks = [], []
    for phase, begin, until in samples.phases:
        shade = PHASE_COLORS.get(phase, "#999999")
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


def _series(samples: Samples) -> tuple[dict[str, Series], dict[str, Series]]:
    """Label -> percent, and label -> GiB."""
    busy: dict[str, Series] = {}
    held: dict[str, Series] = {}
    for gauge, values in samples.values.items():
        device, _, metric = gauge.rpartition("/")
        if not np.isfinite(values).any():
            continue
        if metric == GPU_UTILIZATION:
            busy[f"{device} busy"] = 100 * values
        elif metric == "gpu_memory_bytes":
            held[f"{device} memory"] = values / 2**30
    if not busy and np.isfinite(samples.values.get("cpu_percent", np.array([np.nan]))).any():
        busy["cores busy"] = samples.values["cpu_percent"] / (samples.slot_cores or 1)
    if not held and np.isfinite(samples.values.get("rss_bytes", np.array([np.nan]))).any():
        held["memory of the processes"] = samples.values["rss_bytes"] / 2**30
    return busy, held


def _line(
    samples: Samples, values: Series, label: str, color: str, number: int, yaxis: str, hover: str
) -> Trace:
    x, y = thin(samples.seconds, values, POINTS)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(label),
        "x": numbers(x),
        "y": numbers(y),
        "yaxis": yaxis,
        "line": {"color": color, "width": 1.2, "dash": _DASHES[number % len(_DASHES)]},
        "hovertemplate": hover,
    }
