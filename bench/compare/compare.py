"""Two sides, from where they are kept to the verdict."""

from dataclasses import replace
from pathlib import Path

from bench.compare.baseline import folder_of, machine_of
from bench.compare.experiment import read_experiment
from bench.compare.judge import judge
from bench.compare.matching import match
from bench.compare.reading import BASELINE, MLFLOW, Side, machine_noted, read_folder, suite_folder
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import InputError
from bench.plan.decide import matches


def read_side(where: str, results: Path) -> Side:
    """Read one side of a comparison.

    Args:
        where: A folder (a suite's results, a results folder with a single suite, a baseline),
            `baseline:NAME`, or `mlflow:EXPERIMENT`.
        results: The results folder that has the baselines, and where MLflow's files are kept meanwhile.

    Raises:
        InputError: There is nothing to compare.
    """
    if where.startswith(MLFLOW):
        return read_experiment(where, results)
    if where.startswith(BASELINE):
        folder = folder_of(results, where.removeprefix(BASELINE))
    else:
        folder = suite_folder(Path(where))
    return Side(where, read_folder(folder), machine_noted(folder))


def compare_sides(a: str, b: str, results: Path, thresholds: Thresholds, only: str | None = None) -> Verdict:
    """Judge side B against side A.

    Args:
        a: See `read_side`.
        b: Likewise.
        results: The results folder.
        thresholds: What to go by.
        only: A pattern for the names of trials; None for all.

    Raises:
        InputError: A side cannot be read or has nothing to compare.
    """
    sides = [_only(read_side(where, results), only) for where in (a, b)]
    if any(side.machine for side in sides):
        sides = [_placed(side) for side in sides]
    return judge(match(*sides), thresholds, baseline=a, candidate=b)


def _only(side: Side, pattern: str | None) -> Side:
    """The trials of a side that match a pattern."""
    chosen = tuple(one for one in side.measurements if pattern is None or matches(one.label, pattern))
    if not chosen:
        raise InputError(
            f"no trial of {side.name} matches --only {pattern}", f"The first is {side.measurements[0].label}."
        )
    return replace(side, measurements=chosen)


def _placed(side: Side) -> Side:
    """With this machine's fingerprint, where its records look as if they came from here."""
    return side if side.machine else replace(side, machine=machine_of(side.measurements))
