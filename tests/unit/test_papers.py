"""The networks of the papers at their full size: their maps, and the numbers of their parameters."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.papers.alexnet import alexnet, zfnet
from wbc.networks.papers.fractalnet import MAPS, fractalnet
from wbc.networks.papers.googlenet import INCEPTIONS, googlenet
from wbc.networks.papers.residual import (
    resnext50,
    stochastic_depth_resnet50,
    stochastic_depth_resnet110,
)
from wbc.networks.papers.squeezenet import squeezenet

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGENET = (224, 224, 3)
CIFAR = (32, 32, 3)


@pytest.fixture
def blank(monkeypatch):
    """Kernels of zeros: to draw those of large networks takes longer than all else here."""
    for kind in (keras.initializers.RandomNormal, keras.initializers.VarianceScaling):
        monkeypatch.setattr(kind, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype))


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def map_sizes(model: keras.Model, *names: str) -> list[int]:
    return [model.get_layer(name).output.shape[1] for name in names]


@pytest.mark.usefixtures("blank")
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


@pytest.mark.usefixtures("blank")
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


@pytest.mark.usefixtures("blank")
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


@pytest.mark.usefixtures("blank")
def test_resnext():
    model = resnext50(IMAGENET, 1000)
    assert trainable(model) == 25_028_904  # table 1: 25.0 million
    # One group of 64 maps is ResNet-50, its bottlenecks apart: the right and left column of table 1.
    assert trainable(resnext50(IMAGENET, 1000, cardinality=1, width=64)) == 25_557_032
    ends = ("stage2_block3_relu", "stage3_block4_relu", "stage4_block6_relu", "stage5_block3_relu")
    assert map_sizes(model, "conv1", *ends) == [112, 56, 28, 14, 7]
    assert model.get_layer(ends[-1]).output.shape[-1] == 2048


class TestStochasticDepth:
    @pytest.mark.usefixtures("blank")
    def test_parameters(self):
        # He et al. 2016, table 6: 1.7 million; by hand: kernels, batch normalization, classifier.
        kernels = 432 + 36 * 2304 + (4608 + 35 * 9216) + (18432 + 35 * 36864)
        normalization = 2 * (37 * 16 + 36 * 32 + 36 * 64)
        assert trainable(stochastic_depth_resnet110(CIFAR, 10)) == kernels + normalization + 650 == 1_727_962
        assert trainable(stochastic_depth_resnet50(IMAGENET, 1000)) == 25_557_032  # ResNet-50 without biases

    def test_drops_follow_the_seed_and_are_part_of_the_variables(self):
        def build():
            keras.utils.set_random_seed(3)
            return stochastic_depth_resnet110((8, 8, 3), survival=0.3, depth=8)

        def outputs(model):
            pixels = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
            return [np.asarray(model(pixels, training=True)) for _ in range(4)]

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


@pytest.mark.usefixtures("blank")
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
