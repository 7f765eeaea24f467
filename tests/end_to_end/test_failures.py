"""Cells that fail are rows with a reason; the others go on."""

import json
from pathlib import Path

import h5py
from conftest import Bench, tiny_suite


def test_each_failure_is_a_row_and_the_others_are_done(bench: Bench, tmp_path: Path):
    wrong = tmp_path / "wrong.weights.h5"
    with h5py.File(wrong, "w") as file:
        file["nothing"] = [1.0]
    suite = tmp_path / "mixed.toml"
    suite.write_text(
        f"""
[data]
image_size = 32
train_images_per_class = 4
validation_images_per_class = 1
test_images_per_class = 2

[[matrix]]
mode = "transfer"
backbone = "LeNet5"
weights = "random"
epochs = 3
optimizer = {{ name = "SGD", learning_rate = 1e30, decay = 0 }}

[[matrix]]
mode = "transfer"
backbone = "LeNet5"
weights = "{wrong}"
epochs = 1

[[matrix]]
mode = "scratch"
backbone = "LeNet5"
epochs = 1
"""
    )
    done = bench("run", suite)
    assert done.returncode == 3, done.stdout + done.stderr
    paths = bench.results.glob("mixed/cells/*/attempt-1/result.json")
    outcomes = {}
    for path in paths:
        record = json.loads(path.read_text())
        kind = record["failure"]["kind"] if record["failure"] else None
        outcomes[record["cell"]["settings"]["weights"]["name"]] = (record["status"], kind)
    assert outcomes == {
        "random": ("failed", "nan-loss"),
        "wrong.weights.h5": ("failed", "setup"),
        "none": ("done", None),
    }
    markdown = (bench.results / "mixed" / "report" / "tables" / "cells.md").read_text()
    assert "nan-loss: the loss is" in markdown
    assert "wrong.weights.h5 does not fit" in " ".join(markdown.split())
    assert "Traceback" not in done.stdout + done.stderr


def test_a_dead_tracking_server_does_not_fail_the_suite(bench: Bench, tmp_path: Path):
    suite = tiny_suite(tmp_path, epochs="1", modes='"scratch"')
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = bench("run", suite, **nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("MLflow cannot be written to") == 1

    later = bench("run", suite)
    assert "1 done before" in later.stdout
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{bench.results / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert run.info.status == "FINISHED"
