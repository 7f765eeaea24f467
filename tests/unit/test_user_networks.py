"""Networks that users bring along."""

import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime
from wbc.backbones import find_backbone
from wbc.errors import InputError
from wbc.networks.build import build_backbone, build_classifier
from wbc.networks.catalog import find_network
from wbc.networks.preprocessing import preprocess
from wbc.networks.users import Reference
from wbc.networks.weights import locate_weights

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu")

MODULE = """
import keras
from keras import layers

def small(input_shape, classes, width=4):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(width, 3, 2, activation="relu")(inputs)
    if classes is not None:
        x = layers.Dense(classes, "softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)

def logits(input_shape, classes):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, layers.Dense(classes)(layers.Flatten()(inputs)))

def two(input_shape, classes):
    inputs = keras.Input(input_shape)
    x = layers.Flatten()(inputs)
    return keras.Model(inputs, [x, x])

def fixed(input_shape, classes):
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, layers.Dense(classes, "softmax")(layers.Flatten()(inputs)))

def ten(input_shape, classes):
    return small(input_shape, 10)

def broken(input_shape, classes):
    raise KeyError("no such layer")

def nothing(input_shape, classes):
    pass

def halved(pixels):
    pixels /= 2
    return pixels

def cut(pixels):
    return pixels[:, 1:]

constant = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's in the current directory; the name of it, which no other test has imported."""
    name = f"mine_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def options(module: str, function: str = "small", **more) -> dict:
    return {"build": f"{module}:{function}", **more}


class TestReference:
    @pytest.mark.parametrize(
        "text", ["small", "a.b", ":small", "a:", "a:b:c", "a b:c", "./a.py:b", 3, ["a:b"]]
    )
    def test_form(self, text):
        with pytest.raises(InputError, match="does not name a function of a module") as caught:
            Reference.parse("build", text)
        assert "package.module:function" in caught.value.way_out

    def test_finding_a_module_imports_neither_it_nor_its_packages(self, tmp_path, monkeypatch):
        inner = tmp_path / "outer_package" / "inner"
        inner.mkdir(parents=True)
        (tmp_path / "outer_package" / "__init__.py").write_text("raise RuntimeError('imported')")
        (inner / "net.py").write_text("raise RuntimeError('imported')")
        monkeypatch.chdir(tmp_path)
        assert Reference.parse("build", "outer_package.inner.net:f").source() == inner / "net.py"
        (inner / "__init__.py").write_text("")
        assert Reference.parse("build", "outer_package.inner:f").source() == inner / "__init__.py"

    def test_an_installed_module_is_found(self):
        assert Reference.parse("build", "keras.applications:VGG16").source().name == "__init__.py"

    @pytest.mark.parametrize("name", ["nowhere_to_be_found", "json.nowhere", "sys"])
    def test_a_module_that_is_not_there(self, name):
        with pytest.raises(InputError, match=f"there is no module {name}"):
            Reference.parse("build", f"{name}:f").source()

    def test_a_module_that_cannot_be_imported(self, tmp_path, monkeypatch):
        (tmp_path / "torn_module.py").write_text("import not_installed_anywhere")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(InputError, match=r"torn_module cannot be imported: ModuleNotFoundError"):
            Reference.parse("build", "torn_module:f").load()

    @pytest.mark.parametrize("function", ["absent", "constant"])
    def test_a_function_that_is_not_there(self, module, function):
        with pytest.raises(InputError, match=f"{module} has no function {function}"):
            Reference.parse("build", f"{module}:{function}").load()


class TestNetwork:
    def test_label_and_arguments(self, module):
        given = options(module, width=8, deep=True, flat=False, kind="a/b c", sizes=[1, 2])
        network = find_network("MyNet", given)
        assert network.label(given) == "MyNet-width8-deep-no_flat-kinda_b_c-sizes1_2"
        assert network.check_options(given) == given
        assert network.arguments(given) == {key: given[key] for key in given if key != "build"}
        assert set(network.sources()) == {module}

    def test_options_are_plain_values_and_any_size_will_do(self, module):
        network = find_network("MyNet", options(module))
        assert network.native_size == 1
        network.check_size(1)
        with pytest.raises(InputError, match="MyNet needs images of at least 1 x 1 pixels"):
            network.check_size(0)
        network.check_options({"deep": [1, 2.5, {"a": [True, "b"]}]})
        for value in (None, [None], {"a": [object]}):
            with pytest.raises(InputError) as caught:
                network.check_options({"width": 3, "deep": value})
            assert caught.value.what == f"deep of MyNet is {value!r}"
            assert caught.value.way_out == "Options are numbers, strings and lists."

    def test_a_label_has_a_hundred_letters_at_most(self, module):
        long = options(module, word="x" * 200)
        assert find_network("MyNet", long).label(long) == ("MyNet-word" + "x" * 200)[:100]

    def test_the_name_of_another_network_is_refused(self, module):
        with pytest.raises(InputError, match="VGG16 is the name of another network"):
            find_network("VGG16", options(module))

    def test_a_name_that_is_no_file_name_is_refused(self, module):
        with pytest.raises(InputError, match="cannot be called 'a/b'"):
            find_network("a/b", options(module))

    def test_is_no_classical_method(self, module):
        with pytest.raises(InputError, match="MyNet is a network, but mode is 'classical'"):
            find_backbone("MyNet", "classical", options(module))

    def test_has_no_imagenet_weights_but_may_have_a_file(self, module, tmp_path):
        with pytest.raises(InputError, match="Keras has no ImageNet weights of MyNet"):
            locate_weights("imagenet", "MyNet", options(module), image_size=32)
        build_backbone("MyNet", options(module, width=2), 32).save_weights(
            tmp_path / "MyNet-width2.weights.h5"
        )
        source = locate_weights(
            "imagenet", "MyNet", options(module, width=2), image_size=32, weights_folder=tmp_path
        )
        assert source.kind == "folder"
        build_backbone("MyNet", options(module, width=2), 32, source)
        with pytest.raises(InputError, match="does not fit MyNet-width3"):
            build_backbone("MyNet", options(module, width=3), 32, source)


class TestBuild:
    def test_classifier_and_backbone(self, module):
        assert build_classifier("MyNet", options(module, width=5), 32, 3).output_shape == (None, 3)
        assert build_backbone("MyNet", options(module, width=5), 32).output_shape == (None, 15, 15, 5)

    @pytest.mark.parametrize(
        ("function", "said"),
        [
            ("logits", "output is not probabilities"),
            ("two", "model with several outputs"),
            ("fixed", "does not accept such images"),
            ("ten", r"output has the shape \('images', 10\)"),
            ("broken", "could not build MyNet: KeyError: 'no such layer'"),
            ("nothing", "returned NoneType, not a keras.Model"),
        ],
    )
    def test_what_is_no_classifier_is_refused(self, module, function, said):
        with pytest.raises(InputError, match=said) as caught:
            build_classifier("MyNet", options(module, function), 32, 3)
        assert f"{module}:{function}" in caught.value.what
        assert "\n" not in caught.value.what

    def test_an_option_that_the_function_does_not_take(self, module):
        with pytest.raises(InputError, match=r"could not build MyNet: TypeError.*'depth'"):
            build_classifier("MyNet", options(module, depth=3), 32, 3)


class TestPreprocessing:
    pixels = np.full((1, 2, 2, 3), [255, 51, 0], np.uint8)

    def test_default(self, module):
        scaled = preprocess(self.pixels, "MyNet", options=options(module))
        np.testing.assert_allclose(scaled[0, 0, 0], [1, -0.6, -1], rtol=1e-6)

    def test_own_function(self, module):
        given = options(module, preprocess=f"{module}:halved")
        scaled = preprocess(self.pixels, "MyNet", options=given)
        np.testing.assert_allclose(scaled[0, 0, 0], [127.5, 25.5, 0])
        assert scaled.dtype == np.float32
        assert self.pixels.max() == 255

    def test_rescale_goes_before_it(self, module):
        given = options(module, preprocess=f"{module}:halved")
        assert preprocess(self.pixels, "MyNet", "rescale", given).max() == 1

    def test_another_shape_is_refused(self, module):
        with pytest.raises(InputError, match=r"cut made \(1, 1, 2, 3\) of pixels of shape \(1, 2, 2, 3\)"):
            preprocess(self.pixels, "MyNet", options=options(module, preprocess=f"{module}:cut"))


class TestSuite:
    def trials(self, folder, backbone, mode="scratch"):
        text = f'[data]\nimage_size = 32\n[[matrix]]\nmode = "{mode}"\n\nbackbone = {backbone}\n'
        (folder / "suite.toml").write_text(text)
        return resolve_suite(folder / "suite.toml", folder / "cache", runtime=RUNTIME).trials

    def test_a_changed_source_file_is_another_trial(self, module, tmp_path):
        backbone = f'{{ name = "MyNet", build = "{module}:small", width = 3 }}'
        (first,) = self.trials(tmp_path, backbone)
        (again,) = self.trials(tmp_path, backbone)
        (tmp_path / f"{module}.py").write_text(MODULE + "# changed\n")
        (changed,) = self.trials(tmp_path, backbone)
        assert first.id == again.id
        assert first.key != changed.key
        assert first.network == "MyNet-width3"
        assert first.id.startswith("mynet-width3-scratch-")
        assert first.specification["options"] == {"build": f"{module}:small", "width": 3}
        assert "sources" not in first.specification

    def test_is_called_as_its_function(self, module, tmp_path):
        (trial,) = self.trials(tmp_path, f'{{ build = "{module}:small" }}')
        assert trial.network == trial.settings.network == "small"

    @pytest.mark.parametrize(
        ("backbone", "said"),
        [
            ('{ name = "MyNet", build = "nowhere_at_all:f" }', "there is no module nowhere_at_all"),
            ('{ name = "MyNet", build = "nowhere" }', "does not name a function of a module"),
            ('{ build = 3, name = "x" }', "build is 3"),
            ("{ width = 3 }", "backbone.*is missing"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_line(self, tmp_path, backbone, said):
        with pytest.raises(InputError, match=rf"suite\.toml, line 6: .*{said}"):
            self.trials(tmp_path, backbone)

    @pytest.mark.parametrize(
        ("function", "said"),
        [("smal", r"has no function smal\.\nDid you mean small\?"), ("qqq", "has no function qqq")],
    )
    def test_a_misspelt_function_is_found_without_importing(self, module, tmp_path, function, said):
        with pytest.raises(InputError, match=rf"(?s)suite\.toml, line 6: .*{said}"):
            self.trials(tmp_path, f'{{ build = "{module}:{function}" }}')

    def test_source_that_is_no_python_is_named_with_its_line(self, module, tmp_path):
        (tmp_path / f"{module}.py").write_text("import keras\ndef small(:\n")
        with pytest.raises(InputError, match=rf"{module}\.py, line 2 is not valid Python"):
            self.trials(tmp_path, f'{{ build = "{module}:small" }}')

    def test_names_that_come_from_elsewhere_are_left_to_python(self, module, tmp_path):
        (tmp_path / f"{module}.py").write_text("from keras.applications import *\n")
        (trial,) = self.trials(tmp_path, f'{{ name = "Mine", build = "{module}:MobileNet" }}')
        assert trial.network == "Mine"

    def test_resolving_loads_neither_keras_nor_the_module(self, module, tmp_path):
        self.trials(tmp_path, f'{{ build = "{module}:small" }}')
        code = f"""
import sys
from pathlib import Path
from bench.trials.settings import Runtime
from bench.suite.resolve import resolve_suite
resolve_suite(Path("suite.toml"), Path("cache"), runtime=Runtime(wbc="w", tensorflow="2", keras="3", device="cpu"))
print(*{{"keras", "tensorflow", {module!r}}} & set(sys.modules))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""
