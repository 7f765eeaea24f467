"""TEST EQUIPMENT: results of suites that never ran, for comparisons."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from equipment.results.records import a_failure, a_record, a_runtime, a_trial, write_record

from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.journal.plain import typed
from bench.journal.results import Attempt, SuiteResults
from bench.trials.record import Record, record_to_json
from bench.trials.trial import Trial

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE")
SLOT = {"name": "cpu:0", "kind": "cpu", "model": "A processor", "uuids": [], "replicas": 1, "cores": [0, 1]}


def trial(network: str = "VGG16", *, seed: int = 0, digest: str = "d0", **settings) -> Trial:
    content = {
        "data": {"source": "synthetic", "digest": digest},
        "epochs": 3,
        "seed": seed,
        **settings,
    }
    return a_trial(network, a_runtime(tensorflow="2.20.0", device=SLOT["model"]), **content)


def record(of: Trial, seconds: float = 10.0, failure: tuple[str, str] | None = None, **more) -> dict:
    """A record whose training takes so many seconds of its time."""
    done = failure is None
    clock = {"wall_s": seconds, "cpu_s": 2 * seconds}
    phases = {
        "startup": {"wall_s": 9.0, "cpu_s": 9.0},
        "compile": {"wall_s": 1.0, "cpu_s": 1.0},
        "train": {**clock, "images": 1000, "validation_s": 0.1 * seconds, "checkpoint_s": 0.0},
        "evaluate": {"wall_s": 0.5, "cpu_s": 0.5},
    }
    return {
        "trial": of.to_json(),
        "attempt": 1,
        "status": "done" if done else "failed",
        "failure": None if done else {"kind": failure[0], "message": failure[1], "phase": "train"},
        "started_at": "2026-01-02T03:04:05.000+00:00",
        "slot": SLOT,
        "phases": phases if done else {},
        "fit_time": {"wall_s": seconds + 1, "cpu_s": 2 * seconds + 1} if done else None,
        "time_to_result": {"wall_s": seconds + 10.5, "cpu_s": 2 * seconds + 10.5} if done else None,
        "throughput": {"train_images_per_s": 1000 / seconds / 0.9 if done else None},
        "test": {"accuracy": 0.9} if done else None,
        "environment": {"tensorflow": "2.20.0", "python": "3.11.7"},
        **more,
    }


def write_predictions(
    path: Path, right: Sequence[bool], sources: Sequence[str] = (), sure: float = 0.9, files: str = "test"
) -> None:
    """Predictions of two classes: which images are right, and how sure the network is of them."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "source", "true", "predicted", *(f"p_{name}" for name in CLASSES)])
        for number, good in enumerate(right):
            truth = number % 2
            said = truth if good else 1 - truth
            shares = [sure if index == said else 1 - sure for index in (0, 1)]
            source = sources[number] if len(sources) else f"s{number}"
            writer.writerow([f"{files}/{number:05}.png", source, CLASSES[truth], CLASSES[said], *shares])


def add(
    results: SuiteResults, of: Trial, content: dict, right: Sequence[bool] | None = None, **predictions
) -> Attempt:
    """An attempt that is over."""
    attempt = results.new_attempt(of)
    write_record(attempt, whole(of, content))
    if right is not None:
        write_predictions(attempt.predictions, right, **predictions)
    return attempt


def whole(of: Trial, content: dict) -> Record:
    """A whole record, with what a table of `record` says."""
    usual = record_to_json(a_record(of))
    given = {**content, "throughput": {**usual["throughput"], **content["throughput"]}}
    if given["failure"]:
        given["failure"] = {**msgspec.to_builtins(a_failure()), **given["failure"]}
    if given["test"]:
        given["test"] = {"images": 10, **given["test"]}
    return msgspec.convert({**usual, **typed(given)}, Record)


def suite(folder: Path, times: list[tuple[Trial, Sequence[float]]], right=None, **more) -> Path:
    """Results of a suite: an attempt for every time, all with the same predictions."""
    results = SuiteResults(folder.parent, folder.name)
    for of, seconds in times:
        for one in seconds:
            add(results, of, record(of, one, **more), right)
    return folder


def write_epochs(attempt: Attempt, losses: Sequence[float]) -> None:
    """The journal of a training."""
    events = [
        {"t": epoch, "cpu": 0, "event": "epoch", "epoch": epoch, "metrics": {"loss": loss}, "validation_s": 0}
        for epoch, loss in enumerate(losses, 1)
    ]
    attempt.events.write_text("".join(json.dumps(event) + "\n" for event in events))


def measurement(of: Trial, content: dict, predictions: Path | None = None) -> Measurement:
    return Measurement(of.key, "a trial", content, predictions)


def trial_pairs(of: Trial, baseline: Sequence[float], candidate: Sequence[float], **more) -> TrialPairs:
    """Pairs by the seconds of their training, without predictions."""
    pairs = [
        Pair(measurement(of, record(of, old)), measurement(of, record(of, new, **more)))
        for old, new in zip(baseline, candidate, strict=True)
    ]
    return TrialPairs(of.key, "a trial", msgspec.to_builtins(of.settings), tuple(pairs))


def noisy(seconds: float, pairs: int, seed: int, share: float = 0.01) -> list[float]:
    return (seconds * np.exp(np.random.default_rng(seed).normal(0, share, pairs))).tolist()
