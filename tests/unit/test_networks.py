"""Networks built with Keras: classifiers, and backbones with weights."""

import os
import shutil
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from equipment.one_step import train_one_step_and_predict

from wbc.errors import InputError
from wbc.networks.build import build_backbone, build_classifier
from wbc.networks.catalog import find_network
from wbc.networks.papers.lenet import lenet5
from wbc.networks.preprocessing import preprocess
from wbc.networks.weights import locate_weights
from wbc.specification import WeightsSource

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def images(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["MobileNet", "LeNet5"])  # `make families`: the others
def test_trains_one_step_and_predicts_at_the_smallest_size(name):
    train_one_step_and_predict(name)


class TestClassifier:
    @pytest.mark.parametrize(
        ("name", "options"),
        [("LeNet5", {}), ("MobileNet", {"alpha": 0.25, "dropout": 0.4}), ("MobileNetV2", {"alpha": 0.35})],
    )
    def test_probabilities_at_the_smallest_size(self, name, options):
        size = find_network(name).min_size
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = build_classifier(name, options, size, 3)
        probabilities = model(preprocess(images(size), name)).numpy()
        assert probabilities.shape == (2, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)

    def test_options_reach_keras(self):
        model = build_classifier("MobileNet", {"alpha": 0.25, "dropout": 0.4}, 32, 3)
        assert model.get_layer("dropout").rate == 0.4
        assert model.get_layer("conv1").filters == 8

    def test_too_small(self):
        with pytest.raises(InputError, match="InceptionV3 needs images of at least 75 x 75 pixels"):
            build_classifier("InceptionV3", {}, 74, 2)


class TestBackbone:
    @pytest.mark.parametrize(
        ("name", "options"), [("MobileNet", {"alpha": 0.25}), ("MobileNetV2", {"alpha": 0.35})]
    )
    def test_real_weights(self, name, options, shared):
        source = locate_weights("imagenet", name, options, image_size=64, weights_folder=shared / "weights")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = build_backbone(name, options, 64, source)
        plain = getattr(keras.applications, name)(
            **options, include_top=False, weights=None, input_shape=(64, 64, 3)
        )
        plain.load_weights(source.path)
        pixels = preprocess(images(64), name)
        np.testing.assert_array_equal(model(pixels), plain(pixels))
        assert np.isfinite(model(pixels)).all()

    @pytest.mark.parametrize(
        ("name", "options"), [("MobileNet", {"alpha": 0.25}), ("MobileNetV2", {"alpha": 0.5}), ("LeNet5", {})]
    )
    def test_weights_of_another_network(self, name, options, shared):
        file = shared / "weights" / "MobileNet-alpha0.5.weights.h5"
        message = (
            rf"MobileNet-alpha0\.5\.weights\.h5 does not fit {find_network(name).label(options)} without"
        )
        with pytest.raises(InputError, match=message) as caught:
            build_backbone(name, options, 64, file)
        assert "\n" not in caught.value.what

    def test_layout_that_the_name_does_not_tell(self, shared, tmp_path):
        file = tmp_path / "mobilenet.h5"
        shutil.copy(shared / "weights" / "MobileNet-alpha0.25.weights.h5", file)
        with pytest.raises(InputError, match=r"mobilenet\.h5 does not fit MobileNet-alpha0\.25"):
            build_backbone("MobileNet", {"alpha": 0.25}, 64, file)

    def test_layers_that_the_file_lacks_are_not_left_random(self, tmp_path, monkeypatch):
        file = tmp_path / "lenet5.weights.h5"
        lenet5((32, 32, 3)).save_weights(file)
        monkeypatch.setattr(
            keras.Model, "load_weights", lambda model, path: warnings.warn("skipped", stacklevel=1)
        )
        with pytest.raises(InputError, match="does not fit LeNet5"):
            build_backbone("LeNet5", {}, 32, file)

    @pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
    def test_legacy_layout(self, tmp_path):
        saved = build_backbone("MobileNet", {"alpha": 0.25}, 32)
        saved.save(tmp_path / "mobilenet.h5")
        model = build_backbone("MobileNet", {"alpha": 0.25}, 32, tmp_path / "mobilenet.h5")
        for before, after in zip(saved.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_weights_that_are_not_here_yet(self):
        with pytest.raises(ValueError, match="must be fetched"):
            build_backbone("LeNet5", {}, 32, WeightsSource("download"))

    def test_random_weights(self):
        model = build_backbone("LeNet5", {}, 40, WeightsSource("random"))
        assert model.output_shape == (None, 3, 3, 120)


def test_a_network_can_be_a_key():
    """Also one that has a table of weights."""
    assert len({find_network(name) for name in ("VGG16", "MobileNet", "LeNet5", "VGG16")}) == 3
