"""Versions that take as long as a test says: everything of `regress --versions` but the processes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from comparison_equipment import add, record

from bench.errors import InterruptedRun
from bench.regress import side_request
from bench.regress.pair_runner import PairRunner
from bench.regress.pairs import Run
from bench.regress.sides import Side

SUITE = """
[suite]
name = "small"

[data]
source = "synthetic"
image_size = 32
train_images_per_class = 2
validation_images_per_class = 1
test_images_per_class = 4

[training]
weights = "random"
epochs = 1

[[matrix]]
mode = "scratch"
backbone = "LeNet5"

[telemetry]
enabled = false
reference_work = false
"""
RIGHT = [True] * 16


@dataclass
class Script:
    """What the runs of each version take, and when a signal comes."""

    seconds: dict[str, float | None]
    """Name of an interpreter -> seconds of its trials; None: they fail."""
    noise: float = 0.02
    stop_at: int | None = None
    """Number of the run in which a signal comes."""
    ran: list[str] = field(default_factory=list)
    """Names of the interpreters whose runs are over."""

    def install(self, monkeypatch) -> None:
        """Put it in the place of processes."""
        script = self

        def run_one(runner: PairRunner, name, trial, expected=None, limits=None) -> Run:
            planned = runner.planned(name, trial, expected)
            version = runner.sides[name].interpreter.name
            if len(script.ran) == script.stop_at:
                script.stop_at = None
                raise InterruptedRun(2)
            script.ran.append(version)
            # The same in whatever order the sides of a pair run, which is drawn by the paths of a test.
            generator = np.random.default_rng([*version.encode(), script.ran.count(version)])
            typical, noise = script.seconds[version], float(np.exp(generator.normal(0, script.noise)))
            number = len(script.ran)
            content = record(
                planned.trial,
                (typical or 0.0) * noise,
                None if typical else ("crashed", "exit code 3"),
                slot=runner.slot.description(),
                started_at=f"2026-01-02T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000+00:00",
            )
            attempt = add(runner.results[name], planned.trial, content, RIGHT if typical else None)
            return Run(name, planned.trial.id, attempt.number)

        def inspect(name, label, interpreter: Path, code, modules=()) -> Side:
            number = interpreter.name.removeprefix("python") or "0"
            packages = {
                "tensorflow": f"2.{number}.0",
                "keras": "3.10.0",
                "numpy": "1.26" if number < "18" else "2.1",
            }
            return Side(name, label, interpreter, code, "3.11.7", packages)

        monkeypatch.setattr(PairRunner, "run_one", run_one)
        monkeypatch.setattr(PairRunner, "takes_turns", False)
        monkeypatch.setattr(side_request, "inspect", inspect)


def interpreters(folder: Path, names) -> list[str]:
    """Files that may be executed, in place of interpreters."""
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return list(map(str, paths))
