"""The compiled loop does what Keras' own does."""

import os
import subprocess
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from wbc.data.loading import Split
from wbc.specification import EarlyStopping, Specification
from wbc.training.batches import OrderedBatches, training_batches
from wbc.training.callbacks import EarlyStoppingCallback
from wbc.training.compiled import CompiledEpochs, named_generator, pieces
from wbc.training.fitting import fit
from wbc.training.session import Distribution
from wbc.training.transfer import build_head

IMAGES, VALIDATED, SIZE, EPOCHS = 70, 26, 16, 3
"""The last batches of training and validation have fewer images."""

drawn = np.random.default_rng(0)
FEATURES = drawn.normal(size=(IMAGES + VALIDATED, 3, 3, 4)).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[drawn.integers(0, 4, IMAGES + VALIDATED)]
TRAIN = FEATURES[:IMAGES], TARGETS[:IMAGES]
VALIDATION = FEATURES[IMAGES:], TARGETS[IMAGES:]


class History(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.rows, self.steps = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.steps.append(batch)

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch, **logs})


def head(dropout=0.0):
    keras.utils.set_random_seed(0)
    model = build_head(FEATURES.shape[1:], 4, dropout)
    rate = keras.optimizers.schedules.InverseTimeDecay(1e-3, 1, 1e-2)
    accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    model.compile(keras.optimizers.RMSprop(rate), "categorical_crossentropy", metrics=[accuracy])
    return model


def kerass(model, weights=None):
    history = History()
    batches = training_batches(*TRAIN, SIZE, 7, lambda batch: batch, of_classes=weights)
    model.fit(
        batches,
        steps_per_epoch=5,
        epochs=EPOCHS,
        validation_data=OrderedBatches(*VALIDATION, SIZE, lambda batch: batch),
        callbacks=[history],
        verbose=0,
    )
    return history


def compiled(model, weights=None, piece=2, epochs=EPOCHS, before=0, others=(), jit=False):
    history = History()
    arrays = TRAIN if weights is None else (*TRAIN, TRAIN[1] @ weights)
    loop = CompiledEpochs(model, arrays, VALIDATION, SIZE, seed=7, jit=jit)  # XLA takes seconds
    loop.fit(before, epochs, piece, [history, *others])
    return history


def assert_equal(one, other, tolerance=1e-4):
    assert [row.keys() for row in one.rows] == [row.keys() for row in other.rows]
    for row, expected in zip(one.rows, other.rows, strict=True):
        assert row == pytest.approx(expected, abs=tolerance)


@pytest.fixture(scope="module")
def whole() -> History:
    return compiled(head())


def test_without_dropout_curves_and_weights_are_those_of_fit():
    one, other = head(), head()
    weights = np.array([1, 2, 0.5, 1], np.float32)
    assert_equal(compiled(one, weights), kerass(other, weights))
    for array, expected in zip(one.get_weights(), other.get_weights(), strict=True):
        assert array == pytest.approx(expected, abs=1e-4)
    assert int(one.optimizer.iterations) == int(other.optimizer.iterations) == 5 * EPOCHS


def test_it_does_not_matter_how_many_steps_a_call_does(whole):
    curves = [compiled(head(), piece=piece) for piece in (1, 5)]
    for curve in curves:
        assert_equal(curve, whole)
    assert curves[0].steps == curves[1].steps == whole.steps == [0, 1, 2, 3, 4] * EPOCHS


def test_dropout_is_drawn(whole):
    rows = compiled(head(0.5)).rows
    assert all(abs(row["loss"] - other["loss"]) > 1e-3 for row, other in zip(rows, whole.rows, strict=True))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has a slow way")
def test_dropout_draws_what_it_draws_in_fit_but_not_the_slow_way():
    import tensorflow as tf

    def traced(named):
        layer = keras.layers.Dropout(0.5, seed=3)
        function = tf.function(lambda ones: layer(ones, training=True), jit_compile=True)
        ones = tf.ones((16, 256))
        with named_generator() if named else nullcontext():
            drawn = function(ones).numpy()
        return drawn, {
            operation.type for operation in function.get_concrete_function(ones).graph.get_operations()
        }

    (drawn, steps), (expected, others) = traced(named=True), traced(named=False)
    assert (drawn == expected).all()
    assert 0.4 < (drawn == 0).mean() < 0.6
    assert "StatelessRandomGetKeyCounter" in others - steps, "the operation that XLA is slow with"


def test_epochs_that_come_later_continue(whole):
    model = head()
    first = compiled(model, epochs=1)
    rest = compiled(model, before=1)
    first.rows += rest.rows
    assert_equal(first, whole)


def test_it_stops_early():
    stopping = EarlyStoppingCallback(EarlyStopping(patience=1, monitor="accuracy"))
    rows = compiled(head(), epochs=60, others=[stopping]).rows
    assert len(rows) < 60
    assert [row["epoch"] for row in rows] == list(range(len(rows)))
    assert rows[-1]["accuracy"] <= rows[-2]["accuracy"]


@pytest.mark.parametrize(
    ("monitor", "values", "patience", "best", "stopped"),
    [
        ("validation_loss", [3.0, 2.0, 2.0, 2.5], 2, (2, 2.0), 3),
        ("validation_loss", [3.0, 2.0, 2.5, 1.0, 1.0], 2, (4, 1.0), None),
        ("validation_accuracy", [0.1, 0.2, 0.2, 0.1], 2, (2, 0.2), 3),
        ("accuracy", [0.3, 0.2], 1, (1, 0.3), 1),
    ],
)
@pytest.mark.parametrize("restore", [True, False])
def test_training_stops_after_so_many_epochs_without_a_better_value(
    monitor, values, patience, best, stopped, restore
):
    stopping = EarlyStoppingCallback(EarlyStopping(patience=patience, monitor=monitor, restore_best=restore))
    weights = [np.zeros(1)]
    model = SimpleNamespace(stop_training=False, get_weights=lambda: weights)
    model.set_weights = lambda given: weights.__setitem__(0, given[0])
    stopping.set_model(model)
    stops = []
    for epoch, value in enumerate(values):
        weights[0] = np.full(1, epoch + 1.0)
        stopping.on_epoch_end(epoch, {monitor.replace("validation_", "val_"): value})
        stops += [epoch] * model.stop_training
        model.stop_training = False
    assert (stopping.best_epoch, stopping.best) == best and stops == [stopped] * (stopped is not None)
    assert stopping.figures() == {"best_epoch": best[0], "stopped_early": stopped is not None}
    other = EarlyStoppingCallback(stopping.settings)
    other.set_state(*stopping.get_state())
    assert other.best == best[1]
    other.restore_best(model)
    assert weights[0] == (best[0] if restore else len(values)) and other.figures() == stopping.figures()


class Notes:
    def __init__(self):
        self.ended, self.epochs = {}, []

    def phase_ended(self, phase, **figures):
        self.ended[phase] = figures

    def epoch_ended(self, epoch, metrics, validation_s, **pace):
        self.epochs.append((epoch, metrics, pace))

    def pause(self):
        return 0.0

    def __getattr__(self, name):
        return lambda *values, **more: None


def splits(images):
    made = {}
    train = [one[:images] for one in TRAIN]
    for name, (inputs, targets) in {"train": train, "validation": VALIDATION}.items():
        made[name] = Split(inputs, targets.argmax(axis=1), [], tuple("abcd"))
    return made


@pytest.mark.parametrize("images", [IMAGES, 4 * SIZE])
def test_a_trial_with_it_reports_what_one_with_fit_does(images):
    # JAX compiles for each size, so `fit` fills the last batch: it counts as a full one in figures of training.
    approximate = {"loss", "accuracy"} if keras.backend.backend() == "jax" and images % SIZE else set()
    seen = {}
    for loop in ("fit", "compiled"):
        here, notes = Path(), Notes()
        settings = Specification(here, here, 32, "VGG16", "transfer", EPOCHS, batch_size=SIZE, loop=loop)
        fit(head(), splits(images), settings, lambda batch: batch, notes, Distribution())
        seen[loop] = notes
    for (epoch, metrics, pace), (expected, others, paces) in zip(
        seen["compiled"].epochs, seen["fit"].epochs, strict=True
    ):
        assert epoch == expected
        exact = metrics.keys() - approximate
        assert metrics.keys() == others.keys()
        assert {name: metrics[name] for name in exact} == pytest.approx(
            {name: others[name] for name in exact}, abs=1e-4
        )
        assert (pace["steps"], pace["images"]) == (paces["steps"], paces["images"])
    train, others = seen["compiled"].ended["train"], seen["fit"].ended["train"]
    assert train.keys() == others.keys()
    assert (train["steps"], train["images"]) == (others["steps"], others["images"])
    assert train["data_wait_s"] == 0
    assert train["steps_s"] > 0
    assert seen["compiled"].ended["compile"]["jit_compile"] is True


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX traces for each size")
def test_fit_traces_a_step_of_training_once():
    traced = []

    class Noting(keras.layers.Layer):
        def call(self, inputs, training=False):
            traced.append(training)
            return inputs

    model = keras.Sequential([keras.Input(FEATURES.shape[1:]), Noting(), *head().layers])
    settings = Specification(Path(), Path(), 32, "VGG16", "transfer", epochs=2, batch_size=SIZE)
    fit(model, splits(IMAGES), settings, lambda batch: batch, Notes(), Distribution())
    assert traced.count(True) == 1


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="this is it")
def test_all_of_this_holds_with_jax():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("steps", "piece", "alone", "expected"),
    [
        (5, 2, False, [(0, 2), (2, 4), (4, 5)]),
        (5, 2, True, [(0, 1), (1, 3), (3, 5)]),
        (1, 4, True, [(0, 1)]),
        (3, 9, False, [(0, 3)]),
    ],
)
def test_pieces_of_an_epoch(steps, piece, alone, expected):
    assert list(pieces(steps, piece, alone)) == expected
