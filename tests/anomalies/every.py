"""`make anomalies`: every call that changes a file fails once, somewhere in the run of a small suite.

Points are drawn with a seed; LEUKOBENCH_ANOMALIES says how many (1,000), LEUKOBENCH_ANOMALIES_MINUTES how long. What
was tried is kept in build/anomalies, and the next start goes on where the last one was stopped. The runs themselves are
in memory, where a sync takes no time.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from equipment.faults.forked import Forked
from equipment.faults.points import (
    CALLS,
    ERRORS,
    STARTS,
    Bed,
    Point,
    all_points,
    build,
    counted,
    unsafe_renames,
)

FOLDER = Path(__file__).resolve().parents[2] / "build" / "anomalies"
WANTED = int(os.environ.get("LEUKOBENCH_ANOMALIES", "1000"))
SEED = int(os.environ.get("LEUKOBENCH_ANOMALIES_SEED", "1"))
MINUTES = float(os.environ.get("LEUKOBENCH_ANOMALIES_MINUTES", "inf"))
AT_ONCE = int(os.environ.get("LEUKOBENCH_ANOMALIES_JOBS", "2"))


def table(tried: list[dict]) -> str:
    """How many points of each kind were tried, in Markdown."""
    counts = Counter((Point(*one["point"]).call, Point(*one["point"]).error) for one in tried)
    roles = Counter((Point(*one["point"]).call, Point(*one["point"]).role) for one in tried)
    lines = [
        f"| call | {' | '.join(ERRORS)} | points | by role | losses |",
        "| --- " * (len(ERRORS) + 4) + "|",
    ]
    for call in CALLS:
        every = [one for one in tried if Point(*one["point"]).call == call]
        shown = ", ".join(f"{role} {count}" for (name, role), count in sorted(roles.items()) if name == call)
        cells = [
            *(counts[call, error] for error in ERRORS),
            len(every),
            shown,
            sum(bool(one["found"]) for one in every),
        ]
        lines.append(f"| {call} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> int:
    """Try the points that are not tried yet; print the counts.

    Returns:
        1 if anything was lost.
    """
    stop_at = time.monotonic() + 60 * MINUTES
    FOLDER.mkdir(parents=True, exist_ok=True)
    library, journal = build(FOLDER), FOLDER / f"tried-{SEED}.jsonl"
    beds: SimpleQueue[Bed] = SimpleQueue()
    made, taking = [], Lock()
    memory = Path("/dev/shm")
    room = tempfile.TemporaryDirectory(
        prefix="anomalies-", dir=memory if os.access(memory, os.W_OK) else FOLDER
    )
    for number in range(AT_ONCE):
        folder = Path(room.name) / str(number)
        made.append(Bed(folder, Forked(library, folder)))
        beds.put(made[-1])
    counts, unsafe, expected = {}, [], {}
    for start in STARTS:
        made[0].begin(start)
        undisturbed = made[0].run(shim=True)
        assert undisturbed.returncode == 0, undisturbed.stderr
        calls = made[0].calls()
        expected = made[0].state()
        assert not (found := made[0].losses(expected)), found
        unsafe += unsafe_renames(calls)
        counts |= counted(start, calls)
        print(
            f"{start}: {len(calls)} calls; renames that a loss of power would undo: {len(unsafe)}",
            *unsafe,
            sep="\n  ",
        )
    lines = journal.read_text().splitlines() if journal.exists() else []
    before = {tuple(one["point"]): one for one in map(json.loads, lines)}
    again = [Point(*known) for known, one in before.items() if one["found"]]  # mended meanwhile?
    points = chain(again, (point for point in all_points(counts, SEED) if tuple(point) not in before))

    def count() -> int:
        return sum(one["found"] == [] for one in before.values())

    def work(file) -> None:
        bed = beds.get()
        while time.monotonic() < stop_at and count() < WANTED:
            with taking:
                point = next(points, None)
            if point is None:
                return
            began = time.monotonic()
            found = bed.tried(point, expected)
            one = {"point": list(point), "found": found, "s": round(time.monotonic() - began, 1)}
            before[tuple(point)] = one
            file.write(json.dumps(one) + "\n")
            file.flush()
            if found:
                print(*point, *found, sep="\n  ", flush=True)

    with journal.open("a") as file, ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(work, file) for _ in range(AT_ONCE)]:
            done.result()
    for bed in made:
        bed.forked.close()
    room.cleanup()
    tried = [one for one in before.values() if one["found"] is not None]
    print(table(tried))
    lost = sum(bool(one["found"]) for one in tried)
    print(f"{len(tried)} points, {lost} with a loss or an unclear end; seed {SEED}")
    return int(bool(lost or unsafe))


if __name__ == "__main__":
    sys.exit(main())
