"""Networks built with Keras, and the catalogue held against the Keras that is installed."""

import inspect
import os
import shutil
import types
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from keras.src.backend import config
from keras.src.utils import file_utils

from wbc.errors import InputError
from wbc.networks.build import build_backbone, build_classifier
from wbc.networks.catalog import NETWORKS, find_network
from wbc.networks.fetch import fetch_with_keras
from wbc.networks.lenet import C3_SOURCES, PartialConvolution, Subsampling, lenet5, squash
from wbc.networks.preprocessing import preprocess
from wbc.networks.weights import WeightsSource, keras_homes, locate_weights

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

APPLICATIONS = {
    name: builder
    for name, builder in vars(keras.applications).items()
    if isinstance(builder, types.FunctionType)
}
# What every constructor has beside the options of its architecture.
COMMON = {
    "include_top",
    "weights",
    "input_tensor",
    "input_shape",
    "pooling",
    "classes",
    "classifier_activation",
    "include_preprocessing",
    "name",
    "model_name",  # what ConvNeXt called it in Keras 3.3
}


class Recorded(Exception):
    """Stops Keras at the point that a test looks at."""


def images(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, size, size, 3), dtype=np.uint8)


class TestCatalog:
    def test_names(self):
        assert set(NETWORKS) == {*APPLICATIONS, "LeNet5"}

    @pytest.mark.parametrize("name", APPLICATIONS)
    def test_options(self, name):
        parameters = inspect.signature(APPLICATIONS[name]).parameters.values()
        in_keras = {
            (each.name, each.default, type(each.default))
            for each in parameters
            if each.name not in COMMON and each.kind is not each.VAR_KEYWORD
        }
        options = find_network(name).options
        assert {(each.name, each.default, type(each.default)) for each in options} == in_keras

    @pytest.mark.parametrize("name", APPLICATIONS)
    def test_preprocessing_is_that_of_the_network(self, name):
        module = find_network(name).module
        assert APPLICATIONS[name].__module__.rpartition(".")[2] == module
        assert callable(getattr(keras.applications, module).preprocess_input)

    @pytest.mark.parametrize("top", [False, True])
    @pytest.mark.parametrize("name", APPLICATIONS)
    def test_one_pixel_less_than_the_smallest_size_is_refused(self, name, top):
        size = find_network(name).min_size
        with pytest.raises(ValueError, match=f"at least {size}x{size}"):
            APPLICATIONS[name](include_top=top, weights=None, input_shape=(size - 1, size - 1, 3))

    @pytest.mark.parametrize("name", sorted(set(APPLICATIONS) - {"MobileNetV3Small", "MobileNetV3Large"}))
    def test_sizes(self, name, monkeypatch):
        sizes = {}

        def record(*arguments, default_size, min_size, **keywords):
            sizes.update(native=default_size, min=min_size)
            raise Recorded

        module = inspect.getmodule(APPLICATIONS[name])
        owner = getattr(module, "imagenet_utils", None) or module.resnet.imagenet_utils
        monkeypatch.setattr(owner, "obtain_input_shape", record)
        with pytest.raises(Recorded):
            APPLICATIONS[name](weights=None)
        network = find_network(name)
        assert sizes == {"native": network.native_size, "min": network.min_size}

    @pytest.mark.parametrize(
        ("name", "options", "size"),
        [
            ("MobileNet", {"alpha": 0.25}, 128),
            ("MobileNet", {"alpha": 1 / 4, "dropout": 0.5}, 32),
            ("MobileNetV2", {"alpha": 1}, 96),
            ("MobileNetV3Small", {"minimalistic": True}, 32),
            ("MobileNetV3Small", {"alpha": 0.75}, 224),
            ("VGG16", {}, 32),
            ("ResNet50V2", {}, 32),
            ("ConvNeXtTiny", {}, 32),
        ],
    )
    @pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
    def test_weights_file_is_the_one_that_keras_loads(self, name, options, size, monkeypatch):
        asked = []

        def record(name, origin, **keywords):
            asked.append((name, origin))
            raise Recorded("stop\nhere")

        monkeypatch.setattr(file_utils, "get_file", record)
        with pytest.raises(InputError, match=r"Keras could not load the ImageNet weights .*: stop here\n"):
            fetch_with_keras(name, options, size)
        file = find_network(name).imagenet_file(options, size)
        assert asked == [(file.name, file.url)]

    def test_cache_is_where_keras_keeps_it(self):
        assert keras_homes()[0] == Path(config.keras_home())


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

    @pytest.mark.parametrize("name", ["Xception", "InceptionV3", "VGG16"])
    def test_smallest_size_is_accepted(self, name):
        assert build_classifier(name, {}, find_network(name).min_size, 2).output_shape == (None, 2)

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
        plain = APPLICATIONS[name](**options, include_top=False, weights=None, input_shape=(64, 64, 3))
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

    @pytest.mark.parametrize("layout", ["plain", "imagenet"])
    def test_imagenet_weights_of_efficientnet_meet_colours_as_keras_scales_them(
        self, layout, tmp_path, monkeypatch
    ):
        file = tmp_path / "efficientnetb0.weights.h5"
        random = build_backbone("EfficientNetB0", {}, 32)
        scaling = next(layer for layer in random.layers if isinstance(layer, keras.layers.Normalization))
        scaling.set_weights(
            [np.array([0.485, 0.456, 0.406]), np.array([0.0524, 0.0502, 0.0506]), np.array(0)]
        )
        random.save_weights(file)
        monkeypatch.setattr(file_utils, "get_file", lambda *arguments, **keywords: str(file))
        by_keras = keras.applications.EfficientNetB0(
            include_top=False, weights="imagenet", input_shape=(32, 32, 3)
        )
        if layout == "imagenet":
            by_keras.save_weights(file)
        pixels = images(32).astype(np.float32)
        expected = by_keras(pixels).numpy()

        imagenet = build_backbone("EfficientNetB0", {}, 32, WeightsSource("folder", file))
        np.testing.assert_allclose(imagenet(pixels), expected, rtol=1e-3, atol=1e-5)
        # A file of the user's says itself whether it was saved with the scaling.
        own = build_backbone("EfficientNetB0", {}, 32, file)(pixels).numpy()
        assert np.allclose(own, expected, rtol=1e-3, atol=1e-5) == (layout == "imagenet")


class TestLeNet5:
    def test_has_the_published_number_of_trainable_parameters(self):
        # C1: 6 maps of 5x5 + 1; S2: 6 x 2; C3: 60 kernels of 5x5 and 16 biases; S4: 16 x 2; C5; F6.
        by_hand = 6 * 26 + 6 * 2 + (60 * 25 + 16) + 16 * 2 + 120 * (16 * 25 + 1) + 84 * 121
        assert by_hand == 60_000
        model = lenet5((32, 32, 1), classes=10)
        trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        assert trainable == by_hand + 10 * 85

    def test_parameters_do_not_depend_on_the_size(self):
        assert lenet5((100, 64, 3), classes=4).count_params() == lenet5((32, 32, 3), classes=4).count_params()

    def test_every_map_of_c3_sees_its_sources_only(self):
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

    def test_subsampling(self):
        layer = Subsampling()
        layer.build((None, 4, 4, 1))
        layer.set_weights([np.array([0.5]), np.array([-1.0])])
        sums = np.array([[10, 18], [42, 50]])
        expected = 1.7159 * np.tanh(2 / 3 * (0.5 * sums - 1))
        maps = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
        np.testing.assert_allclose(layer(maps)[0, ..., 0], expected, rtol=1e-5)

    def test_squash_keeps_one(self):
        np.testing.assert_allclose(squash(np.array([-1.0, 0.0, 1.0], "float32")), [-1, 0, 1], atol=1e-4)

    def test_learns(self):
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        labels = np.arange(64) % 2
        pixels = rng.uniform(-1, 1, (64, 32, 32, 3)).astype(np.float32)
        pixels[labels == 1, 8:24, 8:24] += 1
        model = lenet5((32, 32, 3), classes=2)
        model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(pixels, labels, batch_size=16, epochs=8, verbose=0)
        assert model.evaluate(pixels, labels, verbose=0)[1] > 0.9

    def test_is_loaded_as_saved(self, tmp_path):
        model = lenet5((32, 32, 3), classes=2)
        file = tmp_path / "lenet5.keras"
        model.save(file)
        parts = {"PartialConvolution": PartialConvolution, "Subsampling": Subsampling, "squash": squash}
        again = keras.models.load_model(file, custom_objects=parts)
        pixels = preprocess(images(32), "LeNet5")
        np.testing.assert_array_equal(model(pixels), again(pixels))


class TestPreprocessing:
    # One network of each of Keras' ways, and what becomes of an orange pixel.
    @pytest.mark.parametrize(
        ("name", "orange"),
        [
            ("VGG16", [0 - 103.939, 102 - 116.779, 255 - 123.68]),
            ("MobileNet", [1, 102 / 127.5 - 1, -1]),
            ("DenseNet121", [(1 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, -0.406 / 0.225]),
            ("EfficientNetB0", [255, 102, 0]),
            ("LeNet5", [1, 102 / 127.5 - 1, -1]),
        ],
    )
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_network(self, name, orange, dtype):
        pixels = np.full((1, 4, 4, 3), [255, 102, 0], dtype)
        kept = pixels.copy()
        scaled = preprocess(pixels, name, "network")
        np.testing.assert_array_equal(pixels, kept)
        np.testing.assert_allclose(scaled[0, 0, 0], orange, rtol=1e-4, atol=1e-4)
        assert scaled.dtype == np.float32
        assert scaled.flags.c_contiguous
        assert not np.shares_memory(scaled, pixels)

    @pytest.mark.parametrize("name", ["VGG16", "MobileNet", "DenseNet121", "EfficientNetB0"])
    def test_network_is_as_keras_does(self, name):
        own = getattr(keras.applications, find_network(name).module).preprocess_input
        pixels = images(8)
        np.testing.assert_allclose(preprocess(pixels, name), own(pixels.astype("float32")), rtol=1e-6)

    def test_rescale(self):
        pixels = images(8)
        np.testing.assert_allclose(preprocess(pixels, "VGG16", "rescale"), pixels / 255, rtol=1e-6)

    def test_unknown_way(self):
        with pytest.raises(ValueError, match="'caffe'"):
            preprocess(images(8), "VGG16", "caffe")
