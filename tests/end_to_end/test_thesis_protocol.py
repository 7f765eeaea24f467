"""The protocol of 2018 in real processes: Keras reports what it did then, and both evaluations are kept."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Bench


def test_a_model_that_has_hardly_begun_has_a_binary_accuracy_of_three_quarters(bench: Bench, tmp_path: Path):
    suite = tmp_path / "tiny.toml"
    settings = TINY.split("[training]")[0].format()
    training = '[training]\nmode = "scratch"\nepochs = 1\nprotocol = "thesis-2018"\n'
    suite.write_text(settings + training + '[[matrix]]\nbackbone = "LeNet5"\n')
    done = bench("run", suite)
    assert done.returncode == 0, done.stdout + done.stderr
    (attempt,) = (bench.results / "tiny" / "cells").glob("*/attempt-1")
    record = json.loads((attempt / "result.json").read_text())
    last = record["last_epoch"]
    assert last["validation_binary_accuracy"] == pytest.approx(0.75, abs=0.01)
    assert last["validation_accuracy"] < 0.7
    assert last["loss"] < 1, "binary cross-entropy of outputs near 1/4 is 0.56, the categorical one 1.39"

    with (attempt / "predictions.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    with (attempt / "shuffled.csv").open(newline="") as file:
        pairs = [(row["file"], row["shown"]) for row in csv.DictReader(file)]
    shuffled = np.mean([rows[file]["true"] == rows[shown]["predicted"] for file, shown in pairs])
    aligned = np.mean([row["true"] == row["predicted"] for row in rows.values()])
    assert record["test"]["accuracy"] == pytest.approx(shuffled)
    assert record["evaluations"]["aligned"]["accuracy"] == pytest.approx(aligned)
    table = (bench.results / "tiny" / "report" / "tables" / "cells.md").read_text()
    for heading in ("aligned %", "shuffled %", "binary %", "process"):
        assert heading in table
