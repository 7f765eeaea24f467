"""LeNet-5, layer by layer."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.papers.lenet import C3_SOURCES, PartialConvolution, Subsampling, lenet5, squash

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_has_the_published_number_of_trainable_parameters():
    # C1: 6 maps of 5x5 + 1; S2: 6 x 2; C3: 60 kernels of 5x5 and 16 biases; S4: 16 x 2; C5; F6.
    by_hand = 6 * 26 + 6 * 2 + (60 * 25 + 16) + 16 * 2 + 120 * (16 * 25 + 1) + 84 * 121
    assert by_hand == 60_000
    model = lenet5((32, 32, 1), classes=10)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == by_hand + 10 * 85


def test_parameters_do_not_depend_on_the_size():
    assert lenet5((100, 64, 3), classes=4).count_params() == lenet5((32, 32, 3), classes=4).count_params()


def test_every_map_of_c3_sees_its_sources_only():
    layer = PartialConvolution(C3_SOURCES)
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(1, 5, 5, 6)).astype(np.float32)
    before = layer(maps).numpy()
    for source in range(6):
        changed = maps.copy()
        changed[..., source] += 1
        seen = np.flatnonzero(np.abs(layer(changed).numpy() - before).max(axis=(0, 1, 2)))
        assert seen.tolist() == [target for target in range(16) if source in C3_SOURCES[target]]
        assert len(seen) == 10


def test_subsampling():
    layer = Subsampling()
    layer.build((None, 4, 4, 1))
    layer.set_weights([np.array([0.5]), np.array([-1.0])])
    sums = np.array([[10, 18], [42, 50]])
    expected = 1.7159 * np.tanh(2 / 3 * (0.5 * sums - 1))
    maps = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(layer(maps)[0, ..., 0], expected, rtol=1e-5)


def test_squash_keeps_one():
    np.testing.assert_allclose(squash(np.array([-1.0, 0.0, 1.0], "float32")), [-1, 0, 1], atol=1e-4)


def test_learns():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    pixels = rng.uniform(-1, 1, (64, 32, 32, 3)).astype(np.float32)
    pixels[labels == 1, 8:24, 8:24] += 1
    model = lenet5((32, 32, 3), classes=2)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pixels, labels, batch_size=16, epochs=8, verbose=0)
    assert model.evaluate(pixels, labels, verbose=0)[1] > 0.9


def test_is_loaded_as_saved(tmp_path):
    model = lenet5((32, 32, 3), classes=2)
    file = tmp_path / "lenet5.keras"
    model.save(file)
    parts = {"PartialConvolution": PartialConvolution, "Subsampling": Subsampling, "squash": squash}
    again = keras.models.load_model(file, custom_objects=parts)
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(model(pixels), again(pixels))


def test_kernels_of_partial_connections_begin_with_the_variance_of_lecun():
    """Uniform, with a variance of one over the inputs of a map: 25 pixels of 60 maps in 16."""
    layer = PartialConvolution(C3_SOURCES)
    layer.build((None, 14, 14, 6))
    limit = np.sqrt(3 / (25 * 60 / 16))
    kernel = np.asarray(layer.kernel)
    assert (
        kernel.shape == (25, 60)
        and 0.98 * limit < kernel.max() <= limit
        and -limit <= kernel.min() < -0.98 * limit
    )
    assert not np.asarray(layer.bias).any() and layer.bias.shape == (16,)
