"""`make benchmark`: is leukobench as fast as the machine allows? Writes results/benchmark.md.

Each pair runs both sides one after the other, and the next pair the other way round. Finished pairs are kept in
results/benchmark/, so an interrupted run goes on where it stopped. An idle machine is needed.
"""

import argparse
import csv
import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "src")]

from bench.compare.discordance import Clusters  # noqa: E402
from bench.devices.machine import find_machine  # noqa: E402
from bench.journal.results import SuiteResults  # noqa: E402
from bench.records.steady import LEAST, median_interval  # noqa: E402
from bench.trials.made_by import source_digest  # noqa: E402

RESULTS = REPOSITORY / "results" / "benchmark"
PAGE = REPOSITORY / "results" / "benchmark.md"
SHARED = Path(os.environ.get("LEUKOBENCH_SHARED", REPOSITORY.parent / "shared"))
SIZE, BATCH = 224, 16
TRAIN_PER_CLASS = 100

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
            with attempt.predictions.open(newline="") as file:
                for row in csv.DictReader(file):
                    key = f"{record.trial.settings.epochs} {seed} {row['file'].removeprefix('test/')}"
                    right[key] = row["true"] == row["predicted"]
        return measured, right

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
    fit = Trials("transfer", (asked.loop_epochs,))
    compiled = Trials("transfer", (asked.loop_epochs,), more=in_graph)
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
        ),
        Comparison(
            "loop",
            compiled.by_leukobench,
            fit.by_leukobench,
            (Metric("step_s", 'a step of the head, `loop = "compiled"` and `"fit"`', "s", 2.8),),
            f"The head of MobileNet alpha 0.5 (25,088 features), batch {BATCH}, {asked.loop_epochs} epochs, both by "
            "leukobench.",
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
            f"`leukobench run` on {asked.devices} with shared features and epochs and "
            '`loop = "compiled"`, and the script once for each '
            "trial.",
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


def prepare(shared: Path) -> Place:
    """BCCD at 224 pixels, split once; the same files for both sides."""
    images, work = RESULTS / f"bccd-{SIZE}", RESULTS / "work"
    if not images.is_dir():
        command = [sys.executable, "-P", "-m", "bench", "data", "prepare", str(shared / "data" / "bccd")]
        timed([*command, str(images), f"--image-size={SIZE}", "--per-class", f"--train={TRAIN_PER_CLASS}"])
    return Place(images, shared / "weights", work)


def run_pair(comparison: Comparison, number: int, place: Place) -> dict[str, object]:
    """Both sides, in an order that alternates."""
    sides = {"ours": comparison.ours, "theirs": comparison.theirs}
    order = list(sides) if number % 2 == 0 else list(reversed(sides))
    pair: dict[str, object] = {"first": order[0], "at": datetime.now(UTC).isoformat(timespec="seconds")}
    pair["load"] = round(os.getloadavg()[0], 2)
    rights: dict[str, Rights] = {}
    for side in order:
        shutil.rmtree(place.work, ignore_errors=True)
        place.work.mkdir(parents=True)
        measured, rights[side] = sides[side](place)
        pair[side] = {name: round(value, 6) for name, value in measured.items()}
    shutil.rmtree(place.work)
    both = rights["ours"].keys() & rights["theirs"].keys()
    assert len(both) == len(rights["ours"]) == len(rights["theirs"]), "the sides tested other images"
    pair["better"] = {key: int(rights["ours"][key]) - int(rights["theirs"][key]) for key in sorted(both)}
    return pair


def row(metric: Metric, pairs: list[dict]) -> str:
    """A line of the table."""
    found = sorted(metric.speedup(pair["ours"], pair["theirs"]) for pair in pairs)
    median = statistics.median(found)
    if len(found) >= LEAST:
        low, high = median_interval(found)
        interval = f"{low:.2f} – {high:.2f}"
    else:
        interval = f"{found[0]:.2f} – {found[-1]:.2f} (range)"
    ours, theirs = (
        statistics.median(pair[side][metric.name] for pair in pairs) for side in ("ours", "theirs")
    )
    verdict = "met" if median >= metric.target else "missed"
    scale, unit = (1000, "ms") if metric.unit == "s" and theirs < 1 else (1, metric.unit)
    return (
        f"| {metric.title} | {scale * ours:.4g} {unit} | {scale * theirs:.4g} {unit} | {median:.2f} | {interval} "
        f"| {len(pairs)} | ≥ {metric.target:g} | {verdict} |"
    )


def accuracy(pairs: list[dict]) -> str:
    """The difference of test accuracies, paired by image."""
    better = [(key.split(" ", 2)[2], value) for pair in pairs for key, value in pair["better"].items()]
    clusters = Clusters.of(np.array([value for _, value in better], float), [file for file, _ in better])
    mean, error = 100 * clusters.mean, 196 * clusters.error()
    interval = f"[{mean - error:+.1f}, {mean + error:+.1f}]"
    return (
        f"Test accuracy, leukobench less script, paired by image: {mean:+.1f} points {interval}. The initial weights "
        "of the heads differ; what other seeds would make of that is not in the interval."
    )


def page(found: list[tuple[Comparison, list[dict]]], machine: dict[str, str]) -> str:
    """The whole page."""
    lines = [
        "# Leukobench beside plain Keras",
        "",
        "Made by `make benchmark`. How many times as fast: the median over pairs, with its 95 % interval (the range "
        f"with fewer than {LEAST} pairs). The script is `tests/benchmarks/by_hand.py`.",
        "",
        *(f"- {name}: {value}" for name, value in machine.items()),
        "",
        "| what | leukobench | opponent | times as fast | interval | pairs | target | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(row(metric, pairs) for one, pairs in found if pairs for metric in one.metrics),
    ]
    for one, pairs in found:
        lines += ["", f"## {one.name}", "", one.what]
        if not pairs:
            lines += ["", "Not run."]
            continue
        names = [metric.name for metric in one.metrics]
        if "wall_s" in names:
            lines += ["", accuracy(pairs)]
        columns = [f"{side} {name}" for name in names for side in ("ours", "theirs")]
        lines += [
            "",
            f"| pair | first | load before | {' | '.join(columns)} |",
            "| --- " * (3 + len(columns)) + "|",
        ]
        for number, pair in enumerate(pairs, 1):
            values = [f"{pair[side][name]:.4g}" for name in names for side in ("ours", "theirs")]
            lines.append(f"| {number} | {pair['first']} | {pair['load']} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the pairs that are missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "only", nargs="*", help="command, loop, scratch, suite, slots-transfer, slots-scratch; all"
    )
    parser.add_argument("--pairs", type=int, default=7, help="of each comparison (7)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no pair after so many minutes")
    parser.add_argument("--command-epochs", type=int, default=30)
    parser.add_argument("--loop-epochs", type=int, default=30)
    parser.add_argument("--scratch-epochs", type=int, default=4)
    parser.add_argument("--suite-epochs", type=int, nargs="+", default=[100, 300])
    parser.add_argument(
        "--devices", default="cpu", help="of the suite: cpu, or cpu:2 for two trials at a time"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of the suite (3)")
    asked = parser.parse_args()
    all_of_them = comparisons(asked)
    if unknown := set(asked.only) - {one.name for one in all_of_them}:
        parser.error(f"there is no comparison {', '.join(sorted(unknown))}")
    if not (SHARED / "data" / "bccd").is_dir():
        sys.exit(f"no images: LEUKOBENCH_SHARED names {SHARED}, which has no data/bccd")
    RESULTS.mkdir(parents=True, exist_ok=True)
    machine = facts()
    stop, found = time.monotonic() + 60 * asked.minutes, []
    place = prepare(SHARED)
    for one in all_of_them:
        # Pairs of other code, versions, machines or sizes do not mix.
        key = hashlib.sha256(json.dumps([machine, one.what, one.name]).encode()).hexdigest()[:12]
        file = RESULTS / f"{one.name}-{key}.jsonl"
        pairs = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        found.append((one, pairs))
        while one.name in (asked.only or [one.name]) and len(pairs) < asked.pairs and time.monotonic() < stop:
            pairs.append(run_pair(one, len(pairs), place))
            with file.open("a") as kept:
                kept.write(json.dumps(pairs[-1]) + "\n")
            print(
                f"{one.name}, pair {len(pairs)} of {asked.pairs}",
                *(row(m, pairs) for m in one.metrics),
                sep="\n",
            )
            PAGE.write_text(page(found, machine))
    PAGE.write_text(page(found, machine))
    print(f"Written: {PAGE}")
    return 0


def facts() -> dict[str, str]:
    """What the figures hold for."""
    packages = ("tensorflow-cpu", "tensorflow", "keras", "numpy")
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "machine": str(find_machine().processor),
        "cores": str(len(os.sched_getaffinity(0))),
        "versions": ", ".join([f"Python {sys.version.split()[0]}", *versions]),
        "code of wbc": source_digest()[:12],
    }


if __name__ == "__main__":
    sys.exit(main())
