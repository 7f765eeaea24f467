"""How long `bench report` takes over 1,000, 3,000 and 10,000 recorded trials: `make scale`.

Not a test of `make test`: writing the records takes longer than reading them.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(REPOSITORY / "src")]

from equipment.results.suites import many_trials  # noqa: E402

COUNTS = (1_000, 3_000, 10_000)
MOST_S, MOST_BYTES = 20.0, 1e9
STEEPEST = 1.5
"""A trial may cost so many times more among many than among few."""


def measure(folder: Path) -> tuple[float, float, int]:
    """Wall and CPU seconds of a report in a process of its own, and the most memory that it held."""
    began = time.monotonic()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "bench", "report", "-q", str(folder)],
        {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"bench report ended with status {status}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def main() -> int:
    """Print a line a count; 1 where it took too long, too much memory, or grew faster than the trials."""
    costs, within = [], True
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as root:
            results, _ = many_trials(Path(root), count)
            wall, cpu, held = measure(results.folder)
            page = (results.report / "report.html").stat().st_size
        costs.append(cpu)
        within &= wall < MOST_S and held < MOST_BYTES
        print(
            f"{count:6,} trials: {wall:5.1f} s ({cpu:.1f} s of CPU), {held / 1e6:4.0f} MB, "
            f"{1000 * wall / count:.2f} ms a trial; report.html {page / 1e6:.1f} MB",
            flush=True,
        )
    # Of CPU time, whatever else runs here; what a report costs with hardly a trial is left out.
    slopes = [(costs[i + 1] - costs[i]) / (COUNTS[i + 1] - COUNTS[i]) for i in range(len(COUNTS) - 1)]
    print("ms of CPU a trial more: " + ", ".join(f"{1000 * slope:.2f}" for slope in slopes))
    linear = slopes[1] < STEEPEST * slopes[0]
    print("within bounds" if within and linear else "too slow, too large or not linear")
    return 0 if within and linear else 1


if __name__ == "__main__":
    sys.exit(main())
