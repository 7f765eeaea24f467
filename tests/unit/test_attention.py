"""Pictures of filters, maps and heat, by hand."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.attention import _before_softmax, _called, _last_maps, _tiles, filters_and_maps, overlaid

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def a_network(*layers: keras.layers.Layer) -> keras.Sequential:
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


def test_the_first_the_middle_and_the_last_maps():
    """Of three convolutions with two, three and four maps; a tile of 48 pixels has a border of one."""
    network = a_network(
        keras.layers.Conv2D(2, 3),
        keras.layers.Conv2D(3, 3),
        keras.layers.Conv2D(4, 3),
        keras.layers.Flatten(),
    )
    found = filters_and_maps([network], np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32"))
    assert {name: picture.shape for name, picture in found.items()} == {
        "filters": (26, 2 * 26, 3),
        "maps-first": (50, 2 * 50, 3),
        "maps-middle": (50, 3 * 50, 3),
        "maps-last": (50, 4 * 50, 3),
    }
    dense = a_network(keras.layers.Flatten(), keras.layers.Dense(2))
    assert filters_and_maps([dense], np.zeros((1, 8, 8, 3), "float32")) == {}


def test_tiles_are_stretched_from_black_to_white():
    pictures = [np.array([[[0.0], [5.0]], [[10.0], [10.0]]])] + [np.full((2, 2, 1), 3.0)] * 39
    sheet = _tiles(pictures, 4)
    assert sheet.shape == (4 * 6, 8 * 6, 3), "32 at most, eight in a row"
    assert sheet[1:5, 1:5, 0].tolist() == [[0, 0, 127, 127]] * 2 + [[255] * 4] * 2
    assert (sheet[1:5, 7:11] == 0).all() and (sheet[0] == 255).all() and (sheet[:, 6] == 255).all()
    assert (sheet[7:11, 1:5] == 0).all() and _tiles(pictures[:3], 4).shape == (6, 18, 3)
    color = np.zeros((1, 1, 3))
    color[..., 1] = 1.0
    assert _tiles([color], 2)[1, 1].tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("heat", "color"),
    [
        (0.0, (0, 0, 127.5)),
        (0.25, (0, 127.5, 255)),
        (0.5, (127.5, 255, 127.5)),
        (0.75, (255, 127.5, 0)),
        (1.0, (127.5, 0, 0)),
    ],
)
def test_heat_goes_from_blue_over_green_to_red(heat: float, color: tuple[float, ...]):
    """Over the gray of the image; its share grows from 15 to 65 percent."""
    mixed = overlaid(np.full((1, 1, 3), (30, 60, 90), np.uint8), np.full((1, 1), heat, np.float32))
    share = 0.15 + 0.5 * heat
    expected = [int((1 - share) * 60 + share * one) for one in color]
    assert mixed[0, 0] == pytest.approx(expected, abs=1)


def test_the_last_maps_that_still_show_a_place():
    inputs = np.zeros((1, 8, 8, 3), "float32")
    large = a_network(keras.layers.Conv2D(2, 5), keras.layers.Conv2D(2, 2))  # 4 x 4, then 3 x 3
    assert _last_maps(_called([large], inputs)[0]).shape == (1, 4, 4, 2)
    small = a_network(keras.layers.Conv2D(2, 6), keras.layers.Conv2D(2, 2), keras.layers.Conv2D(2, 2))
    assert _last_maps(_called([small], inputs)[0]).shape == (1, 2, 2, 2), "3 x 3, 2 x 2 and 1 x 1"


def test_scores_are_those_before_softmax():
    inputs = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    flat = inputs.reshape(2, -1)
    for bias in (True, False):
        dense = keras.layers.Dense(3, "softmax", use_bias=bias, bias_initializer="ones")
        calls, outputs = _called([a_network(keras.layers.Flatten(), dense)], inputs)
        expected = flat @ np.asarray(dense.kernel) + bias
        assert np.asarray(_before_softmax(calls, outputs)) == pytest.approx(expected, abs=1e-4)
    dense = keras.layers.Dense(3)
    calls, outputs = _called([a_network(keras.layers.Flatten(), dense, keras.layers.Softmax())], inputs)
    assert np.asarray(_before_softmax(calls, outputs)) == pytest.approx(
        flat @ np.asarray(dense.kernel), abs=1e-4
    )
    sigmoid = a_network(keras.layers.Flatten(), keras.layers.Dense(3, "sigmoid"))
    calls, outputs = _called([sigmoid], inputs)
    assert np.asarray(_before_softmax(calls, outputs)) == pytest.approx(np.log(np.asarray(outputs)), rel=1e-4)
