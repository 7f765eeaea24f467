"""The catalog held against the Keras that is installed."""

import inspect
import os
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
from keras.src.backend import config
from keras.src.utils import file_utils

from wbc.errors import InputError
from wbc.networks.catalog import NETWORKS, find_network
from wbc.networks.weights import fetch_with_keras, keras_homes

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


class TestCatalog:
    def test_names(self):
        assert {name for name in NETWORKS if not find_network(name).builder} == set(APPLICATIONS)

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
        with pytest.raises(InputError, match=r"Keras could not load the ImageNet weights .*: stop here\.\n"):
            fetch_with_keras(name, options, size)
        file = find_network(name).imagenet_file(options, size)
        assert asked == [(file.name, file.url)]

    def test_cache_is_where_keras_keeps_it(self):
        assert keras_homes()[0] == Path(config.keras_home())
