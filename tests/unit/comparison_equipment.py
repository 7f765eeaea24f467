"""TEST EQUIPMENT: results of suites that never ran, for comparisons."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from equipment.results.records import (
    a_failure,
    a_record,
    a_runtime,
    a_trial,
    phases,
    some_metrics,
    times,
    write_record,
)

from bench.compare.judging import judge
from bench.compare.matching import match
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.reading import Side
from bench.compare.verdict import Verdict
from bench.journal.results import Attempt, SuiteResults
from bench.trials.measured import Steady
from bench.trials.origin import Environment, SlotDescription
from bench.trials.phases import TrainPhase
from bench.trials.record import Record, Throughput
from bench.trials.trial import Trial

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE")
SLOT = SlotDescription(name="cpu:0", kind="cpu", model="A processor", cores=(0, 1))


def trial(network: str = "VGG16", *, seed: int = 0, digest: str = "d0", **settings: Any) -> Trial:
    content = {
        "data": {"source": "synthetic", "digest": digest},
        "epochs": 3,
        "seed": seed,
        **settings,
    }
    return a_trial(network, a_runtime(tensorflow="2.20.0", device=SLOT.model), **content)


def record(
    of: Trial, seconds: float = 10.0, failure: tuple[str, str] | None = None, **changes: Any
) -> Record:
    """A record whose training takes so many seconds of its time."""
    done = failure is None
    train = TrainPhase(
        wall_s=seconds,
        cpu_s=2 * seconds,
        images=1000,
        validation_s=0.1 * seconds,
        checkpoint_s=0.0,
    )
    usual = {
        "failure": None if done else a_failure(*failure),
        "started_at": "2026-01-02T03:04:05.000+00:00",
        "slot": SLOT,
        "phases": phases(startup=9.0, compile=1.0, train=train, evaluate=0.5) if done else phases(),
        "fit_time": times(seconds + 1, 2 * seconds + 1) if done else None,
        "time_to_result": times(seconds + 10.5, 2 * seconds + 10.5) if done else None,
        "throughput": Throughput(
            train_images_per_s=1000 / seconds / 0.9 if done else None, feature_images_per_s=None
        ),
        "test": some_metrics(0.9) if done else None,
        "environment": Environment(tensorflow="2.20.0", python="3.11.7"),
    }
    return a_record(of, **{**usual, **changes})


def steady(images_per_s: float, **changes: Any) -> Steady:
    """A steady pace of training."""
    usual = {
        "images_per_s": images_per_s,
        "low": images_per_s,
        "high": images_per_s,
        "step_s": 1 / images_per_s,
        "steps": 10,
        "settled_s": 0.0,
        "settled_step": 0,
        "blocks": 4,
        "data_wait_s": 0.0,
        "data_wait_share": 0.0,
    }
    return Steady(**{**usual, **changes})


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
    results: SuiteResults,
    of: Trial,
    content: Record,
    right: Sequence[bool] | None = None,
    **predictions: Any,
) -> Attempt:
    """An attempt that is over."""
    attempt = results.new_attempt(of)
    write_record(attempt, content)
    if right is not None:
        write_predictions(attempt.predictions, right, **predictions)
    return attempt


def suite(folder: Path, runs: list[tuple[Trial, Sequence[float]]], right=None, **changes: Any) -> Path:
    """Results of a suite: an attempt for every time, all with the same predictions."""
    results = SuiteResults(folder.parent, folder.name)
    for of, seconds in runs:
        for one in seconds:
            add(results, of, record(of, one, **changes), right)
    return folder


def write_epochs(attempt: Attempt, losses: Sequence[float]) -> None:
    """The journal of a training."""
    events = [
        {"t": epoch, "cpu": 0, "event": "epoch", "epoch": epoch, "metrics": {"loss": loss}, "validation_s": 0}
        for epoch, loss in enumerate(losses, 1)
    ]
    attempt.events.write_text("".join(json.dumps(event) + "\n" for event in events))


def measurement(of: Trial, content: Record, predictions: Path | None = None) -> Measurement:
    """A measurement of a trial."""
    assert content.trial == of
    return Measurement(content, predictions)


def trial_pairs(
    of: Trial, baseline: Sequence[float], candidate: Sequence[float], **changes: Any
) -> TrialPairs:
    """Pairs by the seconds of their training, without predictions."""
    pairs = [
        Pair(measurement(of, record(of, old)), measurement(of, record(of, new, **changes)))
        for old, new in zip(baseline, candidate, strict=True)
    ]
    return TrialPairs(of.key, "a trial", of.settings, tuple(pairs))


def with_pairs(trial: TrialPairs, pairs: Sequence[Pair]) -> TrialPairs:
    """The same configuration with other pairs."""
    return replace(trial, pairs=tuple(pairs))


def noisy(seconds: float, pairs: int, seed: int, share: float = 0.01) -> list[float]:
    return (seconds * np.exp(np.random.default_rng(seed).normal(0, share, pairs))).tolist()


def predicted(tmp_path, rights, sources=(), sures=None) -> TrialPairs:
    """Pairs with these predictions: a (baseline, candidate) of right images each; times that are the same."""
    of = trial()
    pairs = []
    for number, sides in enumerate(rights):
        both = []
        for side, right in enumerate(sides):
            path = tmp_path / f"{number}-{side}.csv"
            sure = 0.9 if sures is None else sures[side] + 0.001 * number
            write_predictions(path, right, sources, sure)
            both.append(measurement(of, record(of, noisy(10, 1, 2 * number + side, 0.001)[0]), path))
        pairs.append(Pair(*both))
    return TrialPairs(of.key, "a trial", of.settings, tuple(pairs))


def only(verdict):
    (found,) = verdict.trials
    return found


def some_right(images: int, share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(images) < share


def matched(old: Sequence[Measurement], new: Sequence[Measurement]) -> Verdict:
    """The verdict on two sides."""
    return judge(match(Side("old", tuple(old)), Side("new", tuple(new))))
