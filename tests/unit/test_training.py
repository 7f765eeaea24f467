import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from timing_equipment import Clock

from wbc.errors import TrainingDivergedError
from wbc.observer import Block
from wbc.optimizer import OptimizerSpecification
from wbc.training.batches import OrderedBatches, epoch_order, training_batches
from wbc.training.callbacks import ReportingCallback
from wbc.training.fitting import build_optimizer
from wbc.training.session import compiles_shapes
from wbc.training.transfer import build_head


class Notes:
    """An observer that remembers."""

    def __init__(self):
        self.said = []

    def pause(self):
        return 0.0

    def __getattr__(self, name):
        return lambda *values, **more: self.said.append((name, *values))


def as_is(batch):
    return batch


def test_an_epoch_shows_every_image_once_in_an_order_of_seed_and_epoch():
    inputs = np.arange(10)[:, None]
    batches = list(itertools.islice(training_batches(inputs, inputs, 4, 5, as_is), 6))
    assert [len(x) for x, _ in batches] == [4, 4, 2, 4, 4, 2]
    first, second = (np.concatenate([x for x, _ in part]).ravel() for part in (batches[:3], batches[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) == list(epoch_order(10, 5, 0)) != list(second)


def test_training_that_starts_again_sees_what_it_would_have_seen():
    inputs = np.arange(7)[:, None]
    whole = [x.tolist() for x, _ in itertools.islice(training_batches(inputs, inputs, 3, 0, as_is), 9)]
    later = itertools.islice(training_batches(inputs, inputs, 3, 0, as_is, first_epoch=2), 3)
    assert [x.tolist() for x, _ in later] == whole[6:]


def test_images_are_changed_anew_in_each_epoch_also_after_a_start_in_the_middle():
    asked, inputs = [], np.arange(5)[:, None]

    def augment(batch, chosen, epoch):
        assert (batch[:, 0] == chosen).all()
        asked.append(epoch)
        return batch + 100

    batches = training_batches(inputs, inputs, 3, 0, as_is, first_epoch=2, augment=augment)
    shown = [x.ravel().tolist() for x, _ in itertools.islice(batches, 4)]
    assert asked == [2, 2, 3, 3] and min(min(one) for one in shown) == 100


def test_ordered_batches_keep_the_order_of_files():
    inputs = np.arange(5)[:, None]
    batches = OrderedBatches(inputs, inputs, 2, as_is)
    assert len(batches) == 3
    assert np.concatenate([batches[index][0] for index in range(3)]).ravel().tolist() == [0, 1, 2, 3, 4]
    assert len(batches.first()) == 1


def test_the_rate_falls_as_the_thesis_let_it():
    optimizer = build_optimizer(OptimizerSpecification())
    variable = keras.Variable(np.zeros(1))
    optimizer.build([variable])
    for step in range(3):
        assert float(optimizer.learning_rate) == pytest.approx(1e-5 / (1 + 1e-3 * step))
        optimizer.apply_gradients([(keras.ops.ones(1), variable)])


def test_the_head_is_the_one_of_the_thesis():
    head = build_head((2, 2, 8), 4)
    assert [type(layer).__name__ for layer in head.layers] == ["Flatten", "Dense", "Dropout", "Dense"]
    assert head.count_params() == (32 * 256 + 256) + (256 * 4 + 4)


def test_the_first_step_ends_when_the_second_begins_and_validation_is_counted_apart():
    notes, clock = Notes(), Clock()
    reporting = ReportingCallback(notes, images=20, batch_size=16, epochs=1, clock=clock)
    reporting.on_epoch_begin(0)
    reporting.on_train_batch_begin(0)
    clock.passes(5.0)
    assert notes.said == []
    reporting.on_train_batch_begin(1)
    assert notes.said == [("phase_ended", "compile"), ("phase_started", "train"), ("heartbeat", 1, 2)]
    clock.passes(0.5)
    reporting.on_test_begin()
    clock.passes(2.5)
    reporting.on_test_end()
    clock.passes(0.25)
    reporting.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    assert notes.said[-1] == ("epoch_ended", 1, {"loss": 1.0, "validation_loss": 2.0}, 2.5)
    reporting.on_train_end()
    clock.passes(4.0)
    reporting.end()
    assert reporting.figures(checkpoint_s=0.125) == {
        **{"images": 4, "steps": 1, "steps_s": 0.5, "data_wait_s": 0},
        **{"validation_s": 2.5, "recompile_s": 0, "checkpoint_s": 0.125, "between_s": 0.125},
        "ending_s": 4.0,
    }


def test_the_first_step_of_a_later_stage_is_counted_apart():
    notes, clock = Notes(), Clock()
    reporting = ReportingCallback(notes, images=20, batch_size=16, epochs=4, clock=clock)
    for stage in range(2):
        reporting.begin_stage(stage)
        clock.passes(3.0)
        for epoch in range(2):
            reporting.on_epoch_begin(epoch)
            for step in range(2):
                reporting.on_train_batch_begin(step)
                clock.passes(4.0 if epoch == step == 0 else 1.0)
            reporting.on_epoch_end(epoch, {"loss": 1.0})
        reporting.end_stage()
    reporting.end()
    figures = reporting.figures()
    assert (figures["images"], figures["steps"], figures["steps_s"]) == (2 * (4 + 20), 2 * 3, 2 * 3.0)
    assert (figures["recompile_s"], figures["validation_s"], figures["between_s"]) == (7, 0, 0)
    # Without the end of the first epoch of each, where validation is prepared.
    assert [said for said in notes.said if said[0] == "blocks_timed"] == [
        ("blocks_timed", 0, [Block(1.0, 2, 1, 16, 1.0), Block(2.0, 3, 1, 4, 1.0)]),
        ("blocks_timed", 1, [Block(11.0, 6, 1, 16, 1.0), Block(12.0, 7, 1, 4, 1.0)]),
    ]


def test_a_loss_that_is_no_number_ends_training():
    reporting = ReportingCallback(Notes(), images=1, batch_size=1, epochs=1)
    with pytest.raises(TrainingDivergedError, match="nan after epoch 3"):
        reporting.on_epoch_end(2, {"loss": float("nan")})


def test_the_steps_of_an_epoch_end_when_the_device_is_done():
    """A number of the last step takes as long as the device: it must not count as validation."""
    notes, clock = Notes(), Clock()

    class Slow:
        def __array__(self, dtype=None, copy=None):
            clock.passes(3.0)
            return np.zeros(())

    reporting = ReportingCallback(notes, images=32, batch_size=16, epochs=1, clock=clock)
    reporting.set_model(SimpleNamespace(metrics_variables=[Slow()]))
    reporting.on_epoch_begin(0)
    reporting.on_train_batch_begin(0)
    clock.passes(1.0)
    reporting.on_train_batch_begin(1)
    reporting.on_test_begin()
    clock.passes(0.5)
    reporting.on_test_end()
    reporting.on_epoch_end(0, {"loss": 1.0})
    reporting.end()
    assert reporting.timer.pace.steps_s == 3.0
    assert reporting.figures()["validation_s"] == 0.5


def with_jax(program: str):
    """What a program prints in a process of its own, where Keras computes with JAX."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


AHEAD = """
import json
import numpy as np
import keras
from training_equipment import Notes
from wbc.training.callbacks import ReportingCallback

model = keras.Sequential([keras.Input((1000,)), *(keras.layers.Dense(1000) for _ in range(8))])
model.compile("sgd", "mse")
images = np.zeros((1280, 1000), np.float32)
reporting = ReportingCallback(Notes(), 1280, 64, 2)
ready, ends = [], reporting.timer.steps_end
def steps_end():
    ready.append(bool(model.metrics_variables[0].value.is_ready()))
    return ends()
reporting.timer.steps_end = steps_end
model.fit(images, images, 64, 2, validation_data=(images, images), callbacks=[reporting], verbose=0)
print(json.dumps(ready))
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_jax_is_done_when_its_steps_are_said_to_be():
    assert with_jax(AHEAD) == [True, True]


def test_filled_batches_have_one_size_and_the_gradient_of_what_counts():
    inputs, targets = np.arange(10.0)[:, None], np.eye(10, dtype=np.float32)
    batches = list(itertools.islice(training_batches(inputs, targets, 4, 0, as_is, fill=True), 3))
    assert [len(batch[0]) for batch in batches] == [4, 4, 4]
    assert [list(batch[2]) for batch in batches] == [[1, 1, 1, 1], [1, 1, 1, 1], [2, 2, 0, 0]]
    ordered = OrderedBatches(inputs, targets, 4, as_is, fill=True)
    assert [len(ordered[index][0]) for index in range(3)] == [4, 4, 4]
    losses = np.concatenate([ordered[index][0][:, 0] * ordered[index][2] for index in range(3)])
    assert losses.mean() == pytest.approx(inputs.mean()), "Keras' mean over everything is that of what counts"
    assert [len(batch) for batch in ordered.first()[0]] == [4, 4, 4]


@pytest.mark.parametrize("jit", [False, True])
def test_xla_is_what_compiles_for_each_size(jit):
    # Not a model of Keras: once a process computes deterministically, Keras turns XLA off in all of them.
    assert compiles_shapes(SimpleNamespace(jit_compile=jit)) is jit


SIZES = """
import json, pathlib
import numpy as np
import keras
from training_equipment import Notes
from wbc.data.loading import Split
from wbc.specification import Specification
from wbc.training.fitting import fit
from wbc.training.session import Distribution

sizes = set()

class Sizes(keras.layers.Layer):
    def call(self, inputs):
        sizes.add(inputs.shape[0])  # as often as JAX compiles
        return inputs

model = keras.Sequential([keras.Input((2,)), Sizes(), keras.layers.Dense(3, activation="softmax")])
sizes.clear()
generator = np.random.default_rng(0)

def split(count):
    return Split(generator.random((count, 2), np.float32), np.arange(count) % 3, [], tuple("abc"))

splits = {"train": split(10), "validation": split(6)}
here = pathlib.Path()
settings = Specification(here, here, 32, "LeNet5", "scratch", epochs=2, batch_size=4, backend="jax")
distribution = Distribution()
fit(model, splits, settings, lambda batch: batch, Notes(), distribution)
inputs = splits["validation"].inputs
apart = [distribution.predictor(model)(inputs[start : start + 4]) for start in (0, 4)]
seen = sorted(sizes, key=str)
whole = np.asarray(model(inputs))
print(json.dumps([seen, float(np.abs(np.concatenate(apart) - whole).max())]))
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_with_jax_nothing_is_compiled_again_for_a_short_batch():
    sizes, difference = with_jax(SIZES)
    assert sizes == [4]
    assert difference < 1e-6


def held_between_batches(predict) -> int:
    """How often it was held while it predicted; what that takes, 50 s each, must be in no time."""
    from wbc.evaluation.cost import BatchTimer

    clock, notes = Clock(0.0), Notes()
    held = []

    def pause():
        held.append(clock.now)
        clock.now += 50.0
        return 50.0

    notes.pause = pause
    timer = BatchTimer(lambda: clock.now)
    predict(notes, timer)
    assert timer.cost(0).inference_s == 0.0
    return len(held)


def test_predictions_are_held_after_each_batch_and_not_within():
    from wbc.classical.train import BATCH, _in_batches
    from wbc.training.classifier import predict
    from wbc.training.session import Distribution

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    rows = np.ones((10, 3), np.float32)
    assert (
        held_between_batches(
            lambda notes, timer: predict(model, rows, 4, as_is, notes, timer, Distribution())
        )
        == 3
    )
    rows, told = np.ones((2 * BATCH + 1, 3), np.float32), []

    def in_batches(notes, timer):
        notes.heartbeat = lambda *beat: told.append(beat)
        return _in_batches(lambda batch: batch, rows, timer, notes)

    assert held_between_batches(in_batches) == 3
    assert told == [(done, len(rows)) for done in (BATCH, 2 * BATCH, len(rows))]


def test_batches_that_are_given_ahead_have_the_outputs_of_those_waited_for(monkeypatch):
    from wbc.evaluation.cost import BatchTimer
    from wbc.training import classifier
    from wbc.training.session import Distribution

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, activation="relu")])
    inputs = np.random.default_rng(0).random((43, 3), np.float32)
    monkeypatch.setattr(classifier, "TIMED", 5)
    monkeypatch.setattr(classifier, "HELD_BYTES", 2 * 4 * 5 * 4)  # two batches of four images
    waited_for, timed, beats = {}, {}, {}
    for ahead in (False, True):
        monkeypatch.setattr(Distribution, "ahead", ahead)
        notes, timer, beats[ahead] = Notes(), BatchTimer(), []
        notes.heartbeat = lambda done, total, seen=beats[ahead]: seen.append((done, total))
        waited_for[ahead] = classifier.predict(model, inputs, 4, as_is, notes, timer, Distribution())
        timed[ahead] = timer.cost(0).batches
    assert waited_for[False].shape == (43, 5)
    assert (waited_for[True] == waited_for[False]).all()
    assert timed == {False: 9, True: 4}, "full batches after the first"
    assert beats[False] == [(done, 11) for done in range(1, 12)]
    assert max(beats[True]) == (10, 11), "told when the last batch is taken"
    alone = classifier.predict(model, inputs[:1], 4, as_is, Notes(), BatchTimer(), Distribution())
    np.testing.assert_allclose(alone, waited_for[True][:1], rtol=1e-5)
