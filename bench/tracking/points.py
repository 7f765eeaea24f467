"""The figures of an attempt as MLflow takes them: pure functions, no MLflow."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.journal.history import Event, Stretch
from bench.tracking.content import moment, plain_keys, span_of
from bench.tracking.thinning import Series, windows_of

Point = tuple[str, float, int, int]
"""(key, value, timestamp in ms, step)"""

FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "loss",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_auc",
    "calibration_error",
)
"""Figures of a test part, see `wbc.evaluation.metrics.score`."""

FIGURES_OF_CLASSES = {"accuracy": "per_class_accuracy", "precision": "precision", "f1": "f1", "auc": "auc"}
"""What a figure of each class is called in MLflow -> and in a record."""

STEADY = {
    "images_per_s": "throughput/steady_images_per_s",
    "low": "throughput/steady_images_per_s_low",
    "high": "throughput/steady_images_per_s_high",
    "step_s": "time/steady_step_s",
    "settled_s": "time/settled_s",
    "data_wait_s": "time/steady_data_wait_s",
    "data_wait_share": "throughput/data_wait_share",
    "compile_s": "time/first_step_s",
}
"""Figure of the steady state -> metric."""


def points_of(
    record: dict[str, Any], stretches: Sequence[Stretch], telemetry: Mapping[str, Series] = {}
) -> list[Point]:
    """Every figure of an attempt; epochs count from 1 and are stamped with their end.

    The same journals give the same points to the bit, so that sending them twice changes nothing. What
    is no finite number is left out: MLflow would store another value in its place.

    Args:
        record: The attempt's record.
        stretches: Its history: a resumed attempt shows the epochs that it goes on from, too.
        telemetry: What its sampler wrote, see `bench.tracking.thinning.series_of`.
    """
    points: list[Point] = []
    end = span_of(stretches)[1]
    for stretch in stretches:
        for event in stretch.events:
            if event["event"] == "epoch":
                points += _points_of_epoch(event, moment(stretch, event["t"]))
    points += [(name, value, end, 0) for name, value in _final(record).items() if _is_number(value)]
    own = stretches[-1]
    if own.events:
        for name, windows in windows_of(telemetry).items():
            # From 1: MLflow draws a line only where the last step is not 0.
            points += [
                (name, value, moment(own, t), step) for step, (t, value) in enumerate(windows, start=1)
            ]
    keys = {name: key for key, name in plain_keys({name: name for name, *_ in points})}
    return [(keys[name], value, time, step) for name, value, time, step in points if math.isfinite(value)]


def _points_of_epoch(event: Event, time: int) -> list[Point]:
    points = []
    for name, value in event["metrics"].items():
        key = f"validation/{name[11:]}" if name.startswith("validation_") else f"train/{name}"
        points.append((key, value, time, event["epoch"]))
    return points


def _final(record: dict[str, Any]) -> dict[str, Any]:
    """The figures that an attempt has once."""
    final: dict[str, Any] = {}
    if test := record["test"]:
        final |= {f"final/{name}": test.get(name) for name in FIGURES}
        for prefix, figure in FIGURES_OF_CLASSES.items():
            final |= {f"final/{prefix}_{name}": value for name, value in test.get(figure, {}).items()}
    for evaluation, metrics in (record.get("evaluations") or {}).items():
        final[f"final/{evaluation}_accuracy"] = metrics["accuracy"]
    for name in ("fit_time", "time_to_result"):
        if record[name]:
            final |= {f"time/{name}_{clock}": value for clock, value in record[name].items()}
    for name, phase in record["phases"].items():
        final |= {f"time/{name}_{clock}": phase[clock] for clock in ("wall_s", "cpu_s")}
    use = record["phases"].get("evaluate", {})
    final |= {f"final/{name}": use.get(name) for name in ("model_bytes", "inference_s")}
    final |= {f"throughput/{name}": value for name, value in record["throughput"].items()}
    return final | _measured(record)


def _measured(record: dict[str, Any]) -> dict[str, Any]:
    """What it took: steady throughput, utilisation, memory, energy, work. Older records lack it."""
    steady, memory = record.get("steady") or {}, record.get("memory") or {}
    profile = record.get("profile") or {}
    return {
        **{metric: steady.get(name) for name, metric in STEADY.items()},
        **{f"throughput/{name}": value for name, value in (record.get("utilisation") or {}).items()},
        **{f"memory/{name}": value for name, value in memory.items() if name != "analytic"},
        **{f"memory/analytic_{name}": value for name, value in (memory.get("analytic") or {}).items()},
        **{f"energy/{name}": value for name, value in (record.get("energy") or {}).items()},
        **{f"work/{name}": value for name, value in (record.get("work") or {}).items()},
        **{f"profile/{name}": profile.get(name) for name in ("input_stall", "kernel_busy", "copies_s")},
        **{f"profile/share_of_{name}": value for name, value in (profile.get("kinds") or {}).items()},
        **{f"canary/{name}": value for name, value in (record.get("canary") or {}).items()},
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
