"""How often runs on a quiet machine are marked as disturbed, and by which sign.

`python tests/evidence/marks.py FOLDER...` reads every result under folders of results that were made while nothing
else ran, for example those of live.py. The best of the reference work is the best of each folder.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evidence.result import Result

DROPS = (0.05, 0.1, 0.15, 0.2, 0.25)


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    runs, signs, dropped, measured = 0, Counter(), Counter(), 0
    for folder in parser.parse_args().folders:
        records = [json.loads(path.read_text()) for path in sorted(folder.rglob("result.json"))]
        runs += len(records)
        signs.update(" ".join(said.split()[:2]) for one in records for said in one.get("disturbed") or ())
        reached = [better for one in records if (better := better_of(one.get("reference_work") or {}))]
        measured += len(reached)
        dropped.update({drop: sum(work < (1 - drop) * max(reached) for work in reached) for drop in DROPS})
    print(f"{runs} runs; marked: {dict(signs)}")
    for drop in DROPS:
        print(f"reference work {drop:.0%} slower before and after: {share(dropped[drop], measured)}")


def better_of(work: dict) -> float | None:
    """The better of both times, GFLOP/s; None unless both are known."""
    both = work.get("before_gflops"), work.get("after_gflops")
    return max(both) if all(both) else None


def share(count: int, of: int) -> str:
    """With the exact 95 % interval (Clopper and Pearson)."""
    low, high = Result("", "", count, of).interval
    return f"{count} of {of}, {count / max(1, of):.1%} [{low:.1%}, {high:.1%}]"


if __name__ == "__main__":
    main()
