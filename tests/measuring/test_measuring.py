"""What trials tell of their own time: a pipeline that is slowed on purpose, a traced window, the reference work.

Not in `make test`, where another test runs beside each: `make measuring`.
"""

import json
import subprocess
from pathlib import Path

import pytest
from command import REPOSITORY, Bench

from wbc.observer import APART

STEP_S, BATCH_S = 0.15, 0.25

ATTEMPTS = 3
"""So often it is tried to measure without being disturbed by others."""

NOISE = 0.06
"""So far two shares of time may lie apart whose truth is one: steps of two trials differ by as much as 8 % on a
shared machine that tells of nothing. A share that leaves the waits out is wrong by 0.2 and more."""

MODULE = f"""
import time

import keras
import tensorflow as tf
from keras import layers

class Slow(layers.Layer):
    def call(self, x, training=False):
        if not training:
            return x
        y = tf.py_function(self.wait, [x], x.dtype)
        y.set_shape(x.shape)
        return y

    def wait(self, x):
        time.sleep({STEP_S})
        return x

    def compute_output_shape(self, shape):
        return shape

def tiny(input_shape, classes):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, 4, activation="relu", name="only")(Slow()(inputs))
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization(name="norm")(x))
    return keras.Model(inputs, layers.Dense(classes, "softmax")(x))

def slow(pixels):
    time.sleep({BATCH_S})
    return pixels / 255

def fast(pixels):
    return pixels / 255
"""

SUITE = """
[suite]
name = "own"

[data]
source = "synthetic"
image_size = 64
train_images_per_class = 16
validation_images_per_class = 1
test_images_per_class = 1

[training]
epochs = 3
batch_size = 4

[limits]
checkpoint_epochs = 1

[profile]
steps = 15

[[matrix]]
mode = "scratch"
backbone = [
    { name = "Fast", build = "slowed.networks:tiny", preprocess = "slowed.networks:fast" },
    { name = "Slow", build = "slowed.networks:tiny", preprocess = "slowed.networks:slow" },
]

[[matrix]]
mode = "classical"
backbone = "KNN"
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> dict[str, dict]:
    """Network -> the record of its trial, with the folder of the attempt as `folder`."""
    folder = tmp_path_factory.mktemp("slowed")
    (folder / "slowed").mkdir()
    (folder / "slowed" / "networks.py").write_text(MODULE)
    (folder / "suite.toml").write_text(SUITE)
    bench = Bench(folder)
    for number in range(1, ATTEMPTS + 1):
        records = measured(bench, number)
        if not others(records["Fast"]) + others(records["Slow"]):
            break
    return records


def others(record: dict) -> list[str]:
    """What other processes did to a trial. The steps here sleep: a slower processor means nothing to them."""
    return [reason for reason in record["disturbed"] if not reason.startswith("The reference work")]


def measured(bench: Bench, number: int) -> dict[str, dict]:
    """The records of the trials' attempts of this number."""
    folder = bench.folder
    done = subprocess.run(
        bench.command("run", folder / "suite.toml", "--fresh"),
        cwd=folder,
        env=bench.environment(PYTHONPATH=f"{REPOSITORY}:{REPOSITORY / 'src'}"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    paths = sorted((folder / "results" / "own" / "trials").glob(f"*/attempt-{number}/result.json"))
    records = [{**json.loads(path.read_text()), "folder": path.parent} for path in paths]
    return {record["trial"]["network"]: record for record in records}


def test_a_slowed_pipeline_shows_in_the_timed_window_and_in_the_trace_as_it_is(ran):
    fast, slow = ran["Fast"], ran["Slow"]
    if reasons := others(fast) + others(slow):
        pytest.skip(f"the machine was busy in each of {ATTEMPTS} attempts: {' '.join(reasons)}")
    for record in (fast, slow):
        assert not {"steady", "profile"} & set(record["unavailable"])
    step_s = fast["steady"]["step_s"]
    assert step_s > STEP_S and slow["steady"]["step_s"] > BATCH_S
    # So long the steps take by themselves, so long they took: the rest was waited. After a validation some
    # batches are there already.
    steady = slow["steady"]
    truth = 1 - steady["steps"] * step_s / (steady["data_wait_s"] / steady["data_wait_share"])
    assert 0.2 < truth < 0.45
    assert steady["data_wait_share"] == pytest.approx(truth, abs=NOISE)
    # As many steps of both are traced, and tracing slows both.
    traced = 1 - fast["profile"]["wall_s"] / slow["profile"]["wall_s"]
    assert slow["profile"]["input_stall"] == pytest.approx(traced, abs=NOISE)
    assert fast["steady"]["data_wait_share"] < NOISE
    assert fast["profile"]["input_stall"] < NOISE


def test_the_parts_of_a_trial_and_of_its_training_sum_to_the_whole(ran):
    for record in ran.values():
        runner = [json.loads(line) for line in (record["folder"] / "runner.jsonl").read_text().splitlines()]
        worker = [json.loads(line) for line in (record["folder"] / "events.jsonl").read_text().splitlines()]
        (end,) = (event["t"] for event in runner if event["event"] == "ended")
        whole = (end - worker[0]["t"]) / 1e9
        phases = record["phases"]
        assert sum(phase["wall_s"] for phase in phases.values()) == pytest.approx(whole, rel=0.01)
        apart = sum(phase["wall_s"] for name, phase in phases.items() if name in APART)
        assert record["time_to_result"]["wall_s"] == pytest.approx(whole - apart, rel=0.01)
        if (train := phases["train"]).get("steps"):
            parts = ["steps_s", "data_wait_s", "validation_s", "checkpoint_s"]
            parts += ["recompile_s", "between_s", "ending_s"]
            assert sum(train[name] for name in parts) == pytest.approx(train["wall_s"], rel=0.01)
            assert all(train[name] >= 0 for name in parts)
            assert train["checkpoint_s"] > 0


def test_the_steady_window_says_when_it_began(ran):
    for name in ("Fast", "Slow"):
        steady, train = ran[name]["steady"], ran[name]["phases"]["train"]
        assert 3 <= steady["settled_step"] <= 20
        assert 0 < steady["settled_s"] < train["wall_s"] / 2
        assert steady["low"] <= steady["images_per_s"] <= steady["high"]
        assert steady["median_images_per_s"] == pytest.approx(4 / steady["step_s"], rel=0.05)
        assert steady["images_per_s"] == pytest.approx(steady["median_images_per_s"], rel=0.15)
        assert steady["compile_s"] > steady["step_s"]
        assert ran[name]["phases"]["compile"]["steps_per_execution"] == 1


def test_the_trace_is_kept_and_read(ran):
    for name in ("Fast", "Slow"):
        profile = ran[name]["profile"]
        assert profile["steps"] == 15
        assert sum(profile["kinds"].values()) == pytest.approx(1)
        assert {"convolution", "normalization", "optimizer"} <= set(profile["kinds"])
        assert "PyFunc" in profile["top"][0]["op"]
        assert profile["kernel_busy"] is profile["copies_s"] is None
        path = Path(ran[name]["folder"] / profile["trace"])
        assert path.is_file() and path.parent.parent.parent.name == "plugins"


def test_the_reference_work_is_measured_twice_and_methods_have_no_trace(ran):
    for record in ran.values():
        before, after = (record["reference_work"][f"{when}_gflops"] for when in ("before", "after"))
        assert before > 0 and after > 0
    assert ran["KNN"]["steady"] is None
    assert set(ran["KNN"]["unavailable"]) >= {"steady", "profile"}
