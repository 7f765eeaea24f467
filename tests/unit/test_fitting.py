"""How a stage of training is prepared: its rate, its steps, its timing and what is told, without training."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
from training_equipment import Notes, small_training

from wbc.backends import wait_for_device
from wbc.optimizer import SEARCH, OptimizerSpecification
from wbc.specification import EarlyStopping
from wbc.training import fitting
from wbc.training.fitting import Fitting, Stage, build_optimizer
from wbc.training.rate_search import LOWEST
from wbc.training.session import Distribution

SEARCHED = OptimizerSpecification("Adam", SEARCH, 0.25)


def prepared(images: int = 40, epochs: int = 3, observer=None, **more) -> Fitting:
    specification = small_training(Path())
    return Fitting(replace(specification, **more), Distribution(), images, epochs, observer or Notes())


@pytest.mark.parametrize(
    ("images", "asked", "stride"),
    [(40, 1, 1), (40, 5, 5), (40, 4, 2), (40, 99, 10), (41, 4, 1), (28, 6, 1), (28, 7, 7)],
)
def test_the_steps_of_a_call_divide_those_of_an_epoch(images, asked, stride):
    """In batches of 4."""
    made = prepared(images, steps_per_execution=asked)
    assert (made.stride, made.reporting.timer.stride) == (stride, stride)


def test_what_is_told_of_an_experiment():
    made = prepared(images=41, epochs=7)
    told = made.reporting
    assert (told.images, told.batch_size, told.epochs, told.timer.steps) == (41, 4, 7, 11)
    made.checkpoint_s, made.checkpoint_cpu_s = 0.5, 0.125
    made.stopping = fitting.EarlyStoppingCallback(EarlyStopping(patience=2))
    made.observer.phase_started = lambda phase: None
    made.end()
    figures = made.observer.phases["train"]
    assert figures["checkpoint_s"] == 0.5 and figures["checkpoint_cpu_s"] == 0.125
    assert figures["best_epoch"] == 0 and figures["stopped_early"] is False


@pytest.mark.parametrize(
    ("ahead", "waitable", "piece", "waits_for"),
    [
        (False, True, 1, None),
        (True, True, 16, wait_for_device),
        (True, False, 100, None),
        (False, False, 1, None),
    ],
)
def test_how_steps_are_timed(monkeypatch, ahead, waitable, piece, waits_for):
    """100 steps of one epoch: one by one, in pieces for which the host waits, or as a whole."""
    made, begun = prepared(steps_per_execution=5), []
    monkeypatch.setattr(fitting, "runs_ahead", lambda backend: ahead)
    monkeypatch.setattr(fitting, "can_wait", lambda backend: waitable)
    monkeypatch.setattr(made.reporting.timer, "stage_begins", lambda *given: begun.append(given))
    waits = made._time_steps(100, 1)
    assert begun == [(waits, piece, waits_for)] and waits.stride == 5


def test_a_rate_that_was_found_is_taken_and_a_tenth_of_it_later():
    made = prepared()
    given = Stage(0, 1, OptimizerSpecification("Adam", 0.5, 0.25), number=1)
    assert made._with_rate(given) == given.optimizer
    assert made._with_rate(Stage(0, 1, SEARCHED)) == SEARCHED, "nothing was found"
    made.learning_rate = 0.02
    assert made._with_rate(given) == given.optimizer
    assert made._with_rate(Stage(0, 1, SEARCHED)) == replace(SEARCHED, learning_rate=0.02)
    second = made._with_rate(Stage(1, 2, SEARCHED, number=1))
    assert second == replace(SEARCHED, learning_rate=pytest.approx(0.002))


def test_a_search_compiles_for_single_steps_at_the_lowest_rate_without_decay(monkeypatch):
    made, compiled = prepared(steps_per_execution=5, optimizer=SEARCHED), []
    made.observer.phase_started = lambda phase: None

    def stop(model, stage, stride):
        compiled.append((stage, stride))
        raise ZeroDivisionError

    monkeypatch.setattr(made, "_compile", stop)
    stage = Stage(0, 3, SEARCHED)
    with pytest.raises(ZeroDivisionError):
        made.search(stage, SimpleNamespace(variables=[]), {}, None)
    assert compiled == [(Stage(0, 3, OptimizerSpecification("Adam", LOWEST, 0.0)), 1)]
    made.search(Stage(0, 3, OptimizerSpecification("Adam", 0.1)), None, {}, None)
    assert len(compiled) == 1, "nothing is to be searched"


def test_what_a_model_is_compiled_with(monkeypatch):
    made = prepared(
        optimizer=OptimizerSpecification("SGD", 0.5, 0.0), jit_compile=False, binary_accuracy=True
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    asked = []

    def compiled(own, **given):
        asked.append(given)
        own.optimizer = given["optimizer"]

    monkeypatch.setattr(keras.Sequential, "compile", compiled)
    monkeypatch.setattr(keras.Sequential, "jit_compile", False)
    model.steps_per_execution = 5
    made._compile(model, Stage(0, 1, made.specification.optimizer), 5)
    (given,) = asked
    assert (given["loss"], given["jit_compile"], given["steps_per_execution"]) == (
        "categorical_crossentropy",
        False,
        5,
    )
    assert float(given["optimizer"].learning_rate) == 0.5
    assert given["optimizer"].built, "or the first step would be traced twice"
    assert [one.name for one in given["metrics"]] == ["accuracy", "binary_accuracy"]
    assert made.reporting.compile_figures["jit_compile"] is False
    assert made.reporting.compile_figures["steps_per_execution"] == 5
    # Keras itself would refuse it where an earlier test made operations deterministic.
    monkeypatch.setattr(keras.Sequential, "jit_compile", True)
    made._compile(model, Stage(0, 1, made.specification.optimizer), 5)
    assert ["metrics" in one for one in asked[1:]] == [True, False], "batches are padded then"
    made.distribution.replicas = 2
    made._compile(model, Stage(0, 1, made.specification.optimizer), 5)
    assert [name for name in asked[-1] if "metrics" in name] == ["weighted_metrics"] and len(asked) == 4


@pytest.mark.parametrize(
    ("weight_decay", "name", "found"),
    [
        (None, "Adam", None),
        (0.0, "Adam", None),
        (0.5, "Adam", 0.5),
        (0.0, "AdamW", 0.0),
        (None, "AdamW", 0.004),
    ],
)
def test_no_weight_decay_is_none(weight_decay, name, found):
    made = build_optimizer(OptimizerSpecification(name, 0.1, 0.0, weight_decay=weight_decay))
    assert made.weight_decay == found and type(made).__name__ == name


@pytest.mark.parametrize(("images", "of_a_step"), [(3, 3), (4, 4), (9, 4)])
def test_memory_is_that_of_a_step_with_the_model_beside_it(monkeypatch, images: int, of_a_step: int):
    """In batches of 4, but for less than one."""
    asked, fitted = [], []
    memory = SimpleNamespace(callback=lambda: "memory")
    monkeypatch.setattr(fitting, "Footprint", lambda *given: asked.append(given) or memory)
    made = Fitting(small_training(Path()), Distribution(), images, 3, Notes(), "frozen")
    made.reporting = SimpleNamespace(begin_stage=fitted.append, end_stage=lambda: fitted.append("end"))
    made.checkpoints = SimpleNamespace(restore=lambda *given: None, callback=lambda *given: None)
    monkeypatch.setattr(made, "_compile", lambda *given: None)
    monkeypatch.setattr(made, "_fit", lambda *given: fitted.append(given[3:]))
    made.train(Stage(2, 3, SEARCHED, 1), "model", {"train": range(images)}, None)
    assert asked == [("model", of_a_step, 1, "frozen")] and made.footprint is memory
    assert fitted == [1, (2, 3, [made.reporting, "memory"]), "end"]


def test_training_in_one_stage(monkeypatch):
    done = []

    class Stages:
        footprint = "memory"

        def __init__(self, *given):
            done.append(given)

        def __getattr__(self, name: str):
            return lambda *given: done.append((name, *given))

    monkeypatch.setattr(fitting, "Fitting", Stages)
    asked = replace(small_training(Path()), epochs=7, early_stopping=EarlyStopping(patience=2))
    splits, where, observer = {"train": range(9), "validation": range(2)}, Distribution(), Notes()
    assert fitting.fit("model", splits, asked, "prepare", observer, where, "frozen") == "memory"
    stage = Stage(0, 7, asked.optimizer, 0, early_stopping=EarlyStopping(patience=2))
    assert done == [
        (asked, where, 9, 7, observer, "frozen"),
        ("search", stage, "model", splits, "prepare"),
        ("begin",),
        ("train", stage, "model", splits, "prepare"),
        ("end",),
    ]
