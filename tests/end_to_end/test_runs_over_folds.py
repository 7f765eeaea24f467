"""Folds of a user's folder with patients, tested on another folder as well, in real processes."""

import csv
from pathlib import Path

from command import UNWATCHED, Bench

from wbc.data.synthetic import SyntheticSettings, generate

SUITE = """
[suite]
name = "folds"

[data]
path = "{own}"
test_path = "{other}"
folds = 2
group = "^(P[0-9]+)_"
image_size = 32

[[matrix]]
mode = "classical"
backbone = "DecisionTree"
"""


def patients(root: Path, seed: int, count: int) -> Path:
    """Cells of patients, each with one of every class; the names say which."""
    (root.parent / "drawn").mkdir(exist_ok=True)
    manifest = generate(root.parent / "drawn", SyntheticSettings(count - 2, 1, 1, 32, seed))
    number = dict.fromkeys(manifest.classes, 0)
    for image in manifest.images:
        number[image.class_name] += 1
        path = root / image.class_name / f"P{seed}{number[image.class_name]}_{image.class_name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (root.parent / "drawn" / image.file).rename(path)
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_patient_is_tested_once_and_every_fold_elsewhere(tmp_path: Path):
    own, other = patients(tmp_path / "own", 1, 6), patients(tmp_path / "other", 2, 3)
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE.format(own=own, other=other) + UNWATCHED)
    bench = Bench(tmp_path)
    ran = bench("run", suite)
    assert ran.returncode == 0, ran.stderr
    attempts = sorted((bench.results / "folds" / "trials").glob("*/attempt-1"))
    assert len(attempts) == 2
    tested = [row for attempt in attempts for row in rows(attempt / "predictions.csv")]
    assert sorted(row["file"] for row in tested) == sorted(
        path.relative_to(own).as_posix() for path in own.rglob("*.png")
    )
    sources = [{row["source"] for row in rows(attempt / "predictions.csv")} for attempt in attempts]
    assert not sources[0] & sources[1] and {f"P1{n}" for n in range(1, 7)} == sources[0] | sources[1]
    for attempt in attempts:
        assert {row["file"] for row in rows(attempt / "external.csv")} == {
            path.relative_to(other).as_posix() for path in other.rglob("*.png")
        }
    (table,) = rows(bench.results / "folds" / "report" / "tables" / "external-test.csv")
    shares = []
    for attempt in attempts:
        found = rows(attempt / "external.csv")
        classes = sorted({row["true"] for row in found})
        own_rows = [[row for row in found if row["true"] == name] for name in classes]
        shares.append(
            sum(sum(r["predicted"] == r["true"] for r in of) / len(of) for of in own_rows) / len(classes)
        )
    assert abs(float(table["external_balanced_accuracy"]) - sum(shares) / 2) < 1e-9
    again = bench("run", suite)
    assert again.returncode == 0 and "2 done before" in again.stdout + again.stderr
