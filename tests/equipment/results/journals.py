"""Writes the folder of one attempt: journals with plausible curves, from which the record is folded."""

import json
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from equipment.results.records import a_runtime

from bench.journal.results import Attempt, SuiteResults
from bench.records.fold import fold
from bench.trials.record import record_to_json
from bench.trials.settings import Settings
from bench.trials.trial import Trial

START = datetime.fromisoformat("2026-03-01T08:00:00+00:00")

RUNTIME = {
    "wbc": "0123456789abcdef",
    "tensorflow": "2.21.0",
    "keras": "3.15.1",
    "device": "NVIDIA GeForce RTX 4090",
}


@dataclass(frozen=True)
class Course:
    """How a trial goes.

    Attributes:
        seconds: Wall seconds of its phases.
        accuracy: That the network comes to.
        pace: Epochs after which two thirds are learnt.
        test: What `wbc.evaluation.metrics.score` says; None: it fails before.
        predictions: Text of `predictions.csv`, or None.
        failure: (kind, message), or nothing.
        gpus: Names of the GPUs.
        power_w: Of the GPU while training.
        more: Further keys of the record.
    """

    seconds: dict[str, float]
    accuracy: float
    pace: float
    test: dict[str, Any] | None
    predictions: str | None = None
    failure: tuple[str, str] | None = None
    stopped_at: int | None = None
    gpus: tuple[str, ...] = ("gpu:0",)
    power_w: float = 250.0
    more: dict[str, Any] = field(default_factory=dict)


class _Clock:
    def __init__(self, seconds: float):
        self.t, self.cpu = round(seconds * 1e9), 0

    def tick(self, seconds: float, cpu_share: float = 1.1) -> None:
        self.t += round(seconds * 1e9)
        self.cpu += round(seconds * cpu_share * 1e9)


def trial_of(
    network: str, mode: str, epochs: int, seed: int = 0, data: dict | None = None, **settings
) -> Trial:
    """A trial of a suite on four kinds of trials."""
    content = {
        "data": {"source": "bccd", "digest": "d" * 64, **(data or {})},
        "network": network,
        "options": {},
        "weights": {"name": "imagenet" if mode != "scratch" else "none", "sha256": None},
        "seed": seed,
        "image_size": 224,
        "mode": mode,
        "epochs": epochs,
        "batch_size": 16,
        "optimizer": {"name": "RMSprop", "learning_rate": 1e-5, "decay": 1e-3, "epsilon": 1e-7},
        "protocol": "corrected",
        "preprocessing": "network",
        "loss": "categorical_crossentropy",
        "clock": "wall",
        "replicas": 1,
        **settings,
    }
    return Trial.of(network, msgspec.convert(content, Settings), a_runtime(), {})


def write_attempt(
    results: SuiteResults,
    trial: Trial,
    course: Course,
    *,
    number: int = 1,
    seed: int = 0,
    data_folder: Path | None = None,
    telemetry: bool = False,
    over: bool = True,
) -> Attempt:
    """Write the journals of an attempt, and its record if it is over.

    Args:
        results: Where to.
        trial: Which trial.
        course: How it goes.
        number: Of the attempt.
        seed: Of the noise on the curves.
        data_folder: Where its images lie.
        telemetry: Write `telemetry.jsonl`.
        over: False: the attempt is under way.
    """
    attempt = Attempt(results.trials / trial.id / f"attempt-{number}")
    attempt.folder.mkdir(parents=True)
    content = trial.to_json()
    folder = str(data_folder) if data_folder else "/nowhere"
    content["specification"] = {"data_folder": folder, "manifest": f"{folder}/manifest.json"}
    (attempt.folder / "trial.json").write_text(json.dumps(content))
    edges = _write_events(attempt, trial, course, seed)
    _write_runner(attempt, course, edges, over)
    if course.predictions is not None:
        attempt.predictions.write_text(course.predictions)
    if telemetry:
        _write_telemetry(attempt, course, edges, seed)
    if over:
        record = msgspec.structs.replace(fold(attempt), **course.more)
        attempt.result.write_text(json.dumps(record_to_json(record), indent=1))
    return attempt


def curves(course: Course, epochs: int, seed: int) -> dict[str, np.ndarray]:
    """Loss and accuracy of every epoch, with noise and, rarely, a spike."""
    draw = np.random.default_rng(seed)
    epoch = np.arange(1, epochs + 1)
    learnt = 1 - np.exp(-epoch / course.pace)
    noise = draw.normal(0, 0.012, (4, epochs))
    spikes = (draw.random(epochs) < 0.004) * draw.exponential(0.6, epochs)
    accuracy = 0.25 + (min(1.0, course.accuracy + 0.015) - 0.25) * learnt
    validation = 0.25 + (course.accuracy - 0.25) * learnt
    loss = 1.386 * (1 - learnt) + 0.02 + 0.3 * (1 - course.accuracy)
    drift = 0.06 * np.log1p(epoch / 1000)
    return {
        "accuracy": np.clip(accuracy + noise[0], 0, 1),
        "loss": np.abs(loss + noise[1] * 2 + spikes * 0.2) + 1e-3,
        "validation_accuracy": np.clip(validation + noise[2] * 1.5, 0, 1),
        "validation_loss": np.abs(loss * 1.15 + 0.03 + drift + noise[3] * 3 + spikes) + 1e-3,
    }


def _write_events(attempt: Attempt, trial: Trial, course: Course, seed: int) -> dict[str, tuple[int, int]]:
    """The worker's journal; phase -> its begin and end, in nanoseconds."""
    clock, lines, edges = _Clock(1000.0 + seed % 1000), [], {}
    epochs = trial.settings.epochs

    def say(event: str, **content) -> None:
        lines.append(json.dumps({"t": clock.t, "cpu": clock.cpu, "event": event, **content}))

    figures = {
        "data": {"train_images": 4394, "validation_images": 440, "test_images": 440},
        "build": {"parameters": 20_000_000, "trainable_parameters": 5_000_000},
        "features": {"images": 5274},
        "train": {
            "images": 4394 * epochs,
            "steps": 275 * epochs,
            "validation_s": 0.1 * course.seconds["train"],
        },
        "evaluate": {"model_bytes": 80_000_000, "inference_s": 0.004, "inference_batch_size": 16},
    }
    environment = {
        "python": "3.12.8",
        "kernel": "6.12",
        "cores": 16,
        "backend": "tensorflow",
        "keras": "3.15.1",
    }
    environment |= {"tensorflow": "2.21.0", "cuda": "12.9", "cudnn": "9.3", "gpus": [RUNTIME["device"]]}
    for phase, seconds in course.seconds.items():
        began = clock.t
        say("phase_started", phase=phase)
        if phase == "startup":
            say("environment", environment=environment)
        if phase == "train":
            last = _write_epochs(say, clock, course, epochs, seconds, seed)
            if last < epochs:
                edges[phase] = began, clock.t
                if course.failure:
                    say("failed", kind=course.failure[0], message=course.failure[1])
                break
        elif phase == "teardown":
            edges[phase] = began, clock.t + round(seconds * 1e9)
            break
        else:
            clock.tick(seconds)
        if phase == "evaluate" and course.test is not None:
            say("evaluated", metrics=course.test, evaluations={})
        say("phase_ended", phase=phase, figures=figures.get(phase, {}))
        edges[phase] = began, clock.t
    attempt.events.write_text("\n".join(lines) + "\n")
    return edges


def _write_epochs(say, clock: _Clock, course: Course, epochs: int, seconds: float, seed: int) -> int:
    last = epochs if course.stopped_at is None else course.stopped_at
    values = curves(course, epochs, seed)
    for epoch in range(last):
        clock.tick(seconds / epochs)
        metrics = {name: float(f"{of[epoch]:.9g}") for name, of in values.items()}
        say("epoch", epoch=epoch + 1, metrics=metrics, validation_s=0.1 * seconds / epochs)
    return last


def _write_runner(attempt: Attempt, course: Course, edges: dict, over: bool) -> None:
    began, end = min(begin for begin, _ in edges.values()), max(end for _, end in edges.values())
    slot = {
        "name": course.gpus[0],
        "kind": "gpu",
        "model": RUNTIME["device"],
        "uuids": ["GPU-0"],
        "cores": [0, 1],
    }
    at = (START + timedelta(seconds=began / 1e9)).isoformat(timespec="milliseconds")
    events = [{"t": began, "cpu": 0, "event": "started", "pid": 1, "at": at, "slot": slot}]
    if over:
        code = 1 if course.failure else 0
        cpu = (end - began) / 1e9 * 1.1
        events.append({"t": end, "cpu": 0, "event": "ended", "exit_code": code, "cpu_s": cpu, "stopped": {}})
    attempt.runner_events.write_text("".join(json.dumps(event) + "\n" for event in events))


def _write_telemetry(attempt: Attempt, course: Course, edges: dict[str, tuple[int, int]], seed: int) -> None:
    """What the sampler writes: a header, samples, an end."""
    draw = np.random.default_rng(seed)
    gauges = ["cpu_percent", "rss_bytes", "machine_cpu"]
    gauges += [
        f"{name}/{one}" for name in course.gpus for one in ("gpu_utilization", "gpu_memory_bytes", "power_w")
    ]
    header = {"event": "header", "version": 1, "interval_s": 0.1, "cores": {"slot": 2, "machine": 16}}
    header |= {"gpus": list(course.gpus), "counters": ["cpu_s"], "gauges": gauges, "unavailable": {}}
    lines = [header]
    cpu = 0.0
    for phase, (begin, end) in edges.items():
        count = int(min(900, max(2, (end - begin) / 1e8)))
        for t in np.linspace(begin, end, count):
            busy = {"train": 0.9, "features": 0.8, "compile": 0.5, "evaluate": 0.6}.get(phase, 0.0)
            wave = busy * (0.85 + 0.15 * math.sin(t / 3e9)) + draw.normal(0, 0.02) * (busy > 0)
            memory = 9.5e9 if busy else 0.4e9
            cpu += (end - begin) / 1e9 / count
            values = [120.0 + draw.normal(0, 15), 3.1e9, 0.14]
            for _ in course.gpus:
                values += [float(np.clip(wave, 0, 1)), memory, 60 + course.power_w * max(0.0, wave)]
            lines.append(
                {"t": int(t), "n": 1, "c": [round(cpu, 3)], "g": [float(f"{one:.6g}") for one in values]}
            )
    lines.append({"event": "end", "t": int(t), "cpu_s": 1.0})
    text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
    (attempt.folder / "telemetry.jsonl").write_text(text + "\n")
