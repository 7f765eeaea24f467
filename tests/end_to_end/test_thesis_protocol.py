"""The protocol of 2018 in real processes: Keras reports what it did then, and both evaluations are kept."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command import TINY, UNWATCHED, Bench


def test_binary_accuracy_and_both_evaluations_are_reported_and_can_be_worked_out_again(
    bench: Bench, tmp_path: Path
):
    suite = tmp_path / "tiny.toml"
    settings = TINY.split("[training]")[0].format()
    training = '[training]\nmode = "scratch"\nepochs = 1\nprotocol = "thesis-2018"\n'
    suite.write_text(settings + training + '[[matrix]]\nbackbone = "LeNet5"\n' + UNWATCHED)
    done = bench("run", suite)
    assert done.returncode == 0, done.stdout + done.stderr
    (attempt,) = (bench.results / "tiny" / "trials").glob("*/attempt-1")
    record = json.loads((attempt / "result.json").read_text())
    last = record["last_epoch"]
    assert last["validation_binary_accuracy"] > last["validation_accuracy"]
    assert {"binary_accuracy", "accuracy"} <= set(last)

    with (attempt / "predictions.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    with (attempt / "shuffled.csv").open(newline="") as file:
        pairs = [(row["file"], row["shown"]) for row in csv.DictReader(file)]
    shuffled = np.mean([rows[file]["true"] == rows[shown]["predicted"] for file, shown in pairs])
    aligned = np.mean([row["true"] == row["predicted"] for row in rows.values()])
    assert record["test"]["accuracy"] == pytest.approx(shuffled)
    assert record["evaluations"]["aligned"]["accuracy"] == pytest.approx(aligned)
    names = record["test"]["classes"]
    sides = [
        (float(row[f"p_{name}"]) > 0.5) == (row["true"] == name) for row in rows.values() for name in names
    ]
    assert record["evaluations"]["aligned"]["binary_accuracy"] == pytest.approx(np.mean(sides))
    table = (bench.results / "tiny" / "report" / "tables" / "trials.md").read_text()
    for heading in ("aligned %", "shuffled %", "binary %", "process"):
        assert heading in table
