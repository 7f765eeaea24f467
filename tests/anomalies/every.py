"""`make anomalies`: every call that changes a file fails once, somewhere in the run of a small suite.

Points are drawn with a seed; LEUKOBENCH_ANOMALIES says how many (1,000). The list of what was tried is kept in
build/anomalies, and the next start goes on where the last one was stopped.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from equipment.faults.points import Bed, Point, all_points, build, counted, unsafe_renames

FOLDER = Path(__file__).resolve().parents[2] / "build" / "anomalies"
WANTED = int(os.environ.get("LEUKOBENCH_ANOMALIES", "1000"))
SEED = int(os.environ.get("LEUKOBENCH_ANOMALIES_SEED", "1"))


def tried(point: Point, library: Path, expected: dict[str, str]) -> list[str]:
    """What goes wrong at a point."""
    folder = FOLDER / "bed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    bed = Bed(folder, library)
    try:
        found = bed.problems(bed.run(point.aim), point)
        again = bed.run()
    except subprocess.TimeoutExpired:
        return ["no end"]
    if again.returncode != 0:
        found.append(f"then exit code {again.returncode}: {(again.stderr or again.stdout)[-600:]}")
    return found + bed.losses(expected)


def main() -> int:
    """Try the points that are not tried yet; print the counts.

    Returns:
        1 if anything was lost.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    library, journal = build(FOLDER), FOLDER / f"tried-{SEED}.jsonl"
    shutil.rmtree(FOLDER / "bed", ignore_errors=True)
    (FOLDER / "bed").mkdir()
    bed = Bed(FOLDER / "bed", library)
    undisturbed = bed.run(shim=True)
    assert undisturbed.returncode == 0, undisturbed.stderr
    calls, expected = bed.calls(), bed.state()
    unsafe = unsafe_renames(calls)
    print(f"{len(calls)} calls; renames that a loss of power would undo: {len(unsafe)}", *unsafe, sep="\n  ")
    before = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    known = {tuple(one["point"][:3]) for one in before}
    left = WANTED - len(before)
    points = (point for point in all_points(counted(calls), SEED) if point[:3] not in known)
    with journal.open("a") as file:
        for point in islice(points, max(0, left)):
            found = tried(point, library, expected)
            before.append({"point": list(point), "found": found})
            file.write(json.dumps(before[-1]) + "\n")
            file.flush()
            if found:
                print(*point, *found, sep="\n  ", flush=True)
    for place, name in ((0, "role"), (1, "call"), (3, "error")):
        counts = Counter(one["point"][place] for one in before)
        print(f"by {name}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    lost = sum(bool(one["found"]) for one in before)
    print(f"{len(before)} points, {lost} with a loss or an unclear end")
    return int(bool(lost or unsafe))


if __name__ == "__main__":
    sys.exit(main())
