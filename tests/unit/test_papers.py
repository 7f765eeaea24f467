"""The networks of the papers: sizes of their maps, numbers of their parameters, what they drop."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.papers.alexnet import alexnet, zfnet
from wbc.networks.papers.fractalnet import MAPS, ColumnChoice, Join, fractalnet
from wbc.networks.papers.googlenet import INCEPTIONS, googlenet
from wbc.networks.papers.residual import (
    resnext50,
    stochastic_depth_resnet50,
    stochastic_depth_resnet110,
    survivals,
)
from wbc.networks.papers.squeezenet import squeezenet

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGENET = (224, 224, 3)
CIFAR = (32, 32, 3)


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def map_sizes(model: keras.Model, *names: str) -> list[int]:
    return [model.get_layer(name).output.shape[1] for name in names]


class TestAlexNet:
    def test_parameters_and_maps(self):
        model = alexnet(IMAGENET, 1000)
        # BVLC's Caffe model has 60,965,224 (the paper: 60 million).
        assert trainable(model) == 60_965_224
        assert map_sizes(model, "conv1", "pool1", "pool2", "conv5", "pool5") == [55, 27, 13, 13, 6]
        assert (model.get_layer("conv2").bias.numpy() == 1).all(), "section 5"
        assert (model.get_layer("conv3").bias.numpy() == 0).all()

    def test_in_one_piece(self):
        # Every kernel of the second, fourth and fifth convolution sees twice as many maps.
        more = 25 * 48 * 256 + 9 * 192 * 384 + 9 * 192 * 256
        model = alexnet(IMAGENET, groups=1)
        assert trainable(model) == trainable(alexnet(IMAGENET)) + more
        assert 60_965_224 + more == 62_378_344


def test_zfnet():
    model = zfnet(IMAGENET, 1000)
    # Figure 3, by hand: five convolutions, three dense layers, with biases.
    convolutions = 49 * 3 * 96 + 25 * 96 * 256 + 9 * 256 * 384 + 9 * 384 * 384 + 9 * 384 * 256
    biases = 96 + 256 + 384 + 384 + 256 + 4096 + 4096 + 1000
    assert trainable(model) == convolutions + 6 * 6 * 256 * 4096 + 4096 * 4096 + 4096 * 1000 + biases
    assert map_sizes(model, "conv1", "pool1", "conv2", "pool2", "pool5") == [110, 55, 26, 13, 6]


# Column "params" of the paper's table 1: kernels without biases, in units of 1024.
TABLE_1 = {
    "3a": 159,
    "3b": 380,
    "4a": 364,
    "4b": 437,
    "4c": 463,
    "4d": 580,
    "4e": 840,
    "5a": 1072,
    "5b": 1388,
}


class TestGoogLeNet:
    def test_parameters_and_maps(self):
        model = googlenet(IMAGENET, 1000)
        assert trainable(model) == 6_998_552  # BVLC's Caffe model without its auxiliary classifiers
        assert map_sizes(model, "conv1", "pool1", "conv2", "pool2") == [112, 56, 56, 28]
        assert map_sizes(model, "inception_3b", "inception_4e", "inception_5b") == [28, 14, 7]
        kernels = {module: 0 for module in INCEPTIONS}
        for layer in model.layers:
            if layer.name.startswith("inception") and layer.weights:
                kernels[layer.name.split("_")[1]] += int(np.prod(layer.kernel.shape))
        # The table agrees with its own numbers of maps in 3a and 3b, and to a few per cent in the others.
        ours = {module: count / 1024 for module, count in kernels.items()}
        assert ours["3a"] == pytest.approx(TABLE_1["3a"], abs=1)
        assert ours["3b"] == pytest.approx(TABLE_1["3b"], abs=1)
        assert ours == pytest.approx(TABLE_1, rel=0.08)

    def test_auxiliary_classifiers(self):
        model = googlenet(IMAGENET, 1000, auxiliary=True)
        assert trainable(model) == 13_378_280  # BVLC's Caffe model
        assert [output.shape for output in model.outputs] == [(None, 1000)] * 3


@pytest.mark.parametrize(("version", "parameters"), [(1.0, 1_248_424), (1.1, 1_235_496)])
def test_squeezenet(version, parameters):
    # Table 1 of the paper; the authors' release of version 1.1.
    model = squeezenet(IMAGENET, 1000, version=version)
    assert trainable(model) == parameters
    pools = ("pool1", "pool4", "pool8") if version == 1.0 else ("pool1", "pool3", "pool5")
    assert map_sizes(model, "conv1", *pools) == [111, 55, 27, 13]


def test_resnext():
    model = resnext50(IMAGENET, 1000)
    assert trainable(model) == 25_028_904  # table 1: 25.0 million
    # One group of 64 maps is ResNet-50, its bottlenecks apart: the right and left column of table 1.
    assert trainable(resnext50(IMAGENET, 1000, cardinality=1, width=64)) == 25_557_032
    ends = ("stage2_block3_relu", "stage3_block4_relu", "stage4_block6_relu", "stage5_block3_relu")
    assert map_sizes(model, "conv1", *ends) == [112, 56, 28, 14, 7]
    assert model.get_layer(ends[-1]).output.shape[-1] == 2048


class TestStochasticDepth:
    def test_parameters(self):
        # He et al. 2016, table 6: 1.7 million; by hand: kernels, batch normalization, classifier.
        kernels = 432 + 36 * 2304 + (4608 + 35 * 9216) + (18432 + 35 * 36864)
        normalization = 2 * (37 * 16 + 36 * 32 + 36 * 64)
        assert trainable(stochastic_depth_resnet110(CIFAR, 10)) == kernels + normalization + 650 == 1_727_962
        assert trainable(stochastic_depth_resnet50(IMAGENET, 1000)) == 25_557_032  # ResNet-50 without biases

    def test_linear_decay(self):
        # Section 3: p_l = 1 - l / L (1 - p_L).
        assert survivals(4, 0.5) == [0.875, 0.75, 0.625, 0.5]
        model = stochastic_depth_resnet110(CIFAR, 10, survival=0.25, depth=20)
        chances = [layer.survival for layer in model.layers if hasattr(layer, "survival")]
        assert chances == survivals(9, 0.25)

    def test_without_drops_nothing_is_random(self):
        model = stochastic_depth_resnet110(CIFAR, survival=1.0, depth=8)
        assert not any(hasattr(layer, "survival") for layer in model.layers)

    def test_depth(self):
        with pytest.raises(ValueError, match="6 n \\+ 2"):
            stochastic_depth_resnet110(CIFAR, depth=51)

    def test_drops_follow_the_seed_and_are_part_of_the_variables(self):
        def build():
            keras.utils.set_random_seed(3)
            return stochastic_depth_resnet110((8, 8, 3), survival=0.3, depth=14)

        def outputs(model):
            pixels = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
            return [np.asarray(model(pixels, training=True)) for _ in range(6)]

        model = build()
        kept = [np.array(variable) for variable in model.variables]
        first = outputs(model)
        assert any((one != first[0]).any() for one in first[1:])
        np.testing.assert_array_equal(outputs(build()), first)
        # What a checkpoint does: all variables, the states of the generators among them.
        for variable, value in zip(model.variables, kept, strict=True):
            variable.assign(value)
        np.testing.assert_array_equal(outputs(model), first)


def fractal_convolutions(columns: int, before: int, maps: int) -> int:
    """Weights of a block: 2^columns - 1 convolutions, of which `columns` see what enters the block."""
    return 9 * maps * (columns * before + (2**columns - 1 - columns) * maps)


class TestFractalNet:
    @pytest.mark.parametrize(("columns", "blocks"), [(1, 5), (4, 3)])
    def test_parameters(self, columns, blocks):
        model = fractalnet(CIFAR, 10, columns=columns, blocks=blocks)
        before, expected = 3, 0
        for maps in MAPS[:blocks]:
            expected += fractal_convolutions(columns, before, maps) + 2 * maps * (2**columns - 1)
            before = maps
        assert trainable(model) == expected + 10 * (before + 1)
        assert model.get_layer(f"pool{blocks}").output.shape[1:] == (32 // 2**blocks, 32 // 2**blocks, before)

    def test_depth_of_the_columns(self):
        """Convolutions on the longest and on the shortest way through a block of four columns."""
        model = fractalnet(CIFAR, columns=4, blocks=1)
        longest, shortest = {}, {}
        for layer in model.layers:
            operation = layer._inbound_nodes[0]
            sources = [tensor._keras_history.operation.name for tensor in operation.input_tensors]
            sources = [name for name in sources if name != "path"] or [None]
            own = isinstance(layer, keras.layers.Conv2D)
            longest[layer.name] = own + max(longest.get(name, 0) for name in sources)
            shortest[layer.name] = own + min(shortest.get(name, 0) for name in sources)
        assert longest["pool1"] == 8
        assert shortest["pool1"] == 1
        joins = [layer for layer in model.layers if isinstance(layer, Join)]
        assert sorted(len(join.input) - 1 for join in joins) == [2, 2, 3, 4], "figure 1"

    def test_a_global_column_is_the_plain_network_of_its_depth(self, monkeypatch):
        """Through the whole network nothing but the chosen column is heard."""
        keras.utils.set_random_seed(0)
        model = fractalnet(CIFAR, columns=3, blocks=2, dropout=0.0)
        pixels = np.random.default_rng(0).normal(size=(2, *CIFAR)).astype("float32")
        for column, numbers in enumerate(([1, 2, 4, 5], [3, 6], [7])):
            monkeypatch.setattr(ColumnChoice, "call", lambda self, x, training=None, c=column: _one(c))
            heard = np.asarray(model(pixels, training=True))
            x = pixels
            for block in (1, 2):
                for number in numbers:
                    x = model.get_layer(f"block{block}_conv{number}")(x)
                    x = model.get_layer(f"block{block}_conv{number}_bn")(x, training=True)
                    x = model.get_layer(f"block{block}_conv{number}_relu")(x)
                x = model.get_layer(f"pool{block}")(x)
            np.testing.assert_allclose(heard, np.asarray(x), rtol=1e-4, atol=1e-4)


def _one(column: int):
    return keras.ops.convert_to_tensor(np.eye(3, dtype="float32")[column])


class TestDropPath:
    def test_columns_are_drawn_in_their_share(self):
        layer = ColumnChoice(4, 0.5, seed=1)
        draws = np.array([layer(np.zeros((1, 1)), training=True) for _ in range(400)])
        assert set(np.unique(draws)) == {0, 1}
        assert draws.sum(axis=1).max() == 1
        assert 0.4 < draws.sum() / 400 < 0.6
        assert (draws.sum(axis=0) > 25).all()
        assert not np.any(layer(np.zeros((1, 1)), training=False))

    def test_local_joins_keep_at_least_one_and_take_the_mean(self):
        layer = Join(0.6, seed=2)
        branches = [np.full((1, 1, 1, 1), value, "float32") for value in (1, 10, 100)]
        local = np.zeros(3, "float32")
        means = [round(float(layer([local, *branches], training=True)[0, 0, 0, 0]), 3) for _ in range(200)]
        possible = {1.0, 10.0, 100.0, 5.5, 50.5, 55.0, 37.0}
        assert set(means) == possible
        # All three survive with 0.4^3; alone each does with (0.4 * 0.6^2 + 0.6^3 / 3).
        assert means.count(37.0) / 200 == pytest.approx(0.064, abs=0.05)
        assert np.mean(np.isin(means, (1, 10, 100))) == pytest.approx(0.648, abs=0.1)
        assert float(layer([local, *branches], training=False)[0, 0, 0, 0]) == pytest.approx(37)

    def test_global_joins_let_the_column_through_where_it_arrives(self):
        layer = Join(0.5, seed=3)
        branches = [np.full((1, 1, 1, 1), value, "float32") for value in (1, 10)]
        for column, expected in ((0, 1), (1, 10), (2, 5.5)):
            path = np.eye(3, dtype="float32")[column]
            assert float(layer([path, *branches], training=True)[0, 0, 0, 0]) == pytest.approx(expected)
