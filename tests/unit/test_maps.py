"""Feature maps and facts of networks, counted from their layers by hand."""

import json

import keras
import pytest
from keras import layers

from wbc.networks import complexity
from wbc.networks.complexity import Maps, describe, layer_count, maps_of, size_figures, work_of
from wbc.networks.facts import facts_of

INPUT = 8 * 8 * 3


def of(*more: keras.layers.Layer) -> Maps:
    return maps_of(keras.Sequential([keras.Input((8, 8, 3)), *more]))


def conv(activation: str | None = None) -> keras.layers.Layer:
    """Maps of 8 x 8 x 4."""
    return layers.Conv2D(4, 3, padding="same", activation=activation)


MAP = 8 * 8 * 4


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ([conv()], 0),  # its gradient needs the images, which are there anyway
        ([conv("relu")], MAP),
        ([conv(), conv()], MAP),
        ([conv("relu"), conv()], MAP),  # what is needed twice is kept once
        ([conv("relu"), conv("relu")], 2 * MAP),
        ([conv(), layers.ReLU()], MAP),
        ([conv(), layers.BatchNormalization()], MAP),
        ([conv("silu")], 2 * MAP),  # before and after
        ([conv("gelu"), layers.Dropout(0.5)], 3 * MAP),
        ([conv(), layers.Activation("hard_silu")], 2 * MAP),
        ([conv(), layers.MaxPooling2D(2)], MAP + MAP // 4),
        ([conv(), layers.AveragePooling2D(2)], 0),
        ([conv(), layers.Flatten(), layers.Dense(5)], MAP),  # a view of the same maps
        ([conv("relu"), layers.Flatten(), layers.Dense(5)], MAP),
        ([conv(), layers.SeparableConv2D(2, 3, padding="same")], MAP + 8 * 8 * 2),
        ([conv("softmax")], MAP),
    ],
)
def test_maps_that_gradients_need(more, kept):
    assert of(*more).kept == kept


def test_the_most_that_passes_is_the_inputs_and_outputs_of_one_layer():
    assert of(conv(), conv()).passing == 2 * MAP
    assert of(conv()).passing == INPUT + MAP
    inputs = keras.Input((8, 8, 3))
    both = conv()(inputs), conv()(inputs)
    assert maps_of(keras.Model(inputs, layers.Add()(both))).passing == 3 * MAP
    assert maps_of(keras.Model(inputs, layers.Multiply()(both))) == Maps(2 * MAP, 3 * MAP)


def test_maps_of_a_model_within_a_model_are_its_own():
    inner = keras.Sequential([keras.Input((8, 8, 3)), conv("relu"), conv("relu")])
    assert of(inner) == Maps(2 * MAP, 2 * MAP)
    assert of(inner, layers.AveragePooling2D(2)) == Maps(2 * MAP, 2 * MAP)


def test_a_dimension_that_is_open_counts_once():
    inputs = keras.Input((None, 8, 3))
    assert maps_of(keras.Model(inputs, conv("relu")(inputs))).kept == 8 * 4


class Subclass(keras.Model):
    """No graph of layers."""

    def call(self, inputs):
        return inputs


def test_what_is_no_graph_says_what_cannot_be_counted():
    for count, what in ((maps_of, "maps"), (work_of, "work")):
        with pytest.raises(ValueError) as caught:
            count(Subclass(name="mine"))
        assert str(caught.value) == f"mine is not a graph of layers, so its {what} cannot be counted"
    model = Subclass(name="mine")
    model.build((None, 3))
    assert size_figures(model) == {
        **{"parameters": 0, "trainable_parameters": 0, "layers": 0},
        "work_unavailable": "mine is not a graph of layers, so its work cannot be counted",
    }


def test_a_layer_of_statistics_multiplies_nothing():
    norm = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 1.0])
    model = keras.Sequential([keras.Input((8, 8, 3)), norm, conv()])
    assert work_of(model).macs == 8 * 8 * 4 * 27 and layer_count(model) == 2


def test_the_table_of_facts_is_that_of_the_networks(capsys):
    """The smallest network of the catalog, as the program writes it and the plan reads it."""
    complexity.main(["LeNet5"])
    made = json.loads(capsys.readouterr().out)
    assert made == {"LeNet5": describe("LeNet5")}
    facts, known = made["LeNet5"], facts_of("LeNet5", {}, made["LeNet5"]["image_size"])
    for name in ("parameters", "multiply_accumulates", "layers", "kept_maps", "passing_maps"):
        assert getattr(known, name) == facts[name]
    height, width, channels = facts["features"]
    assert known.features == height * width * channels


def test_facts_are_scaled_by_area_and_width():
    whole, half = facts_of("MobileNet", {}, 224), facts_of("MobileNet", {"alpha": 0.5}, 112)
    assert half.parameters == whole.parameters / 4 and half.layers == whole.layers
    assert half.multiply_accumulates == pytest.approx(whole.multiply_accumulates / 16)
    assert half.kept_maps == whole.kept_maps / 8 and half.passing_maps == whole.passing_maps / 8
    assert whole.features == 7 * 7 * 1024 and half.features == 7 * 7 / 4 * 1024 / 2
    assert facts_of("MobileNet", {}, 16).features == 1024, "no map is smaller than a pixel"
    assert facts_of("Mine", {}, 224) is None
