"""Every promise of docs/verdicts.md beside what simulations make of it: `make promises`.

`python tests/evidence/promises.py [--scale 1.0] [--only TEXT]` prints a row for each promise and situation, with the
exact interval of the result (Clopper and Pearson), and ends with 1 where a promise is broken: where the
interval excludes it. A goal is no promise: whether it is met is said, and a miss breaks nothing.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "src"), str(HERE.parent)]

from evidence import promised_histories, promised_learning, promised_speed  # noqa: E402
from evidence.result import Promise, Result, worst_of  # noqa: E402

PROMISES: tuple[Promise, ...] = (
    *promised_speed.PROMISES,
    *promised_learning.PROMISES,
    *promised_histories.PROMISES,
)


def main() -> int:
    """Print the tables; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of simulated comparisons")
    parser.add_argument("--only", default="", help="promises whose function has this in its name")
    wanted = parser.parse_args()
    header = "| promise | situation | promised | result [95 %] | |\n| --- | --- | --- | --- | --- |"
    print(header)
    found: list[Result] = []
    for promise in PROMISES:
        if wanted.only in promise.__name__:
            for result in promise(wanted.scale):
                print(result.row(), flush=True)
                found.append(result)
    print(f"\nThe worst situation of each promise, and all goals:\n\n{header}")
    print("\n".join(result.row() for result in worst_of(found)))
    broken = [result for result in found if not result.kept and not result.goal]
    print(f"\n{len(broken)} promises are broken." if broken else "\nEvery promise is kept.")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
