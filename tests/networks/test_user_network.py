"""A network of the user's own, from a suite to its results."""

import json
import subprocess
from pathlib import Path

import pytest
from command import REPOSITORY, UNWATCHED, Bench

from bench.runner.scheduler import LINGER_S

MODULE = """
import threading

import keras
from keras import layers

def tiny(input_shape, classes, width):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(width, 3, 2, activation="relu")(inputs)
    x = layers.Conv2D(width, 3, 2, activation="relu")(x)
    if classes is not None:
        x = layers.Dense(classes, "softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)

def logits(input_shape, classes):
    return keras.Sequential([layers.Input(input_shape), layers.Flatten(), layers.Dense(classes or 2)])

def busy(input_shape, classes):
    threading.Thread(target=threading.Event().wait).start()
    return tiny(input_shape, classes, 4)

def scale(pixels):
    return pixels / 64 - 2
"""

SUITE = """
[suite]
name = "own"

[data]
source = "synthetic"
image_size = 32
train_images_per_class = 3
validation_images_per_class = 1
test_images_per_class = 2

[training]
weights = "random"
epochs = 1

[[matrix]]
mode = ["transfer", "scratch"]
backbone = { name = "Tiny", build = "own.networks:tiny", preprocess = "own.networks:scale", width = 4 }

[[matrix]]
mode = "scratch"
backbone = [{ build = "own.networks:logits" }, { build = "own.networks:busy" }]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "own").mkdir()
    (folder / "own" / "networks.py").write_text(MODULE)
    (folder / "suite.toml").write_text(SUITE + UNWATCHED)
    bench = Bench(folder)
    done = subprocess.run(
        bench.command("run", folder / "suite.toml"),
        cwd=folder,
        env=bench.environment(PYTHONPATH=f"{REPOSITORY}:{REPOSITORY / 'src'}"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return folder, done


def records(folder: Path) -> dict[tuple[str, str], dict]:
    paths = (folder / "results" / "own" / "trials").glob("*/attempt-*/result.json")
    found = [json.loads(path.read_text()) for path in paths]
    return {(one["trial"]["network"], one["trial"]["settings"]["mode"]): one for one in found}


def test_runs_in_both_modes(ran):
    folder, done = ran
    by_trial = records(folder)
    for mode in ("transfer", "scratch"):
        record = by_trial["Tiny-width4", mode]
        assert record["status"] == "done", (record["failure"], done.stderr)
        assert record["test"]["images"] == 8
        assert set(record["trial"]["settings"]["sources"]) == {"own.networks"}
    assert "Tiny-width4" in done.stdout


def test_a_model_that_is_no_classifier_fails_as_setup_with_a_sentence(ran):
    folder, done = ran
    assert done.returncode == 3, done.stderr
    failure = records(folder)["logits", "scratch"]["failure"]
    assert failure["kind"] == "setup"
    assert (
        "own.networks:logits((32, 32, 3), 4) returned a model whose output is not probabilities"
        in (failure["message"])
    )


def test_a_thread_that_goes_on_costs_a_few_seconds_and_no_result(ran):
    folder, _ = ran
    record = records(folder)["busy", "scratch"]
    assert record["status"] == "done"
    assert record["attempt"] == 1
    assert "a thread that goes on" in record["note"]
    assert record["phases"]["teardown"]["wall_s"] < LINGER_S
    assert record["time_to_result"]["wall_s"] > 0
