"""Training steps under TensorFlow's profiler: how many, of what, and why there is no trace."""

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from training_equipment import Notes, small_training

from wbc.data.loading import Split
from wbc.specification import Profiling, Specification
from wbc.training import tracing
from wbc.training.classifier import Classifier
from wbc.training.fitting import fit
from wbc.training.session import Distribution
from wbc.training.tracing import profile

RNG = np.random.default_rng(0)
SPLIT = Split(RNG.random((10, 4, 4, 3), np.float32), np.arange(10) % 2, [], ("a", "b"))


def settings(folder: Path, steps: int | None = 2, **more) -> Specification:
    asked = None if steps is None else Profiling(folder / "trace", steps)
    return Specification(
        folder, folder, 32, "LeNet5", "scratch", epochs=1, batch_size=4, profile=asked, **more
    )


@pytest.fixture
def model() -> keras.Model:
    """Compiled and trained for a step, as a trial leaves it."""
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(2, 3, name="maps"),
            layers.Flatten(),
            layers.Dense(2, "softmax"),
        ]
    )
    made.compile("sgd", "categorical_crossentropy")
    return made


def test_steps_are_traced_after_three_that_warm_up(tmp_path, model, monkeypatch):
    import tensorflow as tf

    asked = []
    monkeypatch.setattr(
        tracing, "summarize", lambda planes, *rest: asked.append(rest) or {"planes": len(planes)}
    )
    steps, trace, finish = [], tf.profiler.experimental.Trace, tracing._finish
    monkeypatch.setattr(tracing, "_finish", lambda logs: steps.append(sorted(logs)) or finish(logs))
    monkeypatch.setattr(
        tf.profiler.experimental,
        "Trace",
        lambda name, **more: steps.append((name, more)) or trace(name, **more),
    )
    found = profile(model, SPLIT, lambda batch: batch, Distribution(), settings(tmp_path))
    done = ["loss"]
    assert steps == [*[done] * 3, *[("train", {"step_num": number, "_r": 1}) for number in range(2)], done], (
        "roots, by which it is grouped, and what ends them"
    )
    assert found.pop("planes") > 0
    path = tmp_path / found.pop("trace")
    assert path.is_file() and path.name.endswith(".xplane.pb") and path.is_relative_to(tmp_path / "trace")
    assert found == {} and int(model.optimizer.iterations) == 3 + 2
    kinds = {name: kind for name, kind in asked[0][0].items() if not name.startswith("dense")}
    assert kinds == {"maps": "convolution"} and "dense" in asked[0][0].values()
    assert asked[0][1:] == (model.optimizer.name, False)


def test_the_batches_are_those_of_training(tmp_path, model, monkeypatch):
    asked = []

    def batches(inputs, targets, batch_size, seed, prepare, replicas, augment, fill):
        asked.append((len(inputs), batch_size, seed, replicas, augment, fill))
        raise ZeroDivisionError("enough")

    monkeypatch.setattr(tracing, "training_batches", batches)
    monkeypatch.setattr(tracing, "Augmenter", lambda changes, seed: (changes, seed))
    for augmentation in (None, "changes"):
        more = {"seed": 3, "augmentation": augmentation}
        found = profile(model, SPLIT, lambda batch: batch, Distribution(), settings(tmp_path, **more))
        assert found == {"unavailable": "ZeroDivisionError: enough"}
    assert asked == [(10, 4, 3, 1, None, False), (10, 4, 3, 1, ("changes", 3), False)]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"steps": None}, "no steps were to be traced"),
        ({"backend": "jax"}, "only steps of TensorFlow are traced, not those of jax"),
        ({"backend": "torch"}, "only steps of TensorFlow are traced, not those of torch"),
    ],
)
def test_why_there_is_no_trace(tmp_path, more, why):
    assert profile(None, SPLIT, None, None, settings(tmp_path, **more)) == {"unavailable": why}


def test_a_trained_classifier_traces_its_training_split_and_tells_its_memory(tmp_path, monkeypatch):
    from wbc.training import classifier

    asked = []
    monkeypatch.setattr(classifier, "profile", lambda *given: asked.append(given) or {"steps": 2})
    made = Classifier("model", {"train": "training"}, 4, "prepare", "devices")
    assert made.profile("specification") == {"steps": 2}
    assert asked == [("model", "training", "prepare", "devices", "specification")]
    assert made.memory() == {"unavailable": "nothing was trained here: an earlier attempt did all of it"}
    told = SimpleNamespace(figures=lambda: {"allocator_peak": 7})
    assert Classifier("model", {}, 4, "x", "y", footprint=told).memory() == {"allocator_peak": 7}


def test_binary_accuracy_is_reported_where_it_is_asked_for(model, noisy_images):
    split = {"train": SPLIT, "validation": SPLIT}
    for asked in (True, False):
        notes = Notes()
        specification = small_training(noisy_images, binary_accuracy=asked)
        fit(model, split, specification, lambda batch: batch, notes, Distribution())
        assert (
            ("binary_accuracy" in notes.epochs[1])
            is ("validation_binary_accuracy" in notes.epochs[1])
            is asked
        )


def test_the_compiled_loop_weighs_classes_as_that_of_keras_does(model, noisy_images):
    split, losses = {"train": SPLIT, "validation": SPLIT}, []
    start = model.get_weights()
    for loop in ("fit", "compiled"):
        model.set_weights(start)
        notes = Notes()
        specification = small_training(noisy_images, class_weight={"b": 3.0}, loop=loop, jit_compile=False)
        fit(model, split, specification, lambda batch: batch, notes, Distribution())
        losses.append(notes.epochs[1]["validation_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
