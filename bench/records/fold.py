"""Fold the journals of an attempt into one record: what `result.json` holds.

Nothing in a record comes from anywhere else, so it can be made again at any time.
"""

from typing import Any

import msgspec

from bench.errors import DamagedAttempt
from bench.journal.history import Stretch, history, last_of_each, open_phase, summed
from bench.journal.plain import typed
from bench.journal.results import Attempt
from bench.records.flops import with_reference, work_and_limit_of
from bench.records.measured import figures_of
from bench.records.provenance import provenance_of
from bench.records.telemetry import telemetry_of
from bench.trials.decode import field_of
from bench.trials.record import FORMAT, Record, record_to_json
from bench.worker.files import write_json
from bench.worker.jsonl import read_events
from wbc.observer import APART

FIT_PHASES = ("compile", "train")
LOG_LINES = 12

_OUT_OF_MEMORY = (
    "std::bad_alloc",
    "MemoryError",
    "Cannot allocate memory",
    "Resource temporarily unavailable",
)
"""Words with which a library that runs out of memory takes the process down."""


def finish(attempt: Attempt) -> Record:
    """Fold the journals of an attempt that is over and write its `result.json`."""
    record = fold(attempt)
    write_json(attempt.result, record_to_json(record))
    return record


def fold(attempt: Attempt) -> Record:
    """The record of an attempt, see `bench.trials.record.Record`.

    Raises:
        DamagedAttempt: Its journals hold what no record can be made of.
    """
    content = typed({"format": FORMAT, **_fold(attempt)})
    try:
        return msgspec.convert(content, Record)
    except msgspec.ValidationError as error:
        raise DamagedAttempt(f"the journals of {attempt.folder} are damaged: {field_of(error)}") from None


def _fold(attempt: Attempt) -> dict[str, Any]:
    """The record of an attempt.

    Times are in seconds. `fit_time` is what the thesis timed: first step and training with its
    validation, without checkpoints. `time_to_result` is what a person waits: from the start of the process to
    the metrics, without the canary. Both are sums over the attempts that a resumed one goes on from, work
    that was done twice included in the latter. A figure that is missing is None, never 0.

    Returns:
        `trial` (as in `trial.json`), `attempt`, `status` (`done`, `failed` or `interrupted`), `failure`
        (None, or kind, message, phase, epoch, log, folder), `started_at` (UTC), `slot`,
        `provenance` (see `bench.records.provenance`), `resumed` (None, or from_epoch, attempts, lost_s),
        `phases`, `fit_time`, `time_to_result`, `throughput`, `epochs` (done),
        `last_epoch` (its metrics), `test` (see `wbc.evaluation.metrics.score`), `evaluations` (None,
        or where predictions were judged in more ways than one: `aligned` and `shuffled`, each as `test`),
        `model` (None where none was to be kept; else `bytes`, `seconds` and its schema, or `reason`),
        `environment`, `neighbours` (other users of the device that were seen), `quiet` (what waiting for a
        quiet machine came to), `steady`, `profile` and `canary` (see `bench.records.measured.figures_of`),
        `telemetry`, `energy`, `disturbed` (reasons why its times may not be its own) and `unavailable`
        (metric -> why it is missing), see `bench.telemetry`; `work`, `memory` and `utilisation`, see
        `bench.records.flops`.
    """
    runner = read_events(attempt.runner_events)
    ended = last_of_each(runner).get("ended", {})
    stretches = history(attempt)
    own = stretches[-1].events
    last = last_of_each(own)
    phases = summed(stretches)
    epochs = [event for stretch in stretches for event in stretch.events if event["event"] == "epoch"]
    failure = _failure(own, ended, len(epochs), attempt)
    status = "done" if failure is None else "interrupted" if failure["kind"] == "interrupted" else "failed"
    done = status == "done"
    record = {
        "trial": attempt.trial().without_specification().to_json(),
        "attempt": attempt.number,
        "status": status,
        "failure": failure,
        "started_at": stretches[-1].started_at,
        "slot": last_of_each(runner).get("started", {}).get("slot"),
        "resumed": _resumed(stretches, last),
        "phases": phases,
        "fit_time": _fit_time(phases) if done else None,
        "time_to_result": _time_to_result(phases, stretches) if done else None,
        "throughput": _throughput(phases),
        "epochs": len(epochs),
        "last_epoch": epochs[-1]["metrics"] if epochs else None,
        "test": last["evaluated"]["metrics"] if "evaluated" in last else None,
        "evaluations": _evaluations(last.get("evaluated", {})),
        "model": _model(last),
        "environment": last.get("environment", {}).get("environment"),
        "neighbours": [event["neighbours"] for event in runner if event["event"] == "neighbours"],
        "quiet": next((_content(event) for event in runner if event["event"] == "quiet"), None),
        **figures_of(stretches),
    }
    noted = last_of_each(runner)
    record["provenance"] = provenance_of(noted, record["environment"], record["trial"])
    record["canary"] = with_reference(record["canary"], noted.get("peak"), record["environment"])
    record |= telemetry_of(record, stretches)
    return record | work_and_limit_of(record, last, noted)


def _resumed(stretches: list[Stretch], last: dict[str, dict]) -> dict[str, Any] | None:
    if "resumed" not in last:
        return None
    return {
        "from_epoch": last["resumed"]["epoch"],
        "attempts": [stretch.attempt.number for stretch in stretches],
        "lost_s": sum(stretch.lost_s for stretch in stretches),
    }


def _model(last: dict[str, dict]) -> dict[str, Any] | None:
    """The model that was kept, or why it was not."""
    event = last.get("model_saved") or last.get("model_not_saved")
    return _content(event) if event else None


def _evaluations(evaluated: dict) -> dict[str, dict] | None:
    """Every evaluation of the same predictions, where there is more than the one of `test`."""
    evaluations = evaluated.get("evaluations", {})
    return evaluations if len(evaluations) > 1 else None


def _fit_time(phases: dict[str, dict]) -> dict[str, float]:
    times = _sum(phases, [name for name in FIT_PHASES if name in phases])
    times["wall_s"] -= phases.get("train", {}).get("checkpoint_s", 0.0)
    return times


def _time_to_result(phases: dict[str, dict], stretches: list[Stretch]) -> dict[str, float]:
    times = _sum(phases, [name for name in phases if name not in APART])
    times["wall_s"] += sum(stretch.lost_s for stretch in stretches)
    return times


def _sum(phases: dict[str, dict], names) -> dict[str, float]:
    return {clock: sum(phases[name][clock] for name in names) for clock in ("wall_s", "cpu_s")}


def _throughput(phases: dict[str, dict]) -> dict[str, float | None]:
    """Images a second: of training after its first step, without validation; and of feature extraction.

    Checkpoints, and first steps of later stages, are left out as well.

    A mode without epochs has no rate of training.
    """
    train, features = phases.get("train"), phases.get("features")
    rates: dict[str, float | None] = {"train_images_per_s": None, "feature_images_per_s": None}
    if train and train.get("images"):
        apart = sum(train.get(name, 0.0) for name in ("validation_s", "checkpoint_s", "recompile_s"))
        rates["train_images_per_s"] = train["images"] / (train["wall_s"] - apart)
    if features and features.get("images"):
        rates["feature_images_per_s"] = features["images"] / features["wall_s"]
    return rates


def _failure(events: list[dict], ended: dict, epochs: int, attempt: Attempt) -> dict | None:
    """Why the attempt is not done, or None."""
    last, stopped = last_of_each(events), ended.get("stopped", {})
    if ended.get("exit_code") == 0 and "evaluated" in last and attempt.predictions.is_file():
        return None  # also when it was asked to stop and had just come to its end
    log = _log_tail(attempt)
    if stopped:
        kind, message = stopped["why"], stopped["message"]
    elif "failed" in last:
        kind, message = last["failed"]["kind"], last["failed"]["message"]
    elif not ended:
        kind, message = "interrupted", "the harness ended before the trial did"
    else:
        kind, message = _broken(ended, log)
    return {
        "kind": kind,
        "message": message,
        "phase": open_phase(events),
        "epoch": epochs,
        "log": log,
        "folder": str(attempt.folder),
    }


def _broken(ended: dict, log: list[str]) -> tuple[str, str]:
    """Kind and message of a worker that went without a word."""
    code = ended["exit_code"]
    how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code} without a result"
    if code == -9 and ended.get("memory_kills"):
        return "host-oom", "the kernel killed it because memory ran out"
    said = next(
        (line.strip() for line in reversed(log) if any(word in line for word in _OUT_OF_MEMORY)), None
    )
    if said is not None:
        return "host-oom", f"memory ran out, it was {how}: {said[:200]}"
    return "crashed", how


def _content(event: dict) -> dict:
    return {key: value for key, value in event.items() if key not in ("t", "cpu", "event")}


def _log_tail(attempt: Attempt) -> list[str]:
    try:
        with attempt.log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return []
