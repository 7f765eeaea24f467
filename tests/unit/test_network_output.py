"""What the model of a user's function must return, and the scaling behind ImageNet weights of EfficientNet."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np
import pytest

from wbc.errors import InputError
from wbc.networks.build import _check_output, _has_stretch, _stretch, _tolerance
from wbc.networks.stock import scaling_layers

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize(
    ("output", "classes", "said"),
    [
        ([[0.2, 0.3, 0.5]], 3, ""),
        ([[0.0, 0.5, 0.5]], 3, ""),
        ([[0.2, 0.3, 0.5009]], 3, ""),
        ([[0.2, 0.3, 0.502]], 3, "it returned a model whose output is not probabilities"),
        ([[0.2, 0.3, 0.498]], 3, "it returned a model whose output is not probabilities"),
        ([[-0.1, 0.6, 0.5]], 3, "it returned a model whose output is not probabilities"),
        ([[0.5, 0.5]], 3, "it returned a model whose output has the shape ('images', 2)"),
        ([0.5, 0.5], 2, "it returned a model whose output has the shape ('images',)"),
        ([[0.5, 7.0]], None, ""),
        ([0.5, 0.5], None, "it returned a model without features"),
    ],
)
def test_the_output_of_a_users_model(output: list, classes: int | None, said: str):
    assert _tolerance() == 1e-3
    if not said:
        _check_output(np.array(output), classes, "it")
        return
    with pytest.raises(InputError) as caught:
        _check_output(np.array(output), classes, "it")
    assert caught.value.what == said


@pytest.mark.parametrize(
    ("names", "stretched"),
    [(["input", "rescaling", "conv"], False), (["rescaling", "rescaling_1"], True), ([], False)],
)
@pytest.mark.parametrize("layout", ["weights of Keras 2", "a model of Keras 2", "Keras 3"])
def test_a_file_with_two_layers_of_scaling_was_saved_with_imagenet_weights(
    tmp_path: Path, names: list[str], stretched: bool, layout: str
):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        if layout == "Keras 3":
            for name in names:
                file.create_group(f"layers/{name}")
        else:
            root = file.create_group("model_weights") if layout == "a model of Keras 2" else file
            root.attrs["layer_names"] = [name.encode() for name in names]
    assert _has_stretch(path) is stretched


def test_the_variance_is_scaled_by_the_deviations_of_the_colors():
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Normalization()])
    mean, variance = np.array([1.0, 2.0, 3.0], "float32"), np.array([4.0, 5.0, 6.0], "float32")
    model.layers[0].set_weights([mean, variance, *model.layers[0].get_weights()[2:]])
    _stretch(model)
    found = model.layers[0].get_weights()
    assert found[0].tolist() == mean.tolist()
    assert found[1] == pytest.approx([4 * 0.229, 5 * 0.224, 6 * 0.225])


@pytest.mark.parametrize(
    ("scale", "names"),
    [
        (lambda pixels: pixels * 1.0, []),
        (lambda pixels: pixels / 255.0, ["scale"]),
        (lambda pixels: pixels - 1.0, ["scale"]),
        (lambda pixels: pixels[..., ::-1] * 1.0, ["order_of_colors"]),
    ],
)
def test_no_more_layers_scale_pixels_than_are_needed(scale, names: list[str]):
    assert [
        layer.name for layer in scaling_layers(lambda pixels: scale(pixels).astype("float32"), 8)
    ] == names
