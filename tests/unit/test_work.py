"""What networks cost: work against publications, TensorFlow and arithmetic; size and time as they train."""

import time
from pathlib import Path

import keras
import pytest
from keras import layers

from wbc import experiment
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.networks.build import build_backbone, build_classifier
from wbc.networks.complexity import layer_count, size_figures, work_of
from wbc.specification import Specification
from wbc.training.finetune import unfreeze
from wbc.training.transfer import build_head


def small() -> keras.Model:
    """conv (8 x 8 x 3 -> 8 x 8 x 4), conv (-> 8 x 8 x 5), dense 3."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(5, 1, name="second")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, name="top")(x))


STEM, SECOND, TOP = 64 * 9 * 3 * 4, 64 * 4 * 5, 5 * 3


def test_a_training_step_is_three_times_the_way_forward_less_the_gradient_of_the_images():
    work = work_of(small())
    assert work.macs == STEM + SECOND + TOP
    assert work.forward_flops == 2 * work.macs
    assert work.training_flops == 3 * work.forward_flops - 2 * STEM


def test_a_frozen_beginning_costs_its_way_forward_only():
    model = small()
    for layer in model.layers[:-2]:
        layer.trainable = False
    work = work_of(model)
    assert work.training_flops == 2 * (STEM + SECOND + TOP) + 2 * TOP
    model.get_layer("second").trainable = True
    assert work_of(model).training_flops == 2 * (STEM + SECOND + TOP) + 2 * SECOND + 4 * TOP
    assert work_of(model).macs == work.macs, "what is frozen still works"


def test_a_layer_that_is_used_twice_works_twice():
    inputs = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same")
    once = work_of(keras.Model(inputs, shared(inputs)))
    twice = work_of(keras.Model(inputs, shared(shared(inputs))))
    assert twice.macs == 2 * once.macs
    assert twice.training_flops == 2 * once.training_flops + once.forward_flops


def test_each_kernel_of_a_separable_convolution_counts_at_every_position():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.SeparableConv2D(5, 3, padding="same")])
    assert work_of(model).macs == 8 * 8 * (3 * 3 * 3 + 3 * 5)


def test_a_transposed_convolution_works_at_every_position_of_its_input():
    inputs = keras.Input((8, 8, 3))
    assert work_of(keras.Model(inputs, layers.Conv2DTranspose(4, 2, 2)(inputs))).macs == 64 * 4 * 3 * 4


def test_a_head_on_features_is_what_transfer_trains():
    backbone = build_backbone("LeNet5", {}, 32)
    backbone.trainable = False
    head = build_head(backbone.output_shape[1:], 4)
    figures = size_figures(head, frozen=backbone)
    first, second = (layer for layer in head.layers if isinstance(layer, layers.Dense))
    dense = [layer.kernel.shape[0] * layer.kernel.shape[1] for layer in (first, second)]
    assert figures["training_flops"] == 2 * (2 * dense[0] + 3 * dense[1]), "features need no gradient"
    assert figures["forward_macs"] == work_of(backbone).macs + sum(dense) > sum(dense)
    assert figures["trained_forward_flops"] == 2 * sum(dense)
    assert figures["forward_flops"] == 2 * figures["forward_macs"]
    trained = sum(dense) + first.units + second.units
    assert figures["parameters"] == backbone.count_params() + trained
    assert figures["trainable_parameters"] == trained
    assert figures["layers"] == layer_count(backbone) + len(head.layers)


def test_models_within_models():
    backbone = build_backbone("MobileNet", {"alpha": 0.25}, 32)
    head = build_head(backbone.output_shape[1:], 4)
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, head(backbone(inputs)))
    work, parts = work_of(model), [work_of(backbone), work_of(head)]
    assert work.macs == sum(part.macs for part in parts)
    assert work.training_flops > sum(part.training_flops for part in parts), "the head hands its gradient on"
    unfreeze(backbone, 2, freeze_batch_norm=True)
    assert work_of(model).training_flops < work.training_flops
    assert work_of(model).training_flops > work.forward_flops


def test_a_model_that_is_no_graph_of_layers_has_a_reason():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model(keras.ops.ones((1, 3)))
    figures = size_figures(model)
    assert figures["parameters"] == 8
    assert "own" in figures["work_unavailable"]
    assert "forward_macs" not in figures


PUBLISHED = {"ResNet50": (224, 3.86, 3.86), "MobileNet": (224, 0.569, 0.569)}
"""Billions of multiply-accumulates with the ImageNet top; the larger networks are in `make memory`."""


@pytest.mark.parametrize("network", PUBLISHED)
def test_published_figures_within_two_percent(network: str):
    size, low, high = PUBLISHED[network]
    macs = work_of(build_classifier(network, {}, size, 1000)).macs / 1e9
    assert 0.98 * low <= macs <= 1.02 * high
    keras.utils.clear_session()


class Figures:
    """An observer that keeps the figures of phases."""

    def __init__(self):
        self.of = {}

    def phase_ended(self, phase, **figures):
        self.of[phase] = figures

    def pause(self):
        return 0.0

    def __getattr__(self, name):
        return lambda *values, **more: None


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    generate(folder, SyntheticSettings(5, 1, 2, image_size=32)).write(folder)
    return folder


@pytest.mark.parametrize("mode", ["transfer", "scratch"])
def test_size_and_time_hold_the_frozen_part(synthetic: Path, mode: str):
    figures, began = Figures(), time.perf_counter()
    experiment.run(
        Specification(synthetic, synthetic / "manifest.json", 32, "LeNet5", mode, epochs=1, batch_size=4),
        figures,
    )
    took = time.perf_counter() - began
    evaluated = figures.of["evaluate"]
    built = figures.of["build"]
    assert evaluated["model_bytes"] == 4 * built["parameters"]
    frozen = built["trained_forward_flops"] < built["forward_flops"]
    assert frozen == (mode == "transfer"), "validation passes through the head alone"
    share = built["trained_forward_flops"] / built["training_flops"]
    assert share == pytest.approx(0.5 if mode == "transfer" else 0.42, abs=0.02)
    assert evaluated["inference_batch_size"] == 4
    assert evaluated["inference_batches"] >= 1
    assert 0 < evaluated["inference_s"] < took
