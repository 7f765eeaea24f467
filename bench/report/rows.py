"""One record as a row: what tables and figures read of it."""

import json
from sys import intern
from typing import Any

from bench.errors import DamagedAttempt
from bench.journal.results import Attempt
from bench.report.costs import cost_of
from wbc.evaluation.intervals import mean_interval

CLASS, LOW, HIGH = "accuracy of ", "low of ", "high of "
"""Columns of a class begin so: its accuracy, and the bounds of the 95 % interval of that."""

PHASE = "seconds of "
"""Columns of a phase begin so: its wall time."""

TAIL_BYTES = 1 << 16


def row_of(trial_id: str, record: dict[str, Any]) -> dict[str, Any]:
    """The row of a trial that is over; its columns are described at `bench.report.frame.trials_frame`."""
    trial, test, nan = record["trial"], record["test"] or {}, float("nan")
    failure = record["failure"]
    fit, result = record["fit_time"] or {}, record["time_to_result"] or {}
    row = {
        "trial": trial_id,
        "network": trial["network"],
        **_of_settings(trial["settings"]),
        "status": record["status"],
        "reason": f"{failure['kind']}: {failure['message']}" if failure else "",
        "test_accuracy": test.get("accuracy", nan),
        "balanced_accuracy": test.get("balanced_accuracy", nan),
        "test_loss": test.get("loss", nan),
        **_part_interval(test),
        **_evaluations(record),
    }
    row |= {f"{CLASS}{name}": value for name, value in test.get("per_class_accuracy", {}).items()}
    row |= {
        "fit_s": fit.get("wall_s", nan),
        "fit_cpu_s": fit.get("cpu_s", nan),
        "result_s": result.get("wall_s", nan),
        "result_cpu_s": result.get("cpu_s", nan),
        "clock": (clock := trial["settings"].get("clock", "wall")),
        "clocked_fit_s": fit.get("cpu_s" if clock == "process" else "wall_s", nan),
    }
    row |= {name: nan if rate is None else rate for name, rate in record["throughput"].items()}
    parameters = record["phases"].get("build", {}).get("parameters")
    row["parameters"] = parameters
    row |= _evaluation(test) | _use(record["phases"].get("evaluate", {})) | cost_of(record)
    row |= {f"{PHASE}{name}": phase.get("wall_s") for name, phase in record["phases"].items()}
    row |= {"attempt": record["attempt"], "key": trial.get("key"), "started_at": record.get("started_at")}
    row["runtime"] = intern(", ".join(f"{name} {version}" for name, version in trial["runtime"].items()))
    return {name: nan if value is None else value for name, value in row.items()}


def unfinished_row(attempt: Attempt) -> dict[str, Any]:
    """The row of an attempt that has no record: it is under way, or its harness was killed."""
    row = {"trial": attempt.trial_id, "status": "unfinished", "attempt": attempt.number}
    try:
        trial = attempt.trial().to_json()
    except DamagedAttempt:
        return row
    reached = _last_epoch(attempt)
    said = f"attempt {attempt.number} is under way or was cut off"
    if attempt.is_over():
        said = f"the record of attempt {attempt.number} is damaged; `bench run` makes it again"
    return row | {
        "network": trial["network"],
        **_of_settings(trial["settings"]),
        "reason": f"{said}, at epoch {reached}" if reached and not attempt.is_over() else said,
        "key": trial.get("key"),
    }


def _of_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that name what is compared."""
    weights = (settings.get("weights") or {}).get("name")
    return {"weights": weights, "mode": settings.get("mode"), "epochs": settings.get("epochs")}


def _last_epoch(attempt: Attempt) -> int:
    """The last epoch that the end of a journal tells of; 0 where it tells of none."""
    try:
        with attempt.events.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return 0
    for line in reversed(lines[:-1]):
        if b'"event": "epoch"' in line:
            try:
                return int(json.loads(line)["epoch"])
            except (ValueError, KeyError):  # the tail begins within a line
                continue
    return 0


def _part_interval(test: dict[str, Any]) -> dict[str, float]:
    """The 95 % interval of the balanced accuracy that one test part supports, from those of its classes."""
    shares, bounds = test.get("per_class_accuracy", {}), test.get("intervals", {})
    classes = {name: one for name, one in bounds.get("per_class_accuracy", {}).items() if one}
    if not classes:
        return {}
    interval = mean_interval([(shares[name], one["low"], one["high"]) for name, one in classes.items()])
    return {"part_low": interval.low, "part_high": interval.high}


def _evaluation(test: dict[str, Any]) -> dict[str, Any]:
    """The further figures of a test part; none for records that were made before there were any."""
    if "intervals" not in test:
        return {}
    names = ("precision", "recall", "f1", "auc")
    row = {name: test[name] for name in ("images", "sources", "calibration_error")}
    row |= {f"macro_{name}": test[f"macro_{name}"] for name in names}
    intervals = test["intervals"]["per_class_accuracy"]
    methods = {interval["method"] for interval in intervals.values() if interval}
    row["interval_method"] = ", ".join(sorted(methods))
    for name, interval in intervals.items():
        interval = interval or {"low": None, "high": None}
        row |= {f"{LOW}{name}": interval["low"], f"{HIGH}{name}": interval["high"]}
        row |= {f"{figure} of {name}": test[figure][name] for figure in ("precision", "f1", "auc")}
        row[f"images of {name}"] = (test.get("support") or {}).get(name)
    return row


def _use(figures: dict[str, Any]) -> dict[str, Any]:
    """Size and speed of what was trained."""
    if "model_bytes" not in figures:
        return {}
    return {
        "model_mb": figures["model_bytes"] / 1e6,
        "inference_ms": figures["inference_s"] * 1e3,
        "inference_batch_size": figures["inference_batch_size"],
    }


def _evaluations(record: dict[str, Any]) -> dict[str, float]:
    """How good the same predictions look aligned and shuffled, and Keras' own metrics beside them."""
    nan, last = float("nan"), record.get("last_epoch") or {}
    evaluations = record.get("evaluations") or {"aligned": record["test"] or {}}
    return {
        "aligned_accuracy": evaluations.get("aligned", {}).get("balanced_accuracy", nan),
        "shuffled_accuracy": evaluations.get("shuffled", {}).get("balanced_accuracy", nan),
        "validation_accuracy": last.get("validation_accuracy", nan),
        "validation_binary_accuracy": last.get("validation_binary_accuracy", nan),
    }
