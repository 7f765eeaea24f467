"""What `make benchmark` compares, and how each side runs."""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.devices.machine import choose_slots, find_machine
from bench.journal.events import PeakTold
from bench.journal.results import SuiteResults
from bench.machine.calibration import calibrate
from bench.records.utilization import Device, bandwidth_share

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE, BATCH = 224, 16

Measured = dict[str, float]
"""Name -> seconds, or images a second."""
Rights = dict[str, bool]
"""Trial and test image -> whether the prediction is right."""


@dataclass(frozen=True)
class Metric:
    """What is compared."""

    name: str
    title: str
    unit: str
    target: float
    """How many times as fast leukobench is to be, at least."""
    is_rate: bool = False

    def speedup(self, ours: Measured, theirs: Measured) -> float:
        """Above 1 where leukobench is faster."""
        ratio = ours[self.name] / theirs[self.name]
        return ratio if self.is_rate else 1 / ratio


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same."""

    name: str
    ours: Callable[["Place"], tuple[Measured, Rights]]
    theirs: Callable[["Place"], tuple[Measured, Rights]]
    metrics: tuple[Metric, ...]
    what: str
    """What each side does, in a sentence."""
    accuracies: bool = False
    """Whether to compare those as well: what leukobench and the script have learned."""
    beside: tuple[str, ...] = ()
    """Names of what is shown of each side and not compared; a side may lack it."""


@dataclass(frozen=True)
class Place:
    """Where things are."""

    images: Path
    """Split into train, validation and test."""
    weights: Path
    work: Path
    """Emptied before each side."""


@dataclass(frozen=True)
class Trials:
    """The trials of a suite of one block, and the same as calls of the script."""

    mode: str
    epochs: tuple[int, ...]
    seeds: tuple[int, ...] = (0,)
    alpha: float = 0.5
    devices: str = "cpu"
    more: str = ""
    """Further lines of the suite, in `[training]` to begin with."""
    calibrates: bool = False
    """Whether to measure the memory's bandwidth first: the steps' share of it is `of_bandwidth`."""

    def suite(self, place: Place) -> str:
        """The suite file."""
        return f"""
[suite]
name = "benchmark"
seeds = {list(self.seeds)}
[data]
path = {json.dumps(str(place.images))}
image_size = {SIZE}
[weights]
path = {json.dumps(str(place.weights))}
[training]
batch_size = {BATCH}
optimizer = {{ name = "RMSprop", learning_rate = 1e-5, learning_rate_decay = 1e-3 }}
{self.more}
[[matrix]]
mode = "{self.mode}"
backbone = {{ name = "MobileNet", alpha = {self.alpha} }}
epochs = {list(self.epochs)}
"""

    def by_leukobench(self, place: Place) -> tuple[Measured, Rights]:
        """One `leukobench run` into a new results folder."""
        suite, results = place.work / "suite.toml", place.work / "results"
        suite.write_text(self.suite(place))
        bandwidth = self._bandwidth(results) if self.calibrates else None
        command = [sys.executable, "-P", "-m", "bench", "run", str(suite), "--results", str(results), "-q"]
        seconds, _ = timed([*command, "--devices", self.devices])
        found = SuiteResults(results, "benchmark")
        measured, right = Measured(wall_s=seconds), Rights()
        for trial_id in found.trial_ids():
            latest = found.latest(trial_id)
            assert latest is not None and latest[1].done, f"{trial_id} is not done: see {results}"
            attempt, record = latest
            train, seed = record.phases.train, record.trial.settings.seed
            assert train and train.images and train.steps and train.steps_s is not None and record.fit_time
            stepping = train.steps_s + (train.data_wait_s or 0.0)
            measured |= {
                "fit_s": measured.get("fit_s", 0.0) + record.fit_time.wall_s,
                "images_per_s": train.images / stepping,
                "step_s": stepping / train.steps,
            }
            if bandwidth and record.trial.settings.optimizer:
                # The side before may have kept the machine busy until now. The best of many runs holds all the same.
                device = Device(
                    None, peak=PeakTold(t=0, tensorflow="", rates={}, unavailable={}, bandwidth=bandwidth)
                )
                share, _ = bandwidth_share(
                    record.trial.settings.optimizer, record.work, measured["step_s"], device
                )
                assert share is not None
                measured["of_bandwidth"] = share
            with attempt.predictions.open(newline="") as file:
                for row in csv.DictReader(file):
                    key = f"{record.trial.settings.epochs} {seed} {row['file'].removeprefix('test/')}"
                    right[key] = row["true"] == row["predicted"]
        return measured, right

    def _bandwidth(self, results: Path) -> float | None:
        """Bytes a second of the memory, measured now."""
        machine = find_machine()
        return calibrate(results, machine, choose_slots(self.devices, 1, machine).slots)[0].bandwidth

    def by_hand(self, place: Place) -> tuple[Measured, Rights]:
        """The script, once for each trial."""
        measured, right = Measured(wall_s=0.0, fit_s=0.0), Rights()
        weights = place.weights / f"MobileNet-alpha{self.alpha}.weights.h5"
        for epochs in self.epochs:
            for seed in self.seeds:
                command = [sys.executable, str(Path(__file__).with_name("by_hand.py")), self.mode]
                command += [str(place.images), f"--weights={weights}", f"--alpha={self.alpha}"]
                command += [f"--size={SIZE}", f"--batch-size={BATCH}", f"--epochs={epochs}", f"--seed={seed}"]
                seconds, printed = timed(command)
                said = json.loads(printed.splitlines()[-1])
                measured["wall_s"] += seconds
                measured["fit_s"] += said["fit_s"]
                measured["images_per_s"] = said["images_per_s"]
                right |= {f"{epochs} {seed} {file}": one for file, one in said["right"].items()}
        return measured, right


def comparisons(asked: argparse.Namespace) -> list[Comparison]:
    """Those of the targets, at the sizes that were asked for."""
    seeds = tuple(range(asked.seeds))
    one = Trials("transfer", (asked.command_epochs,))
    in_graph = 'loop = "compiled"'
    shared = f"{in_graph}\n[cache]\nfeatures = true\nshare_prefix = true"
    many = Trials("transfer", tuple(asked.suite_epochs), seeds, devices=asked.devices, more=shared)
    scratch = Trials("scratch", (asked.scratch_epochs,), alpha=0.25)
    fit = Trials("transfer", (asked.loop_epochs,), calibrates=True)
    compiled = Trials("transfer", (asked.loop_epochs,), more=in_graph, calibrates=True)
    epochs = " and ".join(map(str, asked.suite_epochs))
    four = (0, 1, 2, 3)
    by_slots = {
        devices: (
            Trials("transfer", (asked.command_epochs,), four, devices=devices, more=shared),
            Trials("scratch", (asked.scratch_epochs,), four, alpha=0.25, devices=devices),
        )
        for devices in ("cpu:2", "cpu")
    }
    return [
        Comparison(
            "command",
            one.by_leukobench,
            one.by_hand,
            (
                Metric("wall_s", "whole command, one trial of transfer", "s", 1.0),
                Metric("fit_s", "fit of this trial", "s", 1.0),
            ),
            f"MobileNet alpha 0.5, transfer, {asked.command_epochs} epochs: `leukobench run` (`fit`) and the script.",
            accuracies=True,
        ),
        Comparison(
            "loop",
            compiled.by_leukobench,
            fit.by_leukobench,
            (Metric("step_s", 'a step of the head, `loop = "compiled"` and `"fit"`', "s", 2.8),),
            f"The head of MobileNet alpha 0.5 (25,088 features), batch {BATCH}, {asked.loop_epochs} epochs, both by "
            "leukobench. `of_bandwidth` is the share of a step that it would take to read and write the parameters and "
            "what RMSprop keeps once, at the bandwidth that was measured just before.",
            beside=("of_bandwidth",),
        ),
        Comparison(
            "scratch",
            scratch.by_leukobench,
            scratch.by_hand,
            (Metric("images_per_s", "steps of scratch", "images/s", 0.99, is_rate=True),),
            f"MobileNet alpha 0.25 from scratch, {asked.scratch_epochs} epochs: steps without validation, waiting for "
            "batches included, without the first step (the script: without its first epoch).",
        ),
        Comparison(
            "suite",
            many.by_leukobench,
            many.by_hand,
            (Metric("wall_s", f"a suite of {len(seeds) * len(asked.suite_epochs)} trials", "s", 5.0),),
            f"MobileNet alpha 0.5, transfer, {epochs} epochs, {len(seeds)} seed{'s' * (len(seeds) > 1)}: one "
            f'`leukobench run` on {asked.devices} with shared features and epochs and `loop = "compiled"`, and the '
            "script once for each trial.",
            accuracies=True,
        ),
        *(
            Comparison(
                f"slots-{two.mode}",
                two.by_leukobench,
                one.by_leukobench,
                (Metric("wall_s", f"four trials of {two.mode}, `--devices cpu:2` and `cpu`", "s", 1.0),),
                f"Four seeds of MobileNet alpha {two.alpha}, {two.mode}, {two.epochs[0]} epochs: two trials at a time, "
                "each on half of the cores, and one at a time on all of them. Both by leukobench. Where it is met, two "
                "slots are the better choice.",
            )
            for two, one in zip(*by_slots.values(), strict=True)
        ),
    ]


def timed(command: list[str]) -> tuple[float, str]:
    """Wall seconds of a command, and what it prints."""
    began = time.monotonic()
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nended with exit code {done.returncode}:\n{done.stderr[-3000:]}")
    return seconds, done.stdout
