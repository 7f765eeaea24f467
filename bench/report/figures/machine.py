"""Utilization and memory of the device over time, read from telemetry; phases are shaded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import DamagedAttempt
from bench.journal.events import PhaseEnded, PhaseStarted
from bench.journal.results import Attempt
from bench.report.figures.figure import PHASE_COLORS, Figure, Trace, axis, numbers, plain, thin
from bench.report.rows import GPU_UTILIZATION
from bench.telemetry.trace import read_trace

Series = NDArray[np.float64]

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
    slot_cores: int
    """How many cores the trial had."""


def read_samples(attempt: Attempt) -> Samples | None:
    """The telemetry of an attempt; None where there is none."""
    trace = read_trace(attempt.telemetry)
    if trace is None or not trace.samples:
        return None
    spans = _phases(attempt)
    began = min([trace.samples[0].t, *(begin for _, begin, _ in spans)])
    values = {
        name: np.array(
            [(one.most if name.endswith(_PEAKS) else one.mean).get(name, np.nan) for one in trace.samples]
        )
        for name in trace.header.gauges
    }
    return Samples(
        (np.array([sample.t for sample in trace.samples], float) - began) / 1e9,
        values,
        [(name, (begin - began) / 1e9, (end - began) / 1e9) for name, begin, end in spans],
        trace.header.slot_cores,
    )


def _phases(attempt: Attempt) -> list[tuple[str, int, int]]:
    """Phases with begin and end, in nanoseconds of the clock. One without an end lasts until the last event."""
    try:
        events = attempt.worker_events()
    except DamagedAttempt:  # the phases only shade what telemetry shows
        return []
    begun: dict[str, int] = {}
    spans: list[tuple[str, int, int]] = []
    for event in events:
        if isinstance(event, PhaseStarted):
            begun[event.phase] = event.t
        elif isinstance(event, PhaseEnded) and event.phase in begun:
            spans.append((event.phase, begun.pop(event.phase), event.t))
    spans += [(name, begin, events[-1].t) for name, begin in begun.items()]
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
        busy["cores busy"] = samples.values["cpu_percent"] / samples.slot_cores
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
