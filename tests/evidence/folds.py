"""Means and intervals over folds, computed again from predictions alone, beside those of the report.

    leukobench run tests/evidence/folds.toml --data BCCD --weights WEIGHTS --results RESULTS
    python tests/evidence/folds.py RESULTS/folds

Imports nothing of the project. It ends with 1 where a source is tested twice, or where a figure differs.
"""

import csv
import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

from scipy.stats import t

Rows = list[dict[str, str]]


def rows_of(path: Path) -> Rows:
    """A CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def balanced_accuracy(rows: Rows) -> float:
    """Mean over classes of the share of their images that are right."""
    images, right = Counter(row["true"] for row in rows), Counter[str]()
    for row in rows:
        right[row["true"]] += row["true"] == row["predicted"]
    return sum(right[name] / count for name, count in images.items()) / len(images)


def corrected_interval(shares: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval by the corrected resampled t (Nadeau and Bengio 2003).

    Of k folds, one is tested, and four fifths of the others train: the variance of the mean is
    s^2 (1 / k + tested / trained), with tested / trained = 1 / (0.8 (k - 1)).
    """
    k = len(shares)
    mean = sum(shares) / k
    variance = sum((share - mean) ** 2 for share in shares) / (k - 1)
    half = float(t.ppf(0.975, k - 1)) * math.sqrt(variance * (1 / k + 1 / (0.8 * (k - 1))))
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def main(suite: Path) -> int:
    """Print a row for each configuration; 1 where something does not agree."""
    folds: dict[str, dict[int, Rows]] = defaultdict(dict)
    asked: dict[str, int] = {}
    for attempt in sorted((suite / "trials").glob("*/attempt-*")):
        if not (attempt / "predictions.csv").is_file():
            continue
        trial = json.loads((attempt / "trial.json").read_text())
        name = f"{trial['network']}, {trial['settings']['mode']}"
        data = trial["settings"]["data"]
        folds[name][data["fold"]] = rows_of(attempt / "predictions.csv")
        asked[name] = data["folds"]
    report = {
        f"{row['network']}, {row['mode']}": row for row in rows_of(suite / "report/tables/replicates.csv")
    }
    wrong = 0
    print("| | cells | sources | balanced % of each fold | mean % | 95 % | report |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, of_fold in folds.items():
        if len(of_fold) < asked[name]:
            print(f"{name}: {len(of_fold)} of {asked[name]} folds are done", file=sys.stderr)
            wrong += 1
            continue
        tested = Counter(source for rows in of_fold.values() for source in {row["source"] for row in rows})
        files = Counter(row["file"].rsplit("/", 1)[1] for rows in of_fold.values() for row in rows)
        shares = [balanced_accuracy(of_fold[number]) for number in sorted(of_fold)]
        mean, low, high = corrected_interval(shares)
        columns = ("balanced_accuracy", "balanced_accuracy_t95_low", "balanced_accuracy_t95_high")
        same = all(
            abs(float(report[name][column]) - value) < 1e-9
            for column, value in zip(columns, (mean, low, high), strict=True)
        )
        once = set(tested.values()) == {1} == set(files.values())
        wrong += not (same and once)
        each = ", ".join(f"{100 * share:.1f}" for share in shares)
        print(
            f"| {name} | {len(files)} | {len(tested)}{'' if once else ', SOME TESTED TWICE'} | {each} | "
            f"{100 * mean:.1f} | {100 * low:.1f} to {100 * high:.1f} | {'the same' if same else 'DIFFERS'} |"
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
