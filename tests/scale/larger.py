"""Transfer learning over more pixels and features than memory should hold: `make larger`.

Draws images with the generator, in parallel, then trains twice in processes of their own: with pixels and features in
memory, and with both in files. Prints the images a second of both and the most memory. 1 where files are slower than
nine tenths of memory, or take more than 4 GB beside what the backbone takes. ARGS='6000' for fewer than 60,000.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "src")]

from wbc.data.manifest import Manifest  # noqa: E402
from wbc.data.synthetic import SyntheticSettings, generate  # noqa: E402
from wbc.observer import Observer  # noqa: E402
from wbc.specification import FeatureCache, Specification  # noqa: E402

WORK = REPOSITORY / "build" / "larger"
COUNT, SIZE, PART = 60_000, 224, 30
"""Images in all, their side, and how many of a class one process draws at once."""

MOST_DRAWN = 6_000
"""Drawing takes longer than training: beyond it images are read again under another source."""

EPOCHS, BATCH = 2, 64
MOST_BYTES = 4e9
LEAST_SHARE = 0.9
_WARM_UP = 500
"""Images of the run that shows what backbone and framework take."""


def draw_part(number: int) -> list[dict]:
    """Some images of each class, with a seed of their own; those of the last parts are for validation and test."""
    folder = WORK / "images" / f"part-{number:05}"
    if not (folder / "manifest.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        generate(folder, SyntheticSettings(PART, 1, 1, SIZE, data_seed=number)).write(folder)
    entries = Manifest.read(folder).images
    return [
        vars(replace(one, file=f"{folder.name}/{one.file}", source=f"{number}-{one.source}"))
        for one in entries
    ]


def draw(count: int) -> Path:
    """The manifest of so many images."""
    from wbc.data import CELL_CLASSES
    from wbc.data.manifest import ImageEntry

    parts = -(-min(count, MOST_DRAWN) // (len(CELL_CLASSES) * (PART + 2)))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        drawn = [ImageEntry(**one) for part in pool.map(draw_part, range(parts)) for one in part]
    images = [
        replace(one, source=f"{again}-{one.source}")
        for again in range(-(-count // len(drawn)))
        for one in drawn
    ][:count]
    order = {"train": 0, "validation": 1, "test": 2}
    images.sort(key=lambda one: (order[one.split], one.file))
    folder = WORK / f"{count}"
    folder.mkdir(exist_ok=True)
    Manifest(tuple(images), CELL_CLASSES, {"source": "synthetic"}).write(folder)
    return folder / "manifest.json"


class Notes(Observer):
    """Remembers the figures and the seconds of phases, and the most memory at each end."""

    def __init__(self):
        self.found, self.began = {}, {}

    def phase_started(self, phase):
        """A phase begins."""
        self.began[phase] = time.monotonic()

    def phase_ended(self, phase, **figures):
        """A phase is over."""
        numbers = {name: value for name, value in figures.items() if isinstance(value, int | float)}
        self.found[phase] = {**numbers, "wall_s": time.monotonic() - self.began[phase], **memory()}


def memory() -> dict[str, int]:
    """Bytes of this process: the most that was resident, and what of that is its own now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) * 1024 for name in ("VmHWM", "RssAnon")}


def train(manifest: Path, in_files: bool) -> None:
    """One experiment; prints what it took."""
    from wbc import experiment

    cache = FeatureCache(WORK / "cache", 10**12, pixels=True) if in_files else None
    specification = Specification(
        WORK / "images",
        manifest,
        SIZE,
        "MobileNet",
        "transfer",
        EPOCHS,
        "network",
        {"alpha": 0.25},
        batch_size=BATCH,
        feature_cache=cache,
    )
    notes = Notes()
    experiment.run(specification, notes)
    print(json.dumps(notes.found))


def measured(manifest: Path, in_files: bool) -> dict[str, dict[str, float]]:
    """`train` in a process of its own."""
    words = [sys.executable, __file__, "train", str(manifest), "files" if in_files else "memory"]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def rates(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Images a second of extraction and of training."""
    features, fitted = found["features"], found["train"]
    return {
        "extraction": features["images"] / features.get("extraction_s", features["wall_s"]),
        "training": fitted["images"] / (fitted["steps_s"] + fitted["data_wait_s"]),
    }


def main() -> int:
    """Draw, train and compare."""
    if sys.argv[1:2] == ["train"]:
        train(Path(sys.argv[2]), sys.argv[3] == "files")
        return 0
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    WORK.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(WORK / "cache", ignore_errors=True)
    began = time.monotonic()
    few, all_of_them = draw(_WARM_UP), draw(count)
    print(f"{count:,} images of {SIZE} pixels, drawn in {time.monotonic() - began:.0f} s", flush=True)
    backbone = max(phase["VmHWM"] for phase in measured(few, in_files=True).values())
    files, in_memory = measured(all_of_them, in_files=True), measured(all_of_them, in_files=False)
    shutil.rmtree(WORK / "cache")
    within = True
    for name, here in rates(files).items():
        there = rates(in_memory)[name]
        within &= here >= LEAST_SHARE * there
        print(f"{name}: {here:,.0f} images/s from files, {there:,.0f} from memory: {here / there:.2f}")
    for name, found in (("files", files), ("memory", in_memory)):
        peak = max(phase["VmHWM"] for phase in found.values())
        own = max(phase["RssAnon"] for phase in found.values())
        print(
            f"{name}: at most {peak / 1e9:.2f} GB resident, {(peak - backbone) / 1e9:.2f} GB beside framework and "
            f"backbone ({backbone / 1e9:.2f} GB); {own / 1e9:.2f} GB its own at the end of a phase"
        )
        within &= name == "memory" or peak - backbone <= MOST_BYTES
    print("within bounds" if within else "slower or larger than it should be")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
