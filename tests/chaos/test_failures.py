"""Trials that fail are rows with a reason; the others go on."""

import json
import subprocess
from collections import defaultdict
from pathlib import Path

import h5py
from command import KNN, REPOSITORY, UNWATCHED, Bench

BROKEN = {
    "glutton": """
import numpy as np

def build(input_shape, classes):
    kept = []
    while True:
        kept.append(np.empty(2**28, np.uint8))
""",
    "corpse": """
import os
import signal

os.kill(os.getpid(), signal.SIGSEGV)

def build(input_shape, classes):
    pass
""",
    "sleeper": """
import time

def build(input_shape, classes):
    time.sleep(600)
""",
}
"""Networks of the user's own that break their worker: no part of the product has to know of the test."""

ADDRESS_SPACE_KIB = 24_000_000
"""TensorFlow takes a good part of it before anything is built."""

DATA = f"""
[data]
image_size = 32
train_images_per_class = 4
validation_images_per_class = 1
test_images_per_class = 2
{UNWATCHED}"""


def run(bench: Bench, folder: Path, suite: str) -> subprocess.CompletedProcess:
    """Run a suite, with the broken modules where Python finds them, in a bounded address space."""
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_text(text)
    path = folder / "mixed.toml"
    path.write_text(suite)
    environment = bench.environment(PYTHONPATH=f"{folder}:{REPOSITORY}:{REPOSITORY / 'src'}")
    return subprocess.run(
        ["bash", "-c", f'ulimit -v {ADDRESS_SPACE_KIB}; exec "$@"', "bash", *bench.command("run", path)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def outcomes(bench: Bench) -> dict[str, list[tuple[str, str | None]]]:
    """Network -> status and kind of failure of each attempt."""
    found = defaultdict(list)
    for path in sorted(bench.results.glob("mixed/trials/*/attempt-*/result.json")):
        record = json.loads(path.read_text())
        kind = record["failure"]["kind"] if record["failure"] else None
        settings = record["trial"]["settings"]
        found[f"{record['trial']['network']} {settings['weights']['name']}"].append((record["status"], kind))
    return found


def test_each_failure_is_a_row_and_the_others_are_done(bench: Bench, tmp_path: Path):
    wrong = tmp_path / "wrong.weights.h5"
    with h5py.File(wrong, "w") as file:
        file["nothing"] = [1.0]
    suite = f"""
{DATA}
[devices]
use = "cpu:2"

[training]
epochs = 1
weights = "random"

[[matrix]]
mode = "transfer"
backbone = "LeNet5"
epochs = 3
optimizer = {{ name = "SGD", learning_rate = 1e30, learning_rate_decay = 0 }}

[[matrix]]
mode = "transfer"
backbone = "LeNet5"
weights = "{wrong}"

[[matrix]]
mode = "scratch"
backbone = [
  {{ name = "Glutton", build = "glutton:build" }},
  "LeNet5",
]
"""
    done = run(bench, tmp_path, suite)
    assert done.returncode == 3, done.stdout + done.stderr
    found = outcomes(bench)
    assert found["LeNet5 random"] == [("failed", "nan-loss")]
    assert found["LeNet5 wrong.weights.h5"] == [("failed", "setup")]
    assert found["LeNet5 none"] == [("done", None)]
    assert found["Glutton none"] == [("failed", "host-oom")] * 2, "what may pass is tried once more"
    markdown = (bench.results / "mixed" / "report" / "tables" / "trials.md").read_text()
    assert "nan-loss: the loss is" in markdown
    assert "wrong.weights.h5 does not fit" in " ".join(markdown.split())
    assert "Traceback" not in done.stdout + done.stderr


def test_a_worker_that_hangs_is_stopped_and_one_that_dies_is_noticed(bench: Bench, tmp_path: Path):
    suite = f"""
{DATA}
[limits]
stall = "15s"
retries = 0

[devices]
use = "cpu:2"

[[matrix]]
mode = "scratch"
backbone = [
  {{ name = "Sleeper", build = "sleeper:build" }},
  {{ name = "Corpse", build = "corpse:build" }},
]
epochs = 1
"""
    done = run(bench, tmp_path, suite)
    assert done.returncode == 3, done.stdout + done.stderr
    assert outcomes(bench) == {
        "Sleeper none": [("failed", "stalled")],
        "Corpse none": [("failed", "crashed")],
    }
    markdown = (bench.results / "mixed" / "report" / "tables" / "trials.md").read_text()
    assert "killed by signal 11" in markdown
    assert "no event for 15 s" in " ".join(done.stdout.split())


def test_a_dead_tracking_server_does_not_fail_the_suite(tmp_path: Path):
    bench, suite = Bench(tmp_path, recorded=True), tmp_path / "tiny.toml"
    suite.write_text(KNN)
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = bench("run", suite, **nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("MLflow cannot be written to") == 1

    later = bench("run", suite)
    assert "1 done before" in later.stderr
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{bench.results / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"], (
        "the suite's own run and its trial's"
    )
