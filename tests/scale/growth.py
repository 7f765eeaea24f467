"""What more trials, epochs and images cost: `make scale`, which writes results/scale.md. 1 where a cost grows faster.

Costs are seconds of CPU of a command and all its processes, so what else runs here hardly shows. A cost grows faster
where the last step costs more than half as much again for each trial, epoch or image as the step before it.
ARGS='trials epochs' for some of it; `search` compares images with each other and takes long.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(REPOSITORY / "src")]

from equipment.results.journals import Course, trial_of, write_attempt  # noqa: E402
from equipment.suites import FEW_CELLS  # noqa: E402

from bench.devices.machine import find_machine  # noqa: E402
from bench.journal.results import SuiteResults  # noqa: E402
from bench.records.fold import finish  # noqa: E402
from bench.suite.resolve import resolve_suite  # noqa: E402

PAGE = REPOSITORY / "results" / "scale.md"
STEEPEST = 1.5
"""One more may cost so many times more among many than among few."""

NOISE_S = 0.1
"""By so much CPU times of one command differ."""

MOST_SEARCH_S, MOST_SEARCH_BYTES = 300.0, 2e9
"""What the search for near-duplicates may take at the largest count."""

SECONDS = {
    "startup": 4.0,
    "data": 1.0,
    "build": 2.0,
    "compile": 2.0,
    "train": 50.0,
    "evaluate": 1.0,
    "teardown": 1.0,
}
TEST = {"images": 4, "accuracy": 0.5, "loss": 1.0, "balanced_accuracy": 0.5, "per_class_accuracy": {"a": 0.5}}
SUITE = (
    FEW_CELLS
    + """
[suite]
name = "many"
seeds = {seeds}
[training]
weights = "drawn-cells"
epochs = 3
[devices]
use = "cpu"
[[matrix]]
backbone = "LeNet5"
"""
)

Cost = tuple[float, float, int]
"""Seconds of CPU, wall seconds, and the most bytes that one process held."""


def command(*words: str, folder: Path) -> Cost:
    """What a command of leukobench costs."""
    began = time.monotonic()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-m", "bench", *words],
        {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}", "HOME": str(folder)},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"bench {' '.join(words)} ended with status {status}")
    return used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss * 1024


def here(work: Callable[[], object]) -> Cost:
    """What a function costs in this process; its memory is not known."""
    began, began_cpu = time.monotonic(), time.process_time()
    work()
    return time.process_time() - began_cpu, time.monotonic() - began, 0


def trials(count: int, folder: Path) -> Iterator[tuple[str, Cost]]:
    """A suite of so many trials: none is done, then all are."""
    suite, results = folder / "suite.toml", folder / "results"
    suite.write_text(SUITE.format(seeds=list(range(count))))
    where = (str(suite), "--results", str(results))
    yield "plan", command("plan", *where, folder=folder)
    course = Course(SECONDS, 0.5, 2.0, TEST, predictions="file\n")
    for trial in resolve_suite(suite, results / "cache").trials:
        write_attempt(SuiteResults(results, "many"), trial, course)
    yield "resume: run where all is done", command("run", "-q", *where, folder=folder)
    yield "report", command("report", "-q", str(results / "many"), folder=folder)


def epochs(count: int, folder: Path) -> Iterator[tuple[str, Cost]]:
    """One trial of so many epochs."""
    results = SuiteResults(folder / "results", "long")
    course = Course(SECONDS, 0.5, count / 3, TEST, predictions="file\n")
    attempt = write_attempt(results, trial_of("VGG16", "transfer", count), course)
    yield "journal: fold it into a record", here(lambda: finish(attempt))
    yield "sync", command("sync", "--results", str(folder / "results"), folder=folder)


def images(count: int, folder: Path) -> Iterator[tuple[str, Cost]]:
    """A folder of so many images, too small to be searched for near-duplicates."""
    source, split = folder / "photographs", folder / "split"
    draw(source, count, side=12)
    yield (
        "prepare",
        command("data", "prepare", "--no-near-duplicates", str(source), str(split), folder=folder),
    )
    yield "manifest and check", command("data", "check", str(split), folder=folder)


def search(count: int, folder: Path) -> Iterator[tuple[str, Cost]]:
    """The same with images that are large enough."""
    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        draw(folder / "images" / split, round(share * count), side=64, seed=len(split))
    yield (
        "check with the search for near-duplicates",
        command("data", "check", str(folder / "images"), folder=folder),
    )


def draw(folder: Path, count: int, side: int, seed: int = 0) -> None:
    """Smooth random pictures of two classes."""
    generator = np.random.default_rng(seed)
    for name in "ab":
        (folder / name).mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (side // 4, side // 4, 3), np.uint8))
        place = folder / "ab"[number % 2] / f"{number:06}.png"
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(place, compress_level=1)


COUNTS = {
    trials: (10, 100, 1_000),
    epochs: (100, 1_000, 5_000),
    images: (500, 5_000, 50_000),
    search: (500, 5_000, 50_000),
}


def grows_faster(counts: tuple[int, ...], seconds: list[float]) -> bool:
    """Whether the last step costs more for each one than the step before, by more than `STEEPEST` and noise."""
    few, some, many = counts
    expected = (max(seconds[1] - seconds[0], 0.0) + NOISE_S) * (many - some) / (some - few)
    return seconds[2] - seconds[1] > STEEPEST * expected


def main() -> int:
    """Measure, print and write a line for each cost."""
    asked = sys.argv[1:] or ["trials", "epochs", "images"]
    lines, within = [], True
    for family, counts in COUNTS.items():
        if family.__name__ not in asked:
            continue
        found: dict[str, list[Cost]] = {}
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                for name, cost in family(count, Path(folder)):
                    found.setdefault(name, []).append(cost)
                    print(
                        f"{count:6,} {family.__name__}, {name}: {cost[0]:.2f} s of CPU, {cost[1]:.2f} s",
                        flush=True,
                    )
        for name, costs in found.items():
            seconds = [cost[0] for cost in costs]
            held = max(cost[2] for cost in costs)
            if family is search:
                quick, small = costs[-1][1] <= MOST_SEARCH_S, held <= MOST_SEARCH_BYTES
                good = quick and small
                verdict = (
                    f"{MOST_SEARCH_S / 60:g} minutes: {'met' if quick else 'missed'}; "
                    f"{MOST_SEARCH_BYTES / 1e9:g} GB: {'met' if small else 'missed'}"
                )
            else:
                good = not grows_faster(counts, seconds)
                verdict = "not faster than linear" if good else "faster than linear"
            within &= good
            shown = " / ".join(f"{one:,}" for one in counts)
            spent = " / ".join(f"{one:.2f}" for one in seconds)
            lines.append(
                f"| {shown} {family.__name__} | {name} | {spent} | {costs[-1][1]:.1f} "
                f"| {f'{held / 1e6:,.0f}' if held else ''} | {verdict} |"
            )
    table = [
        "| | what | s of CPU | s by the wall, at most | MB, at most | growth |",
        "| --- | --- | --- | --- | --- | --- |",
        *lines,
    ]
    about = __doc__.split("\n\n")[1].strip()
    where = f"Made by `make scale` on {len(os.sched_getaffinity(0))} cores: {find_machine().processor}."
    head = ["# What more trials, epochs and images cost", "", about, "", where, ""]
    PAGE.write_text("\n".join([*head, *table]) + "\n")
    print("\n".join(table), f"Written: {PAGE}", sep="\n")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
