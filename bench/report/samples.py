"""What the sampler wrote beside a cell, as series over time with the phases of the cell."""

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
        seconds: Since the cell began; shape (n,).
        values: Gauge -> its means, of memory maxima; shape (n,), NaN where there is none. Gauges of GPUs are
            `gpu:0/power_w` and the like.
        phases: (name, begin, end) in seconds since the cell began.
        slot_cores: How many cores the cell had, or None.
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
        elif "event" not in content and "g" in content and "t" in content:
            times.append(content["t"])
            rows.append((content["g"], content.get("m") or content["g"]))
    gauges = header.get("gauges", [])
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


def _row(known: list[float | None], length: int) -> np.ndarray:
    """Values of one line; those that it leaves out at its end are missing."""
    row = np.full(length, np.nan)
    filled = [np.nan if one is None else one for one in known[:length]]
    row[: len(filled)] = filled
    return row


def _phases(attempt: Attempt) -> list[tuple[str, int, int]]:
    """Phases with begin and end, in nanoseconds of the clock; one that has no end lasts to the last event."""
    events = attempt.worker_events()
    begun, spans = {}, []
    for event in events:
        if event["event"] == "phase_started":
            begun[event["phase"]] = event["t"]
        elif event["event"] == "phase_ended" and event["phase"] in begun:
            spans.append((event["phase"], begun.pop(event["phase"]), event["t"]))
    spans += [(name, begin, events[-1]["t"]) for name, begin in begun.items()]
    return sorted(spans, key=lambda span: span[1])
