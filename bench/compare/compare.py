"""Two sides, from where they are kept to the verdict."""

from pathlib import Path

from bench.compare.baseline import folder_of, machine_of
from bench.compare.experiment import read_experiment
from bench.compare.judge import judge
from bench.compare.matching import match
from bench.compare.reading import BASELINE, MLFLOW, Side, machine_noted, read_folder, suite_folder
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict


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


def compare_sides(a: str, b: str, results: Path, thresholds: Thresholds) -> Verdict:
    """Judge side B against side A.

    Args:
        a: See `read_side`.
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
