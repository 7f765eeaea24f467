"""TEST EQUIPMENT: journals of attempts that never ran, as workers and harness write them."""

import json
import math
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from equipment.results.records import a_runtime, a_trial

from bench.journal.results import Attempt, SuiteResults
from bench.records.fold import finish
from bench.trials.trial import Trial
from bench.worker.jsonl import RawEvent, read_lines
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions

SECOND = 1_000_000_000
CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
GAUGES = ("cpu_percent", "rss_bytes", "gpu:0/gpu_utilization", "gpu:0/power_w")


def write_suite(
    results: SuiteResults, trials: int, epochs: int, samples: int = 0, failing: int = 0, machine: str = ""
) -> list[Attempt]:
    """Write the journals of a suite and fold them; the last `failing` trials crashed in their last epoch.

    Args:
        results: Where.
        trials: How many.
        epochs: Of each; four figures an epoch.
        samples: Of telemetry, five a second.
        failing: How many trials.
    """
    return [
        write_attempt(results, _trial(number, epochs), epochs, samples, number >= trials - failing, machine)
        for number in range(trials)
    ]


def write_attempt(
    results: SuiteResults,
    trial: Trial,
    epochs: int,
    samples: int = 0,
    crashed: bool = False,
    machine: str = "",
) -> Attempt:
    """Write the journals of one attempt at a trial; on another machine, or again, clocks differ."""
    attempt = results.new_attempt(trial)
    noise = random.Random(f"{trial.id}{machine}{attempt.number if attempt.number > 1 else ''}")
    t = noise.randrange(SECOND)
    runner = [
        {
            "t": t,
            "event": "started",
            "at": "2026-01-02T03:04:05.678+00:00",
            "slot": {
                "name": "gpu:0",
                "kind": "gpu",
                "model": "Stand-in GPU",
                "uuids": ["GPU-1"],
                "replicas": 1,
                "cores": [0],
            },
            "provenance": {"host": "laboratory", "commit": "c0ffee", "driver": "550.54.14"},
        }
    ]
    events: list[dict[str, Any]] = []

    def happens(seconds: float, event: str, **content: Any) -> None:
        nonlocal t
        t += int(seconds * SECOND)
        events.append({"t": t, "cpu": t, "event": event, **content})

    happens(0, "phase_started", phase="startup")
    versions = {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1", "cuda": "12.5"}
    happens(2, "environment", environment=versions)
    happens(0, "phase_ended", phase="startup", figures={})
    happens(0, "phase_started", phase="data")
    counts = {"train_images": 800, "validation_images": 100, "test_images": 80}
    happens(1, "phase_ended", phase="data", figures=counts)
    happens(0, "phase_started", phase="compile")
    happens(1, "phase_ended", phase="compile", figures={})
    happens(0, "phase_started", phase="train")
    speed = 0.5 + noise.random()
    for epoch in range(1, epochs + 1):
        loss = math.exp(-speed * epoch / epochs) + 0.02 * noise.random()
        metrics = {"loss": loss, "accuracy": 1 - loss / 2}
        metrics |= {"validation_loss": 1.1 * loss, "validation_accuracy": 1 - 0.6 * loss}
        happens(samples / 5 / epochs or 0.1, "epoch", epoch=epoch, metrics=metrics, validation_s=0.01)
    if not crashed:
        happens(0, "phase_ended", phase="train", figures={"images": 800 * epochs})
        happens(0, "phase_started", phase="evaluate")
        predictions = _predictions(noise.randrange(3))
        predictions.write_csv(attempt.predictions)
        metrics = _score(noise.randrange(3))
        happens(1, "evaluated", metrics=metrics, evaluations={})
        happens(0, "phase_ended", phase="evaluate", figures={"images": 80})
        happens(0, "phase_started", phase="teardown")
    ended = {"exit_code": -6 if crashed else 0, "cpu_s": t / 1e9, "stopped": {}, "memory_kills": 0}
    runner.append({"t": t + SECOND // 10, "event": "ended", **ended})
    _write_lines(attempt.events, events)
    _write_lines(attempt.runner_events, runner)
    if samples:
        _write_lines(attempt.telemetry, _telemetry(events[0]["t"], samples, noise))
    attempt.log.write_text("a line of the log\n")
    finish(attempt)
    return attempt


def _trial(number: int, epochs: int) -> Trial:
    data = {"source": "synthetic", "digest": "0123456789abcdef" * 4}
    optimizer = {"name": "Adam", "learning_rate": 1e-3 / (number + 1)}
    settings = {"mode": "scratch", "epochs": epochs, "seed": number, "data": data, "optimizer": optimizer}
    return a_trial("LeNet5", a_runtime(wbc="abc", device="Stand-in GPU"), **settings)


def _telemetry(t: int, samples: int, noise: random.Random) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [{"event": "header", "version": 1, "gauges": GAUGES, "counters": []}]
    for number in range(samples):
        busy = 0.6 + 0.4 * math.sin(number / 40) * noise.random()
        values = [100 * busy, 2e9 + 1e6 * number, busy, 70 + 200 * busy]
        lines.append({"t": t + number * SECOND // 5, "n": 1, "c": [], "g": values})
    return [*lines, {"event": "end", "t": t + samples * SECOND // 5, "cpu_s": 0.1}]


@cache
def _predictions(seed: int) -> Predictions:
    generator = np.random.default_rng(seed)
    labels = np.arange(80) % 4
    probabilities = generator.dirichlet(np.ones(4), 80) + 0.5 * np.eye(4)[labels]
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    files = [f"test/{CLASSES[label]}/{number}.png" for number, label in enumerate(labels)]
    return Predictions(files, files, labels, probabilities, list(CLASSES))


@cache
def _score(seed: int) -> dict[str, Any]:
    return score(_predictions(seed))


def read_events(path: Path) -> list[RawEvent]:
    """The events of a journal, without what else its lines hold."""
    return [line for line in read_lines(path) if "event" in line]


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
