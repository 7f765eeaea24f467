"""What the sampler wrote beside a trial, as series over time with the phases of the trial."""

import json
from dataclasses import dataclass

import numpy as np

from bench.journal.results import Attempt

FILE = "telemetry.jsonl"

_PEAKS = ("rss_bytes", "memory_bytes")
"""Gauges of which a line of several samples tells its maximum: peaks of memory must not be averaged away."""


@dataclass(frozen=True)
class Samples:
    """Series of one attempt.

    Attributes:
        seconds: Since the trial began; shape (n,).
        values: Gauge -> its means, of memory maxima; shape (n,), NaN where there is none. Gauges of GPUs are
            `gpu:0/power_w` and the like.
        phases: (name, begin, end) in seconds since the trial began.
        slot_cores: How many cores the trial had, or None.
        unavailable: Gauge -> why it is missing.
    """

    seconds: np.ndarray
    values: dict[str, np.ndarray]
    phases: list[tuple[str, float, float]]
    slot_cores: int | None
    unavailable: dict[str, str]


def read_samples(attempt: Attempt) -> Samples | None:
    """The telemetry of an attempt; None where there is none. Lines that are torn or unknown are left out."""
    try:
        text = (attempt.folder / FILE).read_text(errors="replace")
    except OSError:
        return None
    header: dict = {}
    times, rows = [], []
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


def _is_sample(content: dict) -> bool:
    """Whether a line holds what a sample holds; a disk, or somebody with an editor, may have changed it."""
    lists = (content.get("g"), content.get("m") or content.get("g"))
    return isinstance(content.get("t"), int) and all(
        isinstance(values, list) and all(one is None or isinstance(one, int | float) for one in values)
        for values in lists
    )


def _row(known: list[float | None], length: int) -> np.ndarray:
    """Values of one line; those that it leaves out at its end are missing."""
    row = np.full(length, np.nan)
    filled = [np.nan if one is None else one for one in known[:length]]
    row[: len(filled)] = filled
    return row


def _phases(attempt: Attempt) -> list[tuple[str, int, int]]:
    """Phases with begin and end, in nanoseconds of the clock; one that has no end lasts to the last event."""
    events = [event for event in attempt.worker_events() if isinstance(event.get("t"), int)]
    begun, spans = {}, []
    for event in events:
        kind, phase = event.get("event"), event.get("phase")
        if kind == "phase_started":
            begun[phase] = event["t"]
        elif kind == "phase_ended" and phase in begun:
            spans.append((phase, begun.pop(phase), event["t"]))
    spans += [(name, begin, events[-1]["t"]) for name, begin in begun.items()]
    return sorted(spans, key=lambda span: span[1])
