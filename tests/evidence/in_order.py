"""What the verdict makes of recorded pairs, in the order in which they ran.

`python tests/evidence/in_order.py [FILE ...]` prints a table for each file of recorded pairs. A comparison begins at
some pair and takes those that follow on the same occasion, twenty at most. Whether pairs that were marked as
disturbed are left out is chosen on the first half of every occasion; the second half is reported. A comparison
never leaves its half, and comparisons that begin at neighboring pairs share most of them.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "src"), str(HERE.parent)]

from evidence.judging import figures_of  # noqa: E402

from bench.compare.betting import least_pairs  # noqa: E402
from bench.compare.speed import JudgedTrial, judge_speed  # noqa: E402
from bench.compare.thresholds import Thresholds  # noqa: E402
from bench.compare.verdict import Memory, Speed  # noqa: E402

KEPT = sorted(one for one in (HERE / "pairs").glob("*.json") if one.stem != "disturbed")

MOST = 20
"""Pairs of a comparison."""

LEAST = least_pairs(Thresholds().bar("speed", 1))
"""Fewer can show nothing."""

RULES = ("all pairs", "marked ones left out")

HALVES = ("first", "second")


@dataclass
class Count:
    """What comparisons said."""

    comparisons: int = 0
    slower: int = 0
    faster: int = 0
    larger: int = 0
    smaller: int = 0

    def add(self, judged: JudgedTrial) -> None:
        """Count a verdict."""
        self.comparisons += 1
        self.slower += judged.speed is Speed.SLOWER
        self.faster += judged.speed is Speed.FASTER
        self.larger += judged.memory is Memory.LARGER
        self.smaller += judged.memory is Memory.SMALLER

    @property
    def alarms(self) -> int:
        """Changes that were claimed, of any kind."""
        return self.slower + self.faster + self.larger + self.smaller


def comparisons(pairs: Sequence[dict], rule: str) -> Iterator[list[dict]]:
    """Those that a half of an occasion has room for."""
    counted = [pair for pair in pairs if rule == RULES[0] or not pair["disturbed"]]
    for start in range(len(counted) - LEAST + 1):
        yield counted[start : start + MOST]


def halves(pairs: Sequence[dict]) -> Iterator[tuple[str, list[dict]]]:
    """Both halves of each occasion."""
    for occasion in dict.fromkeys(pair.get("occasion", 1) for pair in pairs):
        own = [pair for pair in pairs if pair.get("occasion", 1) == occasion]
        yield HALVES[0], own[: len(own) // 2]
        yield HALVES[1], own[len(own) // 2 :]


def oriented(kind: str, pair: dict) -> dict:
    """A pair with the sides as they were drawn.

    Older files call the run that came first the baseline in every pair of A against A, whatever `first` says.
    """
    if kind == "aa" and "occasion" not in pair and pair["first"] == "candidate":
        return {**pair, "baseline": pair["candidate"], "candidate": pair["baseline"]}
    return pair


def counts(content: Sequence[dict]) -> dict[tuple[str, str, str, str], Count]:
    """Trial, kind, half and rule -> what comparisons said, each trial judged alone."""
    found: dict[tuple[str, str, str, str], Count] = {}
    for one in content:
        pairs = [oriented(one["kind"], pair) for pair in one["pairs"]]
        for half, own in halves(pairs):
            for rule in RULES:
                count = found.setdefault((one["label"], one["kind"], half, rule), Count())
                for compared in comparisons(own, rule):
                    judged = judge_speed({"a": figures_of(compared)}, Thresholds(), with_intervals=False)
                    count.add(judged["a"])
    return found


def chosen(found: dict[tuple[str, str, str, str], Count]) -> str:
    """The rule that finds more planted steps in the first halves, among those with fewest false alarms there."""

    def of(kind: str, rule: str) -> list[Count]:
        return [one for (_, *key), one in found.items() if key == [kind, HALVES[0], rule]]

    def merit(rule: str) -> tuple[float, float]:
        alarms = sum(one.alarms for one in of("aa", rule))
        return -alarms, sum(one.slower / max(1, one.comparisons) for one in of("slow10", rule))

    return max(RULES, key=merit)


def table(content: Sequence[dict]) -> str:
    """As Markdown."""
    found = counts(content)
    rule = chosen(found)
    lines = [
        f"Chosen on the first halves: {rule}.",
        "",
        "| trial | pairs of A and | half | rule | comparisons | slower | faster | larger | smaller |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (label, kind, half, by), one in found.items():
        if one.comparisons and (half == HALVES[0] or by == rule):
            what = "A" if kind == "aa" else kind
            lines.append(
                f"| {label} | {what} | {half} | {by} | {one.comparisons} "
                f"| {one.slower} | {one.faster} | {one.larger} | {one.smaller} |"
            )
    judged = {key[:2] for key, one in found.items() if one.comparisons}
    short = [
        f"{label} {kind}"
        for label, kind in dict.fromkeys(key[:2] for key in found)
        if (label, kind) not in judged
    ]
    if short:
        lines += ["", f"Too few pairs for a comparison, which takes {LEAST}: {', '.join(short)}."]
    return "\n".join(lines)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", default=KEPT)
    for file in parser.parse_args().files:
        content = json.loads(file.read_text())
        notes = {one["note"] for one in content if one.get("note")}
        print(f"\n{file.stem}{''.join(f' ({note})' for note in sorted(notes))}\n")
        print(table(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
