"""Fold the journals of an attempt into one record: what `result.json` holds.

Nothing in a record comes from anywhere else, so it can be made again at any time.
"""

from typing import Any

from bench.journal.jsonl import read_events, write_json
from bench.journal.results import Attempt

FIT_PHASES = ("compile", "train")
LOG_LINES = 12


def finish(attempt: Attempt) -> dict[str, Any]:
    """Fold the journals of an attempt that is over and write its `result.json`."""
    record = fold(attempt)
    write_json(attempt.result, record)
    return record


def fold(attempt: Attempt) -> dict[str, Any]:
    """The record of an attempt.

    Times are in seconds. `fit_time` is what the thesis timed: first step and training with its
    validation. `time_to_result` is what a person waits: from the start of the process to the metrics.
    A figure that is missing is None, never 0.

    Returns:
        `cell` (as in `cell.json`), `attempt`, `status` (`done`, `failed` or `interrupted`), `failure`
        (None, or kind, message, phase, epoch, log), `started_at` (UTC), `phases`, `fit_time`,
        `time_to_result`, `throughput`, `epochs` (done), `last_epoch` (its metrics), `test`
        (see `wbc.evaluation.metrics.score`), `evaluations` (None, or where predictions were judged in more
        ways than one: `aligned` and `shuffled`, each as `test`), `environment`.
    """
    runner = {event["event"]: event for event in read_events(attempt.runner_events)}
    worker = attempt.worker_events()
    ended = runner.get("ended", {})
    phases, open_phase = _phases(worker, ended)
    epochs = [event for event in worker if event["event"] == "epoch"]
    last = {event["event"]: event for event in worker}
    failure = _failure(last, ended, open_phase, len(epochs), attempt)
    status = "done" if failure is None else "interrupted" if failure["kind"] == "interrupted" else "failed"
    return {
        "cell": attempt.cell(),
        "attempt": attempt.number,
        "status": status,
        "failure": failure,
        "started_at": runner.get("started", {}).get("at"),
        "phases": phases,
        "fit_time": _sum(phases, [name for name in FIT_PHASES if name in phases])
        if status == "done"
        else None,
        "time_to_result": _sum(phases, [name for name in phases if name != "teardown"])
        if status == "done"
        else None,
        "throughput": _throughput(phases),
        "epochs": len(epochs),
        "last_epoch": epochs[-1]["metrics"] if epochs else None,
        "test": last["evaluated"]["metrics"] if "evaluated" in last else None,
        "evaluations": _evaluations(last.get("evaluated", {})),
        "environment": last.get("environment", {}).get("environment"),
    }


def _phases(worker: list[dict], ended: dict) -> tuple[dict[str, dict], str | None]:
    """Wall and CPU seconds of each phase that ended, with its figures; and the phase that did not."""
    phases: dict[str, dict] = {}
    begun: dict[str, dict] = {}
    for event in worker:
        if event["event"] == "phase_started":
            begun[event["phase"]] = event
        elif event["event"] == "phase_ended":
            start = begun.pop(event["phase"])
            phases[event["phase"]] = {**_span(start, event), **event["figures"]}
    if "teardown" in begun and ended.get("exit_code") == 0:
        start = begun.pop("teardown")
        phases["teardown"] = _span(start, {"t": ended["t"], "cpu": ended["cpu_s"] * 1e9})
    return phases, next(reversed(begun), None)


def _evaluations(evaluated: dict) -> dict[str, dict] | None:
    """Every evaluation of the same predictions, where there is more than the one of `test`."""
    evaluations = evaluated.get("evaluations", {})
    return evaluations if len(evaluations) > 1 else None


def _span(start: dict, end: dict) -> dict[str, float]:
    return {"wall_s": (end["t"] - start["t"]) / 1e9, "cpu_s": max(0, end["cpu"] - start["cpu"]) / 1e9}


def _sum(phases: dict[str, dict], names) -> dict[str, float]:
    return {clock: sum(phases[name][clock] for name in names) for clock in ("wall_s", "cpu_s")}


def _throughput(phases: dict[str, dict]) -> dict[str, float | None]:
    """Images a second: of training after its first step, without validation; and of feature extraction.

    A mode without epochs has no rate of training.
    """
    train, features = phases.get("train"), phases.get("features")
    rates: dict[str, float | None] = {"train_images_per_s": None, "feature_images_per_s": None}
    if train and train.get("images"):
        rates["train_images_per_s"] = train["images"] / (train["wall_s"] - train["validation_s"])
    if features:
        rates["feature_images_per_s"] = features["images"] / features["wall_s"]
    return rates


def _failure(last: dict, ended: dict, phase: str | None, epochs: int, attempt: Attempt) -> dict | None:
    """Why the attempt is not done, or None."""
    if "failed" in last:
        kind, message = last["failed"]["kind"], last["failed"]["message"]
    elif "signal" in ended.get("stopped", {}):
        kind, message = "interrupted", f"stopped by {ended['stopped']['signal']}"
    elif not ended:
        kind, message = "interrupted", "the harness ended before the cell did"
    elif ended["exit_code"] == 0 and "evaluated" in last and attempt.predictions.is_file():
        return None
    elif ended["exit_code"] < 0:
        kind, message = "crashed", f"killed by signal {-ended['exit_code']}"
    else:
        kind, message = "crashed", f"ended with exit code {ended['exit_code']} without a result"
    return {"kind": kind, "message": message, "phase": phase, "epoch": epochs, "log": _log_tail(attempt)}


def _log_tail(attempt: Attempt) -> list[str]:
    try:
        with attempt.log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return []
