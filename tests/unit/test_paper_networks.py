"""The networks of the papers, layer by layer; `test_papers` has their numbers of parameters."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.papers import residual
from wbc.networks.papers.alexnet import alexnet, zfnet
from wbc.networks.papers.fractalnet import MAPS, fractalnet
from wbc.networks.papers.googlenet import INCEPTIONS, googlenet
from wbc.networks.papers.layers import LocalResponseNormalization, MaxRms, ResidualDrop
from wbc.networks.papers.lenet import C3_SOURCES, PartialConvolution
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
SILENT = (keras.layers.InputLayer, keras.layers.BatchNormalization, keras.layers.ReLU)


def said(layer: keras.layers.Layer) -> str:
    """`96 of 11/4 valid -> 55`: maps, size, stride and padding of a layer, and the height of its maps."""
    height = f" -> {layer.output.shape[1]}" if len(layer.output.shape) == 4 else ""
    if isinstance(layer, keras.layers.Conv2D):
        groups = f" in {layer.groups}" if layer.groups > 1 else ""
        bias = "" if layer.use_bias else ", no bias"
        bias = ", ones" if isinstance(layer.bias_initializer, keras.initializers.Ones) else bias
        relu = " relu" if layer.activation is keras.activations.relu else ""
        kernel, stride = layer.kernel_size[0], layer.strides[0]
        return f"{layer.filters} of {kernel}/{stride} {layer.padding}{groups}{relu}{bias}{height}"
    if isinstance(layer, keras.layers.Dense):
        start = ", ones" if isinstance(layer.bias_initializer, keras.initializers.Ones) else ""
        return f"{layer.units} {layer.activation.__name__}{start}"
    if isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
        kind = "max" if isinstance(layer, keras.layers.MaxPooling2D) else "mean"
        return f"{kind} of {layer.pool_size[0]}/{layer.strides[0]} {layer.padding}{height}"
    if isinstance(layer, keras.layers.Dropout):
        return f"drop {layer.rate:g}"
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return f"pad {layer.padding}"
    if isinstance(layer, ResidualDrop):
        return f"survive {layer.survival:g}"
    return f"{type(layer).__name__}{height}"


def layers_of(model: keras.Model) -> list[str]:
    return [said(layer) for layer in model.layers if not isinstance(layer, SILENT)]


def test_alexnet_layer_by_layer():
    assert layers_of(alexnet(IMAGENET)) == [
        "pad ((2, 2), (2, 2))",
        "96 of 11/4 valid relu -> 55",
        "LocalResponseNormalization -> 55",
        "max of 3/2 valid -> 27",
        "256 of 5/1 same in 2 relu, ones -> 27",
        "LocalResponseNormalization -> 27",
        "max of 3/2 valid -> 13",
        "384 of 3/1 same relu -> 13",
        "384 of 3/1 same in 2 relu, ones -> 13",
        "256 of 3/1 same in 2 relu, ones -> 13",
        "max of 3/2 valid -> 6",
    ]
    model = alexnet((63, 63, 3), 3)
    assert layers_of(model)[11:] == [
        "Flatten",
        "drop 0.5",
        "4096 relu, ones",
        "drop 0.5",
        "4096 relu, ones",
        "3 softmax",
    ]
    for name in ("conv1", "conv4", "fc6", "fc7", "predictions"):
        assert model.get_layer(name).kernel.numpy().std() == pytest.approx(0.01, rel=0.05), name
    assert "256 of 5/1 same relu, ones -> 27" in layers_of(alexnet(IMAGENET, groups=1))
    assert alexnet((63, 63, 3)).output_shape == (None, 1, 1, 256)


def test_zfnet_layer_by_layer():
    assert layers_of(zfnet(IMAGENET)) == [
        "pad ((1, 1), (1, 1))",
        "96 of 7/2 valid relu -> 110",
        "max of 3/2 same -> 55",
        "LocalResponseNormalization -> 55",
        "256 of 5/2 valid relu -> 26",
        "max of 3/2 same -> 13",
        "LocalResponseNormalization -> 13",
        "384 of 3/1 same relu -> 13",
        "384 of 3/1 same relu -> 13",
        "256 of 3/1 same relu -> 13",
        "max of 3/2 valid -> 6",
    ]
    model = zfnet((53, 53, 3), 3, dropout=0.25)
    assert layers_of(model)[11:] == [
        "Flatten",
        "drop 0.25",
        "4096 relu",
        "drop 0.25",
        "4096 relu",
        "3 softmax",
    ]
    assert model.get_layer("pool5").output.shape[1:] == (1, 1, 256)
    constraint = model.get_layer("conv1").kernel_constraint
    assert isinstance(constraint, MaxRms) and constraint.radius == 0.1
    assert model.get_layer("conv3").kernel.numpy().std() == pytest.approx(0.01, rel=0.05)
    layer = LocalResponseNormalization()
    assert (layer.size, layer.k, layer.alpha, layer.beta) == (5, 2.0, 1e-4, 0.75)


# Table 1 of the paper: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def test_googlenet_layer_by_layer(monkeypatch):
    assert {
        name: (one, *three, *five, pool) for name, (one, three, five, pool) in INCEPTIONS.items()
    } == TABLE_1
    few = {name: (2, (3, 4), (5, 6), 7) for name in ("3a", "3b", "4a", "4d", "4e")}
    monkeypatch.setattr("wbc.networks.papers.googlenet.INCEPTIONS", few)
    model = googlenet(IMAGENET, 3, auxiliary=True)
    names = [layer.name for layer in model.layers]
    found = layers_of(model)
    assert found[:7] == [
        "64 of 7/2 same relu -> 112",
        "max of 3/2 same -> 56",
        "LocalResponseNormalization -> 56",
        "64 of 1/1 same relu -> 56",
        "192 of 3/1 same relu -> 56",
        "LocalResponseNormalization -> 56",
        "max of 3/2 same -> 28",
    ]

    def of(prefix: str) -> set[str]:
        return {said(model.get_layer(name)) for name in names if name.startswith(prefix)}

    assert of("inception_3a") == {
        *("2 of 1/1 same relu -> 28", "3 of 1/1 same relu -> 28", "4 of 3/1 same relu -> 28"),
        *("5 of 1/1 same relu -> 28", "6 of 5/1 same relu -> 28", "max of 3/1 same -> 28"),
        *("7 of 1/1 same relu -> 28", "Concatenate -> 28"),
    }
    assert model.get_layer("inception_3a").output.shape[-1] == 2 + 4 + 6 + 7
    assert of("pool3") == {"max of 3/2 same -> 14"} and of("pool4") == {"max of 3/2 same -> 7"}
    assert not of("pool5") and model.get_layer("inception_4a").output.shape[1] == 14
    assert (
        of("auxiliary_4a")
        == of("auxiliary_4d")
        == {
            *(
                "mean of 5/3 valid -> 4",
                "128 of 1/1 same relu -> 4",
                "Flatten",
                "1024 relu",
                "drop 0.7",
                "3 softmax",
            ),
        }
    )
    assert not of("auxiliary_4e") and [one.shape for one in model.outputs] == [(None, 3)] * 3
    assert [said(model.get_layer(name)) for name in ("dropout", "predictions")] == ["drop 0.4", "3 softmax"]
    assert googlenet(CIFAR).output_shape == (None, 1, 1, 19) and len(googlenet(CIFAR, 3).outputs) == 1


def fire(squeezed: int, height: int) -> list[str]:
    return [
        f"{squeezed} of 1/1 valid relu -> {height}",
        f"{4 * squeezed} of 1/1 valid relu -> {height}",
        f"{4 * squeezed} of 3/1 same relu -> {height}",
        f"Concatenate -> {height}",
    ]


def test_squeezenet_layer_by_layer():
    """Table 1 of the paper, and the authors' release of version 1.1."""
    rest = ["drop 0.5", "3 of 1/1 valid relu -> 13", "GlobalAveragePooling2D", "Softmax"]
    model = squeezenet(IMAGENET, 3)
    assert layers_of(model) == [
        *("pad ((1, 2), (1, 2))", "96 of 7/2 valid relu -> 111", "max of 3/2 valid -> 55"),
        *(*fire(16, 55), *fire(16, 55), *fire(32, 55), "max of 3/2 valid -> 27"),
        *(*fire(32, 27), *fire(48, 27), *fire(48, 27), *fire(64, 27), "max of 3/2 valid -> 13"),
        *(*fire(64, 13), *rest),
    ]
    assert model.get_layer("conv10").kernel.numpy().std() == pytest.approx(0.01, rel=0.1)
    assert layers_of(squeezenet(IMAGENET, 3, version=1.1)) == [
        *("64 of 3/2 valid relu -> 111", "max of 3/2 valid -> 55"),
        *(*fire(16, 55), *fire(16, 55), "max of 3/2 valid -> 27"),
        *(*fire(32, 27), *fire(32, 27), "max of 3/2 valid -> 13"),
        *(*fire(48, 13), *fire(48, 13), *fire(64, 13), *fire(64, 13), *rest),
    ]
    assert squeezenet(CIFAR, dropout=0.1).output_shape == (None, 1, 1, 512)


def few_blocks(monkeypatch) -> None:
    assert residual._BLOCKS_OF_50_LAYERS == (3, 4, 6, 3)
    monkeypatch.setattr(residual, "_BLOCKS_OF_50_LAYERS", (1, 2))


STEM = ["64 of 7/2 same, no bias -> 112", "max of 3/2 same -> 56"]


def test_resnext_layer_by_layer(monkeypatch):
    """The strides are in the convolutions of 3 x 3."""
    few_blocks(monkeypatch)
    model = resnext50(IMAGENET, 3)
    assert sorted(layers_of(model)) == sorted(
        [
            *(*STEM, "128 of 1/1 same, no bias -> 56", "128 of 3/1 same in 32, no bias -> 56"),
            *("256 of 1/1 same, no bias -> 56", "256 of 1/1 same, no bias -> 56", "Add -> 56"),
            *("256 of 1/1 same, no bias -> 56", "256 of 3/2 same in 32, no bias -> 28"),
            *("512 of 1/1 same, no bias -> 28", "512 of 1/2 same, no bias -> 28", "Add -> 28"),
            *("256 of 1/1 same, no bias -> 28", "256 of 3/1 same in 32, no bias -> 28"),
            *("512 of 1/1 same, no bias -> 28", "Add -> 28", "GlobalAveragePooling2D", "3 softmax"),
        ]
    )
    names = [layer.name for layer in model.layers]
    assert {name for name in names if name.endswith("shortcut")} == {
        f"stage{n}_block1_shortcut" for n in (2, 3)
    }
    assert {"stage2_block1_1", "stage3_block2_3", "stage3_block2_relu"} <= set(
        names
    ) and "stage3_block3_1" not in names
    small = resnext50(IMAGENET, cardinality=2, width=8)
    assert "32 of 3/2 same in 2, no bias -> 28" in layers_of(small) and small.output_shape == (
        None,
        28,
        28,
        512,
    )


def test_stochastic_depth_of_50_layers_by_layer(monkeypatch):
    """The strides are in the first convolutions; of three blocks the last survives with 0.4."""
    few_blocks(monkeypatch)
    model = stochastic_depth_resnet50(IMAGENET, 3, survival=0.4)
    assert sorted(layers_of(model)) == sorted(
        [
            *(*STEM, "64 of 1/1 same, no bias -> 56", "64 of 3/1 same, no bias -> 56", "survive 0.8"),
            *("256 of 1/1 same, no bias -> 56", "256 of 1/1 same, no bias -> 56", "Add -> 56"),
            *("128 of 1/2 same, no bias -> 28", "128 of 3/1 same, no bias -> 28", "survive 0.6"),
            *("512 of 1/1 same, no bias -> 28", "512 of 1/2 same, no bias -> 28", "Add -> 28"),
            *("128 of 1/1 same, no bias -> 28", "128 of 3/1 same, no bias -> 28", "survive 0.4"),
            *("512 of 1/1 same, no bias -> 28", "Add -> 28", "GlobalAveragePooling2D", "3 softmax"),
        ]
    )
    ends = [layer.name for layer in model.layers if layer.name.endswith("_add")]
    assert ends == ["stage2_block1_add", "stage3_block1_add", "stage3_block2_add"]


def test_stochastic_depth_of_small_images_layer_by_layer():
    found = layers_of(stochastic_depth_resnet110(CIFAR, 3, depth=8))
    kinds = [one for one in found if not one.startswith(("survive", "Pad"))]
    assert kinds == [
        "16 of 3/1 same, no bias -> 32",
        *("16 of 3/1 same, no bias -> 32", "16 of 3/1 same, no bias -> 32", "Add -> 32"),
        *(
            "32 of 3/2 same, no bias -> 16",
            "32 of 3/1 same, no bias -> 16",
            "mean of 1/2 valid -> 16",
            "Add -> 16",
        ),
        *(
            "64 of 3/2 same, no bias -> 8",
            "64 of 3/1 same, no bias -> 8",
            "mean of 1/2 valid -> 8",
            "Add -> 8",
        ),
        *("GlobalAveragePooling2D", "3 softmax"),
    ]
    assert [one for one in found if one.startswith("survive")] == [
        "survive 0.833333",
        "survive 0.666667",
        "survive 0.5",
    ]
    with pytest.raises(ValueError, match="depth is 2, not"):
        stochastic_depth_resnet110(CIFAR, depth=2)


def test_fractalnet_layer_by_layer():
    assert MAPS == (64, 128, 256, 512, 512)
    model = fractalnet(CIFAR, 3, columns=2, blocks=3)
    assert sorted(layers_of(model)) == sorted(
        [
            *("ColumnChoice", "Join -> 32", "Join -> 16", "Join -> 8"),
            *("64 of 3/1 same, no bias -> 32",) * 3,
            *("128 of 3/1 same, no bias -> 16", "drop 0.2") * 3,
            *("256 of 3/1 same, no bias -> 8", "drop 0.4") * 3,
            *("max of 2/2 valid -> 16", "max of 2/2 valid -> 8", "max of 2/2 valid -> 4"),
            *("GlobalAveragePooling2D", "3 softmax"),
        ]
    )
    path, join = model.get_layer("path"), model.get_layer("block1_join1")
    assert (path.columns, path.ratio, join.drop_path) == (2, 0.5, 0.15)
    alone = fractalnet(CIFAR, columns=1, blocks=1, dropout=0.3)
    assert layers_of(alone)[-2:] == ["64 of 3/1 same, no bias -> 32", "max of 2/2 valid -> 16"]


def test_weights_of_lenet_start_by_what_enters_a_map():
    """60 connections of 25 weights into 16 maps: a uniform distribution of the variance 1 / 93.75."""
    keras.utils.set_random_seed(0)
    layer = PartialConvolution(C3_SOURCES)
    layer.build((None, 14, 14, 6))
    assert float(np.abs(layer.kernel).max()) == pytest.approx((3 / 93.75) ** 0.5, rel=0.01)
    assert float(np.std(layer.kernel)) == pytest.approx((1 / 93.75) ** 0.5, rel=0.05)
    assert not np.any(layer.bias)
