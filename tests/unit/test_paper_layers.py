"""Layers that networks of the papers share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.papers import fractalnet, lenet
from wbc.networks.papers import layers as shared
from wbc.networks.papers.layers import GroupedConvolution, LocalResponseNormalization, MaxRms, ResidualDrop
from wbc.networks.preprocessing import centered, standardized, symmetric

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_local_response_normalization_is_the_formula():
    maps = np.random.default_rng(0).normal(scale=50, size=(2, 3, 3, 9)).astype("float32")
    expected = np.empty_like(maps)
    for i in range(9):
        near = maps[..., max(0, i - 2) : min(8, i + 2) + 1]
        expected[..., i] = maps[..., i] / (2 + 1e-4 * (near**2).sum(axis=-1)) ** 0.75
    np.testing.assert_allclose(LocalResponseNormalization()(maps), expected, rtol=1e-5)


class TestGroupedConvolution:
    maps = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype("float32")

    def layer(self, **more):
        layer = GroupedConvolution(12, 3, padding="same", groups=4, activation="relu", **more)
        layer.build(self.maps.shape)
        layer.bias.assign(np.arange(12))
        return layer

    @pytest.mark.parametrize("strides", [1, 2])
    def test_same_numbers_with_and_without_grouped_kernels(self, monkeypatch, strides):
        layer = self.layer(strides=strides)
        results = []
        for has in (True, False):
            monkeypatch.setattr(shared, "_has_grouped_kernels", lambda has=has: has)
            results.append(np.asarray(layer(self.maps)))
        np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("backend", "gpu", "has"),
        [
            ("tensorflow", False, False),
            ("tensorflow", True, True),
            ("jax", False, False),
            ("jax", True, True),
            ("torch", False, True),
            ("torch", True, True),
        ],
    )
    def test_torch_and_gpus_have_kernels_of_groups(self, monkeypatch, backend, gpu, has):
        monkeypatch.setattr(keras.backend, "backend", lambda: backend)
        monkeypatch.setattr(shared, "has_gpu", lambda asked: gpu and asked == backend)
        assert shared._has_grouped_kernels() is has

    def test_a_group_sees_its_share_only(self):
        layer = self.layer()
        changed = self.maps.copy()
        changed[..., 2:4] += 1  # the share of the second group
        difference = np.abs(np.asarray(layer(changed)) - np.asarray(layer(self.maps))).max(axis=(0, 1, 2))
        assert np.flatnonzero(difference).tolist() == [3, 4, 5]


class TestResidualDrop:
    maps = np.ones((4, 2, 2, 3), "float32")

    def test_drops_whole_batches_at_its_rate(self):
        layer = ResidualDrop(0.7, seed=0)
        kept = [np.unique(layer(self.maps, training=True)).tolist() for _ in range(300)]
        assert all(values in ([0.0], [1.0]) for values in kept)
        assert kept.count([1.0]) / 300 == pytest.approx(0.7, abs=0.1)

    def test_scales_when_not_training(self):
        np.testing.assert_allclose(ResidualDrop(0.7)(self.maps, training=False), 0.7 * self.maps)

    def test_same_seed_same_drops(self):
        first, second = ResidualDrop(0.5, seed=5), ResidualDrop(0.5, seed=5)
        for _ in range(10):
            np.testing.assert_array_equal(first(self.maps, training=True), second(self.maps, training=True))

    def test_a_dropped_residual_has_no_gradient(self):
        inputs = keras.Input((4, 4, 3))
        residual = keras.layers.Conv2D(3, 3, padding="same", name="convolution")(inputs)
        outputs = keras.layers.Add()([inputs, ResidualDrop(1e-9, seed=0)(residual)])
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.SGD(1.0), "mse")
        before = model.get_layer("convolution").get_weights()
        model.train_on_batch(np.ones((1, 4, 4, 3)), np.zeros((1, 4, 4, 3)))
        for then, now in zip(before, model.get_layer("convolution").get_weights(), strict=True):
            np.testing.assert_array_equal(then, now)


def test_max_rms_scales_what_is_too_large_only():
    kernel = np.full((2, 2, 3, 2), 0.05, "float32")
    kernel[..., 1] = 0.4
    constrained = np.asarray(MaxRms(0.1)(keras.ops.convert_to_tensor(kernel)))
    np.testing.assert_allclose(constrained[..., 0], 0.05, rtol=1e-6)
    np.testing.assert_allclose(constrained[..., 1], 0.1, rtol=1e-6)


def test_scalings():
    orange = np.full((1, 1, 1, 3), [255, 102, 0], np.uint8)
    np.testing.assert_allclose(symmetric(orange)[0, 0, 0], [1, -0.2, -1], rtol=1e-6)
    np.testing.assert_allclose(centered(orange)[0, 0, 0], [131.32, -14.779, -103.939], rtol=1e-5)
    expected = [(1 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, -0.406 / 0.225]
    # The means of ImageNet are known as 123.68 of 255 or as 0.485 of 1.
    np.testing.assert_allclose(standardized(orange)[0, 0, 0], expected, atol=0.01)
    assert {scale(orange).dtype for scale in (symmetric, centered, standardized)} == {np.dtype("float32")}


def test_saved_models_find_what_is_not_keras_own():
    """By these names, which are in the files."""
    for module, names in {
        shared: ("LocalResponseNormalization", "GroupedConvolution", "ResidualDrop", "MaxRms"),
        fractalnet: ("ColumnChoice", "Join"),
        lenet: ("squash", "Subsampling", "PartialConvolution"),
    }.items():
        for name in names:
            assert keras.saving.get_registered_object(f"wbc>{name}") is getattr(module, name)


@pytest.mark.parametrize(
    "layer",
    [
        LocalResponseNormalization(3),
        GroupedConvolution(4, 3, groups=2),
        ResidualDrop(0.5, seed=1),
    ],
)
def test_layers_are_built_again_from_their_settings(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
