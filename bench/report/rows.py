"""One record as a row: the columns that tables and figures read."""

import json
from collections.abc import Iterable, Mapping
from sys import intern
from typing import Any

from bench.errors import DamagedAttempt
from bench.journal.results import Attempt
from bench.trials.measured import Growth, Summary
from bench.trials.metrics import Metrics
from bench.trials.phases import EvaluatePhase
from bench.trials.readable import network_in_words
from bench.trials.record import Record
from bench.trials.settings import Settings
from wbc.evaluation.intervals import mean_interval

Row = dict[str, Any]
"""Column -> value of one trial or configuration."""

CLASS, LOW, HIGH = "accuracy of ", "low of ", "high of "
"""Prefixes of the columns of a class: its accuracy, and the bounds of its 95 % interval."""

EXPORT = "exported as "
"""Prefix of the columns of a format."""
EXTERNAL = "external accuracy of "
"""Prefix of the columns of a class: its accuracy in the external test."""

FOUND = {"features": "features_found", "data": "pixels_found"}
"""Phase whose work trials may share -> the column that says whether another trial had done it."""

PHASE = "seconds of "
"""Prefix of the columns of a phase: its wall time."""

TIME_TO, EPOCH_TO, ENERGY_TO = "seconds to ", "epoch of ", "joules to "
"""Prefixes of the columns of an accuracy that was reached: work in seconds, epoch and energy, or `never`."""

MEMORY = "memory_"
"""Prefix of the columns of a kind of memory, computed from the network, in bytes."""

MEMORY_KINDS = ("weights", "gradients", "optimizer", "feature_maps", "workspace", "total", "allocated")

MEASURED_PHASE = "train"
"""The phase whose utilization is shown."""

CPU_UTILIZATION, GPU_UTILIZATION = "cpu_utilization", "gpu_utilization"
"""Metrics of telemetry."""

TAIL_BYTES = 1 << 16


def row_of(trial_id: str, record: Record) -> Row:
    """The row of a trial that is over; `bench.report.frame.trials_frame` describes its columns."""
    trial, fit, result = record.trial, record.fit_time, record.time_to_result
    clock = trial.settings.clock or "wall"
    row: Row = {
        "trial": trial_id,
        "network": network_in_words(trial.network, trial.settings),
        **_of_settings(trial.settings),
        "status": record.status,
        "reason": f"{record.failure.kind}: {record.failure.message}" if record.failure else "",
        **_of_accuracy(record),
        "epochs_run": record.epochs,
        "fit_s": fit and fit.wall_s,
        "fit_cpu_s": fit and fit.cpu_s,
        "result_s": result and result.wall_s,
        "result_cpu_s": result and result.cpu_s,
        **_of_sharing(record),
        "clock": clock,
        "clocked_fit_s": fit and (fit.cpu_s if clock == "process" else fit.wall_s),
        "train_images_per_s": record.throughput.train_images_per_s,
        "feature_images_per_s": record.throughput.feature_images_per_s,
        "parameters": record.phases.build and record.phases.build.parameters,
    }
    if record.test is not None:
        row |= _of_evaluation(record.test)
    row |= _of_exports(record)
    if record.external is not None:
        row |= _of_external(record.external)
    if record.phases.evaluate is not None:
        row |= _of_use(record.phases.evaluate)
    if record.note is not None:
        row["note"] = record.note
    for one in record.time_to_accuracy:
        for prefix, value in ((TIME_TO, one.work_s), (EPOCH_TO, one.epoch), (ENERGY_TO, one.joules)):
            if value is not None:
                row[intern(f"{prefix}{one.target}")] = value
    for calls in record.latency:
        for name, value in (("p50", calls.p50_s), ("p95", calls.p95_s), ("p99", calls.p99_s)):
            if value is not None:
                row[intern(f"latency_{calls.batch}_{name}_s")] = value
        row[intern(f"latency_{calls.batch}_images_per_s")] = calls.images_per_s
    row |= cost_of(record)
    row |= {intern(f"{PHASE}{name}"): phase.wall_s for name, phase in record.phases.items()}
    row |= {"attempt": record.attempt, "key": trial.key, "started_at": record.started_at}
    if record.slot is not None and record.slot.kind == "cpu":
        row["cores"] = len(record.slot.cores)
    versions = trial.runtime.versions()
    row["runtime"] = intern(", ".join(f"{name} {version}" for name, version in versions.items()))
    row |= {"device": intern(trial.runtime.device), "slot": record.slot and intern(record.slot.name)}
    return {name: float("nan") if value is None else value for name, value in row.items()}


def _of_sharing(record: Record) -> Row:
    """Of a trial that may use the work of others: its time to result as it was, and whether it did."""
    if record.result_as_run_s is None:
        return {}
    shared = record.phases.shared()
    row: Row = {"result_as_run_s": record.result_as_run_s}
    row |= {FOUND[name]: float(name in record.found) for name in shared}
    if record.shared_training_s:
        row["training_shared"] = 1.0
    if features := record.phases.features:
        row |= {"features_made_by": features.made_by} if features.made_by else {}
    reasons = {phase.not_shared: None for phase in shared.values() if phase.not_shared}
    return row | ({"not_shared": "; ".join(reasons)} if reasons else {})


def unfinished_row(attempt: Attempt) -> Row:
    """The row of an attempt without a record: it is under way, or its harness was killed."""
    row: Row = {"trial": attempt.trial_id, "status": "unfinished", "attempt": attempt.number}
    try:
        trial = attempt.trial()
    except DamagedAttempt:
        return row
    if damage := attempt.damage():
        said = f"the record of attempt {attempt.number} is damaged ({damage}); a run makes it again"
    else:
        said = f"attempt {attempt.number} is under way or was cut off"
        if reached := _last_epoch(attempt):
            said += f", at epoch {reached}"
    network = network_in_words(trial.network, trial.settings)
    return {**row, "network": network, **_of_settings(trial.settings), "reason": said, "key": trial.key}


def cost_of(record: Record) -> Row:
    """What a trial cost; what was not measured is left out.

    `cpu_utilization` and `gpu_utilization` are means over training, between 0 and 1. `unavailable` says, one
    line per metric, what could not be measured and why; `disturbed` why the times may not be the trial's own.
    `watched` is whether it ran with telemetry. `disturbed_share` is 1 where it was disturbed, else 0, and
    missing where nobody watched.
    """
    steady, energy, memory, used = record.steady, record.energy, record.memory, record.utilization
    row: Row = {
        "steady_images_per_s": steady and steady.images_per_s,
        "steady_low": steady and steady.low,
        "steady_high": steady and steady.high,
        "median_images_per_s": steady and steady.median_images_per_s,
        "unsteady": steady and float(steady.outcome != "steady"),
        "data_wait_share": steady and steady.data_wait_share,
        "energy_j": energy.trial_j,
        "train_energy_j": energy.train_j,
        "image_j": energy.image_j,
        "process_peak_bytes": memory and memory.process_peak,
        "allocator_peak_bytes": memory and memory.allocator_peak,
        "residual_bytes": memory and memory.residual,
        "device_peak_bytes": memory and memory.device_peak,
        **_growth_of(memory.host_growth if memory else None, ""),
        **_growth_of(memory.device_growth if memory else None, "device_"),
        "forward_flops": record.work and record.work.forward_flops,
        "model_flops_per_s": used.model_flops_per_s,
        "of_measured_peak": used.of_measured_peak,
        "of_datasheet_peak_busy": used.of_datasheet_peak_busy,
        "of_measured_bandwidth": used.of_measured_bandwidth,
        "gpm_fp32": used.gpm_fp32,
        "gpm_tensor": used.gpm_tensor,
    }
    if memory is not None and memory.analytic is not None:
        row |= {f"{MEMORY}{kind}": getattr(memory.analytic, kind) for kind in MEMORY_KINDS}
    reasons, telemetry = record.unavailable, record.telemetry
    row["watched"] = telemetry is not None
    if telemetry is not None:
        reasons = reasons | telemetry.unavailable
        row["cpu_utilization"] = _mean(telemetry.phases, CPU_UTILIZATION)
        means = [_mean(device.phases, GPU_UTILIZATION) for device in telemetry.devices.values()]
        busy = [mean for mean in means if mean is not None]
        row["gpu_utilization"] = sum(busy) / len(busy) if busy else None
    if telemetry is not None or record.disturbed:
        row["disturbed_share"] = float(bool(record.disturbed))
    if reasons:
        row["unavailable"] = "\n".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
    if record.disturbed:
        row["disturbed"] = " ".join(record.disturbed)
    return {name: value for name, value in row.items() if value is not None}


def _growth_of(growth: Growth | None, prefix: str) -> Row:
    if growth is None:
        return {}
    name = f"{prefix}growth_mb"
    return {name: growth.mb_per_1000_steps, f"{name}_low": growth.low, f"{name}_high": growth.high}


def reasons_of(unavailable: Iterable[object], metric: str) -> list[str]:
    """Why a metric is missing, each reason once; of GPUs too (`gpu:0 power_w`).

    Args:
        unavailable: The values of the column of that name.
        metric: Its name in records.
    """
    said: dict[str, None] = {}
    for text in unavailable:
        for line in text.split("\n") if isinstance(text, str) else ():
            name, _, reason = line.partition(": " if not line.startswith("gpu:") else f" {metric}: ")
            if name == metric or (line.startswith("gpu:") and reason):
                said[reason] = None
    return list(said)


def _of_settings(settings: Settings) -> Row:
    """What names a configuration, and what identifies it."""
    return {
        "weights": settings.weights.name,
        "mode": settings.mode,
        "epochs": settings.epochs,
        "configuration": settings.configuration_key,
        "replicate": intern(
            f"seed {settings.seed} split {settings.data.split_seed} data {settings.data.data_seed}"
            + (f" fold {settings.data.fold} of {settings.data.folds}" if settings.data.fold else "")
        ),
    }


def _of_accuracy(record: Record) -> Row:
    """How accurate the trial is, and how good the same predictions look aligned and shuffled.

    `split_low` and `split_high` bound the 95 % interval of the balanced accuracy that one test split
    supports, from the intervals of its classes.
    """
    test, last = record.test, record.last_epoch or {}
    evaluations: Mapping[str, Metrics | None] = record.evaluations or {"aligned": test}
    aligned, shuffled = evaluations.get("aligned"), evaluations.get("shuffled")
    row: Row = {
        "test_accuracy": test and test.accuracy,
        "balanced_accuracy": test and test.balanced_accuracy,
        "test_loss": test and test.loss,
        "aligned_accuracy": aligned and aligned.balanced_accuracy,
        "shuffled_accuracy": shuffled and shuffled.balanced_accuracy,
        "validation_accuracy": last.get("validation_accuracy"),
        "validation_binary_accuracy": last.get("validation_binary_accuracy"),
    }
    if test is None:
        return row
    row |= {intern(f"{CLASS}{name}"): share for name, share in test.per_class_accuracy.items()}
    return row | _of_split(test)


def _of_split(test: Metrics, prefix: str = "split") -> Row:
    """Bounds of the balanced accuracy that one test split supports."""
    intervals = test.intervals.per_class_accuracy if test.intervals is not None else {}
    shares = [
        (share, interval.low, interval.high)
        for name, interval in intervals.items()
        if interval is not None and (share := test.per_class_accuracy.get(name)) is not None
    ]
    if not shares:
        return {}
    interval = mean_interval(shares)
    return {f"{prefix}_low": interval.low, f"{prefix}_high": interval.high}


def _of_exports(record: Record) -> Row:
    """Size, accuracy and latency of the network in other formats."""
    phase = record.phases.export
    row: Row = {}
    for one in phase.exports if phase is not None else ():
        if one.unavailable is not None:
            row[f"{EXPORT}{one.name} unavailable"] = one.unavailable
            continue
        row[f"{EXPORT}{one.name} mb"] = None if one.bytes is None else one.bytes / 1e6
        row[f"{EXPORT}{one.name} accuracy"] = one.accuracy
        row[f"{EXPORT}{one.name} agreement"] = one.agreement
        row[f"{EXPORT}{one.name} latency_s"] = one.latency_s
    return row


def _of_external(metrics: Metrics) -> Row:
    """Accuracy on the images of the external test."""
    shares = metrics.per_class_accuracy.items()
    return {
        "external_images": metrics.images,
        "external_accuracy": metrics.accuracy,
        "external_balanced_accuracy": metrics.balanced_accuracy,
        **{intern(f"{EXTERNAL}{name}"): share for name, share in shares},
        **_of_split(metrics, "external"),
    }


def _of_evaluation(test: Metrics) -> Row:
    """Further metrics of a test split; none where it has no intervals: an older `wbc` ran then."""
    if test.intervals is None:
        return {}
    row: Row = {
        "images": test.images,
        "sources": test.sources,
        "calibration_error": test.calibration_error,
        "macro_precision": test.macro_precision,
        "macro_recall": test.macro_recall,
        "macro_f1": test.macro_f1,
        "macro_auc": test.macro_auc,
    }
    intervals = test.intervals.per_class_accuracy
    methods = {interval.method for interval in intervals.values() if interval is not None}
    row["interval_method"] = ", ".join(sorted(methods))
    for name, interval in intervals.items():
        row[intern(f"{LOW}{name}")] = interval and interval.low
        row[intern(f"{HIGH}{name}")] = interval and interval.high
        row[intern(f"precision of {name}")] = test.precision.get(name)
        row[intern(f"f1 of {name}")] = test.f1.get(name)
        row[intern(f"auc of {name}")] = test.auc.get(name)
        row[intern(f"images of {name}")] = test.support.get(name)
    return row


def _of_use(phase: EvaluatePhase) -> Row:
    """Size and speed of what was trained."""
    if phase.model_bytes is None:
        return {}
    return {
        "model_mb": phase.model_bytes / 1e6,
        "inference_ms": None if phase.inference_s is None else phase.inference_s * 1e3,
        "inference_batch_size": phase.inference_batch_size,
    }


def _mean(phases: dict[str, dict[str, Summary]], metric: str) -> float | None:
    summary = phases.get(MEASURED_PHASE, {}).get(metric)
    return None if summary is None else summary.mean


def _last_epoch(attempt: Attempt) -> int:
    """The last epoch in the end of a journal; 0 where there is none."""
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
            except (ValueError, KeyError, TypeError):  # the tail begins within a line
                continue
    return 0
