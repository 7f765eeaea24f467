"""Record pairs of runs to judge the judging by: A against A, and against A with a planted change. `make evidence`.

`python tests/evidence/record.py WORK [--minutes 120] [--suite FILE] [--note TEXT]` runs rounds of all trials until
the time is over, and writes pairs/<suite>.json anew. It goes on where it was stopped. A start that is an hour or
more after the last pair begins another occasion. WORK keeps the raw results, which are not committed.
"""

import argparse
import sys
import time
from collections import Counter
from itertools import count
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from evidence.recording import (  # noqa: E402
    Recorder,
    append,
    figures_of_run,
    label_of,
    lines_of,
    recorder,
    signals_of,
)

from bench.trials.trial import Trial  # noqa: E402
from bench.worker.files import write_json  # noqa: E402

PLANTED: dict[str, dict[str, float]] = {
    "slow10": {"slower": 0.10},
    "input": {"input": 0.01},
    "memory": {"memory": 150},
}
"""Kind -> the change: steps that take a tenth longer, 10 ms of work more for each batch, 150 MB more."""

APART_S = 3600.0
"""A pause of this length begins another occasion."""


def main() -> int:
    """Record and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--suite", type=Path, default=HERE / "evidence.toml")
    parser.add_argument("--note", default="", help="what the machine was like, for the file")
    wanted = parser.parse_args()
    until = time.monotonic() + 60 * wanted.minutes
    name = wanted.suite.stem
    journal = wanted.work / f"{name}.jsonl"
    with recorder(wanted.suite, wanted.work) as recording:
        there = lines_of(journal)
        occasion = next_occasion(there, time.time())
        done = Counter((one["label"], one["kind"]) for one in there)
        for number in count(min((done[label_of(trial), "aa"] for trial in recording.trials), default=0)):
            for trial in recording.trials:
                if done[label_of(trial), "aa"] > number:
                    continue
                if time.monotonic() > until:
                    export(journal, name, wanted.note)
                    return 0
                kind = list(PLANTED)[number % len(PLANTED)]
                both(recording, trial, kind, number, occasion, journal)
    raise AssertionError("counts without end")


def next_occasion(there: list[dict], now: float) -> int:
    """Number of the occasion that begins or goes on, from 1."""
    if not there:
        return 1
    return there[-1]["occasion"] + (now - there[-1]["at"] >= APART_S)


def both(recording: Recorder, trial: Trial, kind: str, number: int, occasion: int, journal: Path) -> None:
    """Run a pair of A and A and one of A and the changed one, as `regress` runs them."""
    label = label_of(trial)
    for title, change in (("aa", {}), (kind, PLANTED[kind])):
        old, new = recording.pair(trial, number, **change)
        started = [one.record.started_at or "" for one in (old, new)]
        append(
            journal,
            {
                "label": label,
                "kind": title,
                "occasion": occasion,
                "at": round(time.time(), 1),
                "first": "baseline" if started[0] <= started[1] else "candidate",
                "baseline": figures_of_run(old),
                "candidate": figures_of_run(new),
                "disturbed": [
                    f"{side}: {reason}"
                    for side, one in (("baseline", old), ("candidate", new))
                    for reason in one.record.disturbed
                ],
                "signals": {"baseline": signals_of(old.record), "candidate": signals_of(new.record)},
            },
        )


def export(journal: Path, name: str, note: str) -> None:
    """Write the pairs in the order in which they ran, by trial and kind."""
    kinds: dict[tuple[str, str], list[dict]] = {}
    for one in lines_of(journal):
        pair = {key: value for key, value in one.items() if key not in ("label", "kind")}
        kinds.setdefault((one["label"], one["kind"]), []).append(pair)
    content = [
        {"label": label, "kind": kind, "note": note, "pairs": pairs} for (label, kind), pairs in kinds.items()
    ]
    path = HERE / "pairs" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, content)
    numbers = ", ".join(f"{len(pairs)} {label} {kind}" for (label, kind), pairs in kinds.items())
    print(f"{path}: {numbers}")


if __name__ == "__main__":
    sys.exit(main())
