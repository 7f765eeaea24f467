"""`make benchmark`: is leukobench as fast as the machine allows? Writes results/benchmark.md.

Each pair runs both sides one after the other, and the next pair the other way round. Finished pairs are kept in
results/benchmark/, so an interrupted run goes on where it stopped. An idle machine is needed.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from benchmarks.comparisons import SIZE, Comparison, Place, Rights, comparisons, timed  # noqa: E402
from benchmarks.page import page, row  # noqa: E402

from bench.devices.machine import find_machine  # noqa: E402
from bench.trials.made_by import source_digest  # noqa: E402

RESULTS = REPOSITORY / "results" / "benchmark"
PAGE = REPOSITORY / "results" / "benchmark.md"
SHARED = Path(os.environ.get("LEUKOBENCH_SHARED", REPOSITORY.parent / "shared"))
TRAIN_PER_CLASS = 100


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


def main() -> int:
    """Run the pairs that are missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "only", nargs="*", help="command, loop, scratch, suite, slots-transfer, slots-scratch; all without it"
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
                *(
                    f"{name}: {pairs[-1]['ours'].get(name)}, {pairs[-1]['theirs'].get(name)}"
                    for name in one.beside
                ),
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
