"""What the networks of the papers drop while they train, and the columns of FractalNet."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from wbc.networks.papers.fractalnet import ColumnChoice, Join, fractalnet
from wbc.networks.papers.residual import stochastic_depth_resnet110, survivals

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CIFAR = (32, 32, 3)


class TestStochasticDepth:
    def test_linear_decay(self):
        # Section 3: p_l = 1 - l / L (1 - p_L).
        assert survivals(4, 0.5) == [0.875, 0.75, 0.625, 0.5]
        model = stochastic_depth_resnet110(CIFAR, 10, survival=0.25, depth=20)
        chances = [layer.survival for layer in model.layers if hasattr(layer, "survival")]
        assert chances == survivals(9, 0.25)

    def test_without_drops_nothing_is_random(self):
        model = stochastic_depth_resnet110(CIFAR, survival=1.0, depth=8)
        assert not any(hasattr(layer, "survival") for layer in model.layers)

    def test_blocks_are_numbered_from_one(self):
        model = stochastic_depth_resnet110((8, 8, 3), depth=14)
        ends = [layer.name for layer in model.layers if layer.name.endswith("_add")]
        assert ends == [f"stage{stage}_block{block}_add" for stage in (1, 2, 3) for block in (1, 2)]

    def test_depth(self):
        with pytest.raises(ValueError, match="6 n \\+ 2"):
            stochastic_depth_resnet110(CIFAR, depth=51)


class TestFractalNet:
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


def drawn(call, times: int) -> np.ndarray:
    """What a layer makes of the same input in so many calls, traced once as in training."""
    traced = tf.function(call)
    return np.array([traced() for _ in range(times)])


def _one(column: int):
    return keras.ops.convert_to_tensor(np.eye(3, dtype="float32")[column])


class TestDropPath:
    def test_columns_are_drawn_in_their_share(self):
        layer = ColumnChoice(4, 0.5, seed=1)
        draws = drawn(lambda: layer(np.zeros((1, 1)), training=True), 400)
        assert set(np.unique(draws)) == {0, 1}
        assert draws.sum(axis=1).max() == 1
        assert 0.4 < draws.sum() / 400 < 0.6
        assert (draws.sum(axis=0) > 25).all()
        assert not np.any(layer(np.zeros((1, 1)), training=False))

    def test_local_joins_keep_at_least_one_and_take_the_mean(self):
        layer = Join(0.6, seed=2)
        branches = [np.full((1, 1, 1, 1), value, "float32") for value in (1, 10, 100)]
        local = np.zeros(3, "float32")
        means = [
            round(float(one), 3)
            for one in drawn(lambda: layer([local, *branches], training=True), 200)[:, 0, 0, 0, 0]
        ]
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

    @pytest.mark.parametrize(
        ("drawn", "column"),
        [
            ((0.0, 0.0), 0),
            ((0.29, 0.49), 1),
            ((0.29, 0.5), 2),
            ((0.2, 0.99), 3),
            ((0.3, 0.5), None),
            ((0.9, 0.0), None),
        ],
    )
    def test_the_first_number_decides_whether_a_column_is_alone_and_the_second_which(
        self, monkeypatch, drawn, column
    ):
        monkeypatch.setattr(
            keras.random, "uniform", lambda shape, seed: keras.ops.convert_to_tensor(np.float32(drawn))
        )
        found = ColumnChoice(4, 0.3)(np.zeros((1, 1)), training=True)
        expected = np.zeros(4) if column is None else np.eye(4)[column]
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize(
        ("drawn", "mean"),
        [((0.6, 0.59, 0.1), 1), ((0.5, 0.59, 0.1), 10), ((0.6, 0.7, 0.1), 5.5), ((0.6, 0.6, 0.6), 37)],
    )
    def test_an_input_is_kept_from_the_drop_rate_on_and_the_largest_always(self, monkeypatch, drawn, mean):
        monkeypatch.setattr(
            keras.random, "uniform", lambda shape, seed: keras.ops.convert_to_tensor(np.float32(drawn))
        )
        branches = [np.full((1, 1, 1, 1), value, "float32") for value in (1, 10, 100)]
        found = Join(0.6)([np.zeros(3, "float32"), *branches], training=True)
        assert float(found[0, 0, 0, 0]) == pytest.approx(mean)

    def test_layers_are_rebuilt_from_their_settings(self):
        choice, join = ColumnChoice(4, 0.25, seed=7, name="x"), Join(0.125, seed=8)
        own = choice.get_config()
        assert (own["columns"], own["ratio"], own["seed"], own["name"]) == (4, 0.25, 7, "x")
        assert (join.get_config()["drop_path"], join.get_config()["seed"]) == (0.125, 8)
        again = ColumnChoice.from_config(own)
        assert (again.columns, again.ratio, again.seed) == (4, 0.25, 7)
