"""Two sides, from where they are kept to the verdict: read, match, judge."""

from dataclasses import replace
from pathlib import Path

from bench.compare import baseline as baselines
from bench.compare.judging import judge
from bench.compare.matching import match, shared_runs
from bench.compare.reading import (
    BASELINE,
    MLFLOW,
    Side,
    matching,
    read_experiment,
    read_folder,
    read_saved,
    suite_folder,
)
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict


def compare_sides(
    a: str,
    b: str,
    results: Path,
    thresholds: Thresholds,
    only: str | None = None,
    looks: Path | None = None,
) -> Verdict:
    """Judge side B against side A.

    Args:
        a: See `read_side`.
        b: Likewise.
        results: The results folder.
        thresholds: What to judge by.
        only: Only trials whose name matches this pattern; None: all.
        looks: Folder that counts the looks at these sides; None: this is the first one.

    Raises:
        InputError: A side cannot be read, or has nothing to compare.
    """
    sides = [
        replace(side, measurements=matching(side.measurements, only, side.name))
        for side in (read_side(where, results) for where in (a, b))
    ]
    if any(side.machine for side in sides):
        # Where the records look as if they came from this machine, they did.
        sides = [
            side if side.machine else replace(side, machine=baselines.machine_of(side.measurements))
            for side in sides
        ]
    warnings = dict.fromkeys(warning for side in sides for warning in side.warnings)
    notes = filter(None, [shared_runs(*sides), *warnings])
    return judge(match(*sides), thresholds, baseline=a, candidate=b, notes=notes, looks=looks)


def read_side(where: str, results: Path) -> Side:
    """Read one side of a comparison.

    Args:
        where: A folder (results of a suite, a results folder with a single suite, a saved baseline),
            `baseline:NAME`, or `mlflow:EXPERIMENT`.
        results: The results folder that has the baselines and the files downloaded from MLflow.

    Raises:
        InputError: There is nothing to compare.
    """
    if where.startswith(MLFLOW):
        return read_experiment(where, results)
    if where.startswith(BASELINE):
        folder = baselines.find(results, where.removeprefix(BASELINE)).folder
    else:
        folder = suite_folder(Path(where))
    side = read_folder(folder, where)
    saved = read_saved(folder)
    return side if saved is None else replace(side, machine=saved.machine)
