"""Two sides, from where they are kept to the verdict."""

from pathlib import Path

from bench.compare.baseline import machine_of
from bench.compare.judge import judge
from bench.compare.matching import match
from bench.compare.reading import Side, read_side
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict


def compare_sides(a: str, b: str, results: Path, thresholds: Thresholds) -> Verdict:
    """Judge side B against side A.

    Args:
        a: See `bench.compare.reading.read_side`.
        b: Likewise.
        results: The results folder.
        thresholds: What to go by.

    Raises:
        InputError: A side cannot be read or has nothing to compare.
    """
    sides = [read_side(where, results) for where in (a, b)]
    if any(side.machine for side in sides):
        sides = [_placed(side) for side in sides]
    return judge(match(*sides), thresholds, baseline=a, candidate=b)


def _placed(side: Side) -> Side:
    """With this machine's fingerprint, where its records look as if they came from here."""
    from dataclasses import replace

    return side if side.machine else replace(side, machine=machine_of(side.measurements))
