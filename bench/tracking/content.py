"""What a record looks like in MLflow: pure functions, no MLflow."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from bench.journal.history import Stretch

ATTEMPT_TAG = "leukobench.attempt"
"""`<cell id>/<attempt>`: by it a run is found again."""

STATES = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}

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

Point = tuple[str, float, int, int]
"""(key, value, timestamp in ms, step)"""


def tags_of(record: dict[str, Any], suite: str) -> dict[str, str]:
    """Tags of the run of an attempt."""
    cell = record["cell"]
    tags = {
        ATTEMPT_TAG: f"{cell['id']}/{record['attempt']}",
        "leukobench.suite": suite,
        "leukobench.cell": cell["id"],
        "leukobench.key": cell["key"],
        "mlflow.runName": cell["id"] if record["attempt"] == 1 else f"{cell['id']}-{record['attempt']}",
        "mlflow.source.name": "leukobench",
        "mlflow.source.type": "LOCAL",
        **{f"version.{name}": value for name, value in cell["runtime"].items()},
    }
    if record["failure"]:
        tags["failure.kind"] = record["failure"]["kind"]
        tags["failure.message"] = record["failure"]["message"][:5000]
    if record.get("resumed"):
        tags["leukobench.resumed_from_epoch"] = str(record["resumed"]["from_epoch"])
    if record["test"]:
        test, epochs = record["test"], cell["settings"]["epochs"]
        tags["mlflow.note.content"] = (
            f"{cell['network']}, {cell['settings']['mode']}{f', {epochs} epochs' if epochs else ''}: "
            f"{test['accuracy']:.1%} of {test['images']} test images right"
        )
    return tags


def params_of(record: dict[str, Any]) -> dict[str, str]:
    """The resolved settings, flat: `optimizer.learning_rate`."""

    def flat(prefix: str, value: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return {
                key: text
                for name, item in value.items()
                for key, text in flat(f"{prefix}.{name}", item).items()
            }
        return {prefix.removeprefix("."): str(value)}

    return flat("", record["cell"]["settings"])


def points_of(record: dict[str, Any], stretches: Sequence[Stretch]) -> list[Point]:
    """Every figure of an attempt; epochs count from 1 and are stamped with their end.

    The same journals give the same points to the bit, so that sending them twice changes nothing. What
    is no finite number is left out: MLflow would store another value in its place.

    Args:
        record: The attempt's record.
        stretches: Its history: a resumed attempt shows the epochs that it goes on from, too.
    """
    points: list[Point] = []
    end = span_of(stretches)[1]
    for stretch in stretches:
        for event in stretch.events:
            if event["event"] == "epoch":
                time = _moment(stretch, event)
                for name, value in event["metrics"].items():
                    part, metric = (
                        ("validation", name[11:]) if name.startswith("validation_") else ("train", name)
                    )
                    points.append((f"{part}/{metric}", value, time, event["epoch"]))
    final: dict[str, float | None] = {}
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
    points += [(name, value, end, 0) for name, value in final.items() if value is not None]
    keys = _keys({name for name, *_ in points})
    return [(keys[name], value, time, step) for name, value, time, step in points if math.isfinite(value)]


def span_of(stretches: Sequence[Stretch]) -> tuple[int, int]:
    """Start and end of an attempt, in ms since 1970."""
    own = stretches[-1]
    began = _milliseconds(own.started_at)
    return began, _moment(own, own.events[-1]) if own.events else began


def _moment(stretch: Stretch, event: dict[str, Any]) -> int:
    """When something happened, in ms since 1970; each attempt's clock starts with its first event."""
    return _milliseconds(stretch.started_at) + (event["t"] - stretch.events[0]["t"]) // 1_000_000


def _milliseconds(iso: str | None) -> int:
    return int(datetime.fromisoformat(iso).timestamp() * 1000) if iso else 0


def _keys(names: Iterable[str]) -> dict[str, str]:
    """Names in the characters that MLflow takes; class names may hold any.

    Where that makes names alike, those that had to change end in a hash: two classes must not share a metric.
    """
    plain = {
        name: "".join(char if char.isalnum() or char in "_-. /" else "_" for char in name)[:250]
        for name in names
    }
    uses = Counter(plain.values())
    return {
        name: key
        if uses[key] == 1 or key == name
        else f"{key[:241]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, key in plain.items()
    }
