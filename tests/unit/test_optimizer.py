"""Optimizers of a suite: explicit, checked, and what the papers used."""

from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest

from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime
from wbc.errors import InputError
from wbc.networks.catalog import NETWORKS
from wbc.optimizer import ARGUMENTS, OPTIMIZERS, OptimizerSpecification
from wbc.optimizer_presets import RECIPES, find_recipe, preset
from wbc.training.fitting import build_optimizer

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu")


def optimizer_of(folder: Path, optimizer: str, backbone: str = "VGG16") -> dict:
    """The optimizer in the settings of the only trial."""
    path = folder / "suite.toml"
    path.write_text(
        '[data]\nimage_size = 64\n[training]\nmode = "scratch"\n[[matrix]]\n'
        f'backbone = "{backbone}"\noptimizer = {optimizer}\n'
    )
    (trial,) = resolve_suite(path, folder / "cache", runtime=RUNTIME).trials
    assert trial.specification["optimizer"] == msgspec.to_builtins(trial.settings.optimizer)
    return msgspec.to_builtins(trial.settings.optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults_are_those_of_keras(name):
    built = build_optimizer(OptimizerSpecification(name))
    keras_name = "SGD" if name == "Nesterov" else name
    own = getattr(keras.optimizers, keras_name)(**({"momentum": 0.9} if name == "Nesterov" else {}))
    for argument in ARGUMENTS[name]:
        assert getattr(built, argument) == getattr(own, argument)
    assert built.nesterov if name == "Nesterov" else not getattr(built, "nesterov", False)
    assert (built.weight_decay or 0) == (own.weight_decay or 0)


def test_nesterov_takes_the_step_of_nesterov():
    built = build_optimizer(OptimizerSpecification("Nesterov", 0.1, 0.0))
    weight = keras.Variable(np.ones(1, "float32"))
    built.build([weight])
    speed, value = 0.0, 1.0
    for _ in range(3):
        built.apply_gradients([(keras.ops.ones(1), weight)])
        speed = 0.9 * speed - 0.1
        value += 0.9 * speed - 0.1
        assert float(np.asarray(weight)[0]) == pytest.approx(value, rel=1e-5)


def test_weight_decay_takes_a_share_of_each_weight_a_step():
    built = build_optimizer(OptimizerSpecification("SGD", 0.5, 0.0, weight_decay=0.1))
    weight = keras.Variable(np.full(1, 2, "float32"))
    built.build([weight])
    built.apply_gradients([(keras.ops.zeros(1), weight)])
    assert float(np.asarray(weight)[0]) == pytest.approx(2 - 0.5 * 0.1 * 2)


def test_a_trial_shows_every_value_and_two_ways_to_write_one_are_one(tmp_path):
    short = optimizer_of(tmp_path, '"Nesterov"')
    long = optimizer_of(tmp_path, '{ name = "SGD", momentum = 0.9, nesterov = true }')
    assert short == long
    assert short == {
        "name": "SGD",
        "learning_rate": 1e-2,
        "decay": 0.0,
        "weight_decay": 0.0,
        "momentum": 0.9,
        "nesterov": True,
    }
    adam = optimizer_of(tmp_path, '"Adam"')
    assert (adam["learning_rate"], adam["decay"], adam["beta_1"]) == (1e-3, 0.0, 0.9), "Keras' own"
    whole = optimizer_of(tmp_path, '{ name = "Adam", learning_rate = 1 }')
    assert type(whole["learning_rate"]) is float


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        ('{ name = "Adam", momentum = 0.9 }', ["Adam has no momentum", "belongs to SGD, Nesterov, RMSprop"]),
        ('{ name = "SGD", rho = 0.9 }', ["SGD has no rho"]),
        ('{ name = "Adam", epsilon_outside = true }', ["for RMSprop without momentum"]),
        ('{ name = "RMSprop", momentum = 0.5, epsilon_outside = true }', ["for RMSprop without momentum"]),
        ('{ name = "SGD", nesterov = true }', ["needs a momentum above 0"]),
        ('{ name = "Nesterov", nesterov = false }', ["Nesterov has no nesterov"]),
        ('{ name = "SGD", momentum = 1.0 }', ["less than 1"]),
        ('{ name = "paper", learning_rate = 0.1 }', ["'paper' takes no learning_rate"]),
        ('"papper"', ["Did you mean paper?"]),
    ],
)
def test_nonsense_is_refused_with_its_place(tmp_path, optimizer, said):
    with pytest.raises(InputError) as error:
        optimizer_of(tmp_path, optimizer)
    for words in ("line 7", "optimizer", *said):
        assert words in str(error.value)


def test_presets_are_resolved_for_each_network(tmp_path):
    paper = optimizer_of(tmp_path, '"paper"')
    assert (paper["learning_rate"], paper["momentum"], paper["weight_decay"]) == (0.01, 0.9, 5e-4)
    assert optimizer_of(tmp_path, '"paper"', "DenseNet121")["nesterov"] is True
    assert optimizer_of(tmp_path, '"paper"', "ResNet50")["learning_rate"] == 0.1


@pytest.mark.parametrize(
    ("networks", "rate", "decay", "nesterov"),
    [
        (("DenseNet121", "DenseNet169", "DenseNet201"), 0.01, 1e-4, True),
        (("ResNet50",), 0.01, 1e-4, False),
        (("InceptionV3",), 0.01, 4e-5, False),
        (("Xception",), 0.045, 1e-5, False),
        (("VGG16", "VGG19"), 0.01, 5e-4, False),
    ],
)
def test_the_five_rows_of_footnote_8(tmp_path, networks, rate, decay, nesterov):
    for network in networks:
        assert preset("thesis-footnote", network).resolved() == {
            "name": "SGD",
            "learning_rate": rate,
            "decay": decay,
            "weight_decay": 0.0,
            "momentum": 0.9,
            "nesterov": nesterov,
        }


def test_footnote_8_has_no_other_networks(tmp_path):
    with pytest.raises(InputError, match=r"line 7.*footnote 8 of the thesis has no optimizer for MobileNet"):
        optimizer_of(tmp_path, '"thesis-footnote"', "MobileNet")


def steps_of(optimizer: OptimizerSpecification, gradients) -> np.ndarray:
    """How far each step moves weights of 0.

    Args:
        optimizer: Takes the steps.
        gradients: Of each step; shape (steps,) or (steps, weights).
    """
    built = build_optimizer(optimizer)
    gradients = np.asarray(gradients, np.float32)
    weights = keras.Variable(np.zeros(gradients.shape[1:], "float32"))
    built.build([weights])
    steps = []
    for gradient in gradients:
        weights.assign(np.zeros_like(gradient))
        built.apply_gradients([(keras.ops.convert_to_tensor(gradient), weights)])
        steps.append(-np.asarray(weights, float))
    return np.array(steps)


def test_the_rmsprop_of_the_thesis_takes_the_steps_of_keras_2():
    gradients = [-1e-4, 1e-5, 3e-5, 1e-6, -1e-7, 0.0, 1e-6]
    mean, expected = 0.0, []
    for step, gradient in enumerate(gradients):
        exact = float(np.float32(gradient))
        mean = 0.9 * mean + 0.1 * exact**2
        expected.append(1e-5 / (1 + 1e-3 * step) * exact / (mean**0.5 + 1e-7))
    thesis = OptimizerSpecification().under("thesis-2018")
    assert steps_of(thesis, gradients) == pytest.approx(expected, rel=1e-6, abs=0)
    assert steps_of(OptimizerSpecification(), gradients) != pytest.approx(expected, rel=0.5, abs=0)


def test_how_much_longer_the_steps_of_2018_were():
    then = OptimizerSpecification("RMSprop", 1.0, 0.0, epsilon_outside=True)
    now = OptimizerSpecification("RMSprop", 1.0, 0.0)
    old, new = (steps_of(one, [[1e-4, 1e-5, 1e-6]] * 200)[-1] for one in (then, now))
    assert old / new == pytest.approx([3.3, 31, 288], rel=0.015)


def test_the_protocol_sets_the_step_of_keras_2_unless_it_is_spelled_out():
    assert OptimizerSpecification().under("thesis-2018").resolved()["epsilon_outside"] is True
    assert "epsilon_outside" not in OptimizerSpecification().under("corrected").resolved()
    kept = OptimizerSpecification(epsilon_outside=False)
    assert "epsilon_outside" not in kept.under("thesis-2018").resolved()
    assert OptimizerSpecification("Adam").under("thesis-2018").epsilon_outside is None


def test_a_network_without_a_published_recipe_is_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"line 7.*optimizer.*Levenberg-Marquardt"):
        optimizer_of(tmp_path, '"paper"', "LeNet5")
    with pytest.raises(InputError, match="no published optimizer of Mine is known"):
        preset("paper", "Mine")


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_has_one_recipe_or_a_reason_why_not(network):
    import re

    matching = [one for one in RECIPES if any(re.fullmatch(family, network) for family in one.families)]
    assert matching == [find_recipe(network)]
    assert bool(matching[0].optimizer) != bool(matching[0].missing)
    if matching[0].optimizer:
        build_optimizer(preset("paper", network))


@pytest.mark.parametrize(
    ("networks", "rate", "weight_decay", "more"),
    [
        (("AlexNet", "VGG16", "VGG19"), 0.01, 5e-4, {}),
        (("ZFNet",), 0.01, 0.0, {}),
        (("ResNet50", "ResNet152", "ResNet50V2", "ResNeXt50"), 0.1, 1e-4, {}),
        (("StochasticDepthResNet50", "DenseNet201"), 0.1, 1e-4, {"nesterov": True}),
        (("FractalNet",), 0.02, 0.0, {}),
        (("SqueezeNet",), 0.04, 2e-4, {}),
        (("Xception",), 0.045, 1e-5, {}),
        (("InceptionV3",), 0.045, 4e-5, {"momentum": 0.0, "rho": 0.9, "epsilon": 1.0}),
        (("InceptionResNetV2",), 0.045, 0.0, {"momentum": 0.0, "rho": 0.9, "epsilon": 1.0}),
        (("MobileNetV2",), 0.045, 4e-5, {"rho": 0.9, "epsilon": 1e-7}),
        (("MobileNetV3Small", "MobileNetV3Large"), 0.1, 1e-5, {"rho": 0.9, "epsilon": 1e-7}),
        (("EfficientNetB0", "EfficientNetV2S"), 0.256, 1e-5, {"rho": 0.9, "epsilon": 1e-7}),
        (("ConvNeXtTiny",), 4e-3, 0.05, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
    ],
)
def test_the_recipes_of_the_papers(networks, rate, weight_decay, more):
    """Read in the papers: learning rate, weight decay, and what else differs from SGD with a momentum of 0.9."""
    name = "AdamW" if "beta_1" in more else "RMSprop" if "rho" in more else "SGD"
    plain = {"SGD": {"momentum": 0.9, "nesterov": False}, "RMSprop": {"momentum": 0.9}, "AdamW": {}}[name]
    for network in networks:
        assert preset("paper", network).resolved() == {
            **{"name": name, "learning_rate": rate, "decay": 0.0, "weight_decay": weight_decay},
            **plain,
            **more,
        }


def test_the_optimizer_of_the_thesis_is_the_default_and_its_tenth_the_second():
    assert OptimizerSpecification().resolved() == {
        **{"name": "RMSprop", "learning_rate": 1e-5, "decay": 1e-3, "weight_decay": 0.0},
        **{"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    }
    assert OptimizerSpecification("SGD", 0.5).slower().learning_rate == 0.05
    assert OptimizerSpecification("SGD", "search").slower().learning_rate == "search"
    assert OptimizerSpecification("AdamW").resolved()["weight_decay"] == 0.004
    assert OptimizerSpecification("Adadelta").resolved()["rho"] == 0.95
    momentum = OptimizerSpecification("RMSprop", momentum=0.5).under("thesis-2018")
    assert momentum.epsilon_outside is None, "Keras 2 had it without momentum only"
    with pytest.raises(InputError, match="needs a momentum above 0"):
        OptimizerSpecification("Nesterov", momentum=0.0).check()
    OptimizerSpecification("SGD", momentum=0.9, nesterov=True).check()
