"""The catalog of networks, without Keras."""

import subprocess
import sys

import pytest

from wbc.errors import InputError
from wbc.networks.catalog import NETWORKS, find_network, label

THESIS = (
    "VGG16",
    "VGG19",
    "InceptionV3",
    "Xception",
    "ResNet50",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
)


def test_has_the_networks_of_the_thesis():
    assert set(THESIS) < set(NETWORKS)
    assert all(find_network(name).name == name for name in NETWORKS)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("vgg16", "VGG16"),
        ("lenet5", "LeNet5"),
        ("DenseNet12", "DenseNet121"),
        ("mobilenet-v2", "MobileNetV2"),
        ("Efficient_NetB0", "EfficientNetB0"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest(name, guess):
    with pytest.raises(InputError, match=rf"unknown network '{name}' \(did you mean {guess}\?\)"):
        find_network(name)


def test_name_unlike_any_other_gets_no_guess():
    with pytest.raises(InputError) as caught:
        find_network("qqqqqq")
    assert caught.value.what == "unknown network 'qqqqqq'"


def test_options_come_back_in_order_and_in_their_own_types():
    options = find_network("MobileNet").check_options({"dropout": 0, "alpha": 1})
    assert list(options.items()) == [("alpha", 1.0), ("dropout", 0.0)]
    assert all(isinstance(value, float) for value in options.values())


def test_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(
        InputError, match=r"MobileNet has no option 'alfa' \(did you mean alpha\?\)"
    ) as caught:
        find_network("MobileNet").check_options({"alfa": 0.5})
    assert caught.value.way_out == "Its options are: alpha, depth_multiplier, dropout."


def test_network_without_options_says_so():
    with pytest.raises(InputError, match="VGG16 has no option 'alpha'") as caught:
        find_network("VGG16").check_options({"alpha": 0.5})
    assert caught.value.way_out == "It has no options; remove it."


@pytest.mark.parametrize(
    ("name", "option", "value", "kind"),
    [
        ("MobileNet", "alpha", "0.5", "a number, at least 0.03125"),
        ("MobileNet", "alpha", True, "a number, at least 0.03125"),
        ("MobileNet", "alpha", 0, "a number, at least 0.03125"),
        ("MobileNet", "alpha", float("nan"), "a number, at least 0.03125"),
        ("MobileNetV2", "alpha", float("inf"), "a number, at least 0.03125"),
        ("MobileNet", "depth_multiplier", 1.5, "an integer, at least 1"),
        ("MobileNet", "depth_multiplier", 0, "an integer, at least 1"),
        ("MobileNet", "dropout", 1.0, "a number, at least 0 and below 1"),
        ("MobileNetV3Small", "dropout_rate", -0.1, "a number, at least 0 and below 1"),
        ("MobileNetV3Small", "minimalistic", 1, "true or false"),
    ],
)
def test_value_that_is_not_allowed(name, option, value, kind):
    with pytest.raises(InputError) as caught:
        find_network(name).check_options({option: value})
    assert caught.value.what == f"{option} of {name} must be {kind}, not {value!r}"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("VGG16", {}, "VGG16"),
        ("MobileNet", {"alpha": 0.5}, "MobileNet-alpha0.5"),
        ("MobileNet", {"alpha": 1}, "MobileNet-alpha1.0"),
        ("MobileNet", {"dropout": 0.2, "alpha": 0.5}, "MobileNet-alpha0.5-dropout0.2"),
        ("MobileNetV3Large", {"minimalistic": True}, "MobileNetV3Large-minimalistic"),
        ("MobileNetV3Large", {"minimalistic": False}, "MobileNetV3Large-no_minimalistic"),
    ],
)
def test_label(name, options, expected):
    assert label(name, options) == expected


def test_backbone_labels_leave_out_dropout_and_defaults():
    network = find_network("MobileNet")
    assert network.backbone_labels({"alpha": 0.5, "dropout": 0.2}) == ("MobileNet-alpha0.5",)
    assert network.backbone_labels({"alpha": 1.0}) == ("MobileNet-alpha1.0", "MobileNet")


def test_image_size_is_held_against_the_smallest():
    find_network("Xception").check_size(71)
    with pytest.raises(InputError, match="Xception needs images of at least 71 x 71 pixels, not 70 x 70"):
        find_network("Xception").check_size(70)


@pytest.mark.parametrize(
    ("name", "options", "size", "file"),
    [
        ("MobileNet", {"alpha": 0.25}, 160, "mobilenet_2_5_160_tf_no_top.h5"),
        ("MobileNet", {}, 100, "mobilenet_1_0_224_tf_no_top.h5"),
        ("MobileNetV2", {"alpha": 1}, 96, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"),
        ("VGG16", {}, 48, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    ],
)
def test_imagenet_file(name, options, size, file):
    assert find_network(name).imagenet_file(options, size).name == file


def test_nasnet_has_another_name_on_the_server():
    file = find_network("NASNetMobile").imagenet_file({}, 224)
    assert file.name == "nasnet_mobile_no_top.h5"
    assert file.url.endswith("/nasnet/NASNet-mobile-no-top.h5")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("LeNet5", {}, "Keras has no ImageNet weights of LeNet5"),
        (
            "MobileNet",
            {"alpha": 0.3},
            "Keras has no ImageNet weights of MobileNet-alpha0.3, only of MobileNet-alpha0.25, "
            "MobileNet-alpha0.5, MobileNet-alpha0.75, MobileNet",
        ),
        (
            "MobileNetV3Small",
            {"alpha": 0.75, "minimalistic": True},
            "Keras has no ImageNet weights of MobileNetV3Small-alpha0.75-minimalistic, only of "
            "MobileNetV3Small-alpha0.75, MobileNetV3Small, MobileNetV3Small-minimalistic",
        ),
    ],
)
def test_no_imagenet_weights(name, options, message):
    with pytest.raises(InputError) as caught:
        find_network(name).imagenet_file(options, 224)
    assert caught.value.what == message
    assert 'mode = "scratch"' in caught.value.way_out


def test_loads_nothing_heavy():
    code = (
        "import sys, wbc.networks.catalog, wbc.networks.weights;"
        "print(*{'keras', 'tensorflow', 'numpy', 'h5py', 'ssl'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.mark.parametrize(
    ("name", "native_size", "smallest"),
    [
        ("AlexNet", 224, 63),
        ("FractalNet", 32, 32),
        ("GoogLeNet", 224, 32),
        ("LeNet5", 32, 32),
        ("ResNeXt50", 224, 32),
        ("SqueezeNet", 224, 32),
        ("StochasticDepthResNet50", 224, 32),
        ("StochasticDepthResNet110", 32, 8),
        ("ZFNet", 224, 53),
        ("InceptionResNetV2", 299, 75),
        ("InceptionV3", 299, 75),
        ("Xception", 299, 71),
        ("NASNetMobile", 224, 32),
        ("NASNetLarge", 331, 32),
        ("EfficientNetV2S", 384, 32),
        ("EfficientNetV2M", 480, 32),
        ("EfficientNetV2L", 480, 32),
        ("MobileNet", 224, 32),
        ("MobileNetV2", 224, 32),
        ("MobileNetV3Small", 224, 32),
        *((f"DenseNet{depth}", 224, 32) for depth in (121, 169, 201)),
        *((f"ConvNeXt{scale}", 224, 32) for scale in ("Tiny", "Small", "Base", "Large", "XLarge")),
        *((f"ResNet{depth}", 224, 32) for depth in (50, 101, 152)),
        *((f"ResNet{depth}V2", 224, 32) for depth in (50, 101, 152)),
        *((f"EfficientNetB{n}", size, 32) for n, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))),
        *((f"EfficientNetV2B{n}", size, 32) for n, size in enumerate((224, 240, 260, 300))),
    ],
)
def test_native_and_smallest_size(name, native_size, smallest):
    network = find_network(name)
    assert network.native_size == native_size
    network.check_size(smallest)
    with pytest.raises(InputError, match=f"needs images of at least {smallest} x {smallest} pixels"):
        network.check_size(smallest - 1)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("AlexNet", {"groups": 2, "dropout": 0.5}),
        (
            "FractalNet",
            {"columns": 3, "blocks": 5, "drop_path": 0.15, "global_ratio": 0.5, "dropout": 0.4},
        ),
        ("GoogLeNet", {"dropout": 0.4}),
        ("ResNeXt50", {"cardinality": 32, "width": 4}),
        ("SqueezeNet", {"version": 1.0, "dropout": 0.5}),
        ("StochasticDepthResNet50", {"survival": 0.5}),
        ("StochasticDepthResNet110", {"survival": 0.5}),
        ("ZFNet", {"dropout": 0.5}),
        ("MobileNet", {"alpha": 1.0, "depth_multiplier": 1, "dropout": 0.001}),
        ("MobileNetV2", {"alpha": 1.0}),
        ("MobileNetV3Large", {"alpha": 1.0, "minimalistic": False, "dropout_rate": 0.2}),
    ],
)
def test_options_are_those_of_the_papers_and_of_keras(name, default):
    assert {option.name: option.default for option in find_network(name).options} == default


@pytest.mark.parametrize(
    ("name", "option", "allowed", "refused"),
    [
        ("AlexNet", "groups", (1, 2), (0, 3)),
        ("FractalNet", "columns", (1, 5), (0, 6)),
        ("FractalNet", "blocks", (1, 5), (0, 6)),
        ("FractalNet", "drop_path", (0.0, 0.99), (-0.1, 1.0)),
        ("FractalNet", "global_ratio", (0.0, 1.0), (-0.1, 1.1)),
        ("ResNeXt50", "cardinality", (1, 128), (0, 129)),
        ("ResNeXt50", "width", (1, 128), (0, 129)),
        ("SqueezeNet", "version", (1.0, 1.1), (0.9, 1.2)),
        ("StochasticDepthResNet50", "survival", (0.01, 1.0), (0.009, 1.01)),
        ("ZFNet", "dropout", (0.0, 0.99), (-0.1, 1.0)),
        ("MobileNet", "alpha", (1 / 32, 4.0), (1 / 33,)),
        ("MobileNet", "depth_multiplier", (1, 4), (0,)),
    ],
)
def test_edges_of_options(name, option, allowed, refused):
    network = find_network(name)
    for value in allowed:
        assert network.check_options({option: value}) == {option: value}
    for value in refused:
        with pytest.raises(InputError, match=f"{option} of {name} must be"):
            network.check_options({option: value})


@pytest.mark.parametrize(
    ("size", "nearest"), [(96, 96), (128, 128), (160, 160), (192, 192), (224, 224), (100, 224), (48, 224)]
)
def test_weights_of_the_same_image_size_or_the_largest(size, nearest):
    for name, sizes in (("MobileNet", (128, 160, 192, 224)), ("MobileNetV2", (96, 128, 160, 192, 224))):
        expected = nearest if nearest in sizes else 224
        assert f"_{expected}_" in find_network(name).imagenet_file({}, size).name


def test_weights_of_each_width():
    small, tenths = find_network("MobileNet"), find_network("MobileNetV2")
    for alpha, variant in ((0.25, "2_5"), (0.5, "5_0"), (0.75, "7_5"), (1.0, "1_0")):
        assert small.imagenet_file({"alpha": alpha}, 224).name == f"mobilenet_{variant}_224_tf_no_top.h5"
    for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4):
        assert f"kernels_{alpha}_224_no_top" in tenths.imagenet_file({"alpha": alpha}, 224).name
    for options, variant in (
        ({"alpha": 0.75}, "224_0.75"),
        ({}, "224_1.0"),
        ({"minimalistic": True}, "minimalistic_224_1.0"),
    ):
        file = find_network("MobileNetV3Small").imagenet_file(options, 224)
        assert file.name == f"weights_mobilenet_v3_small_{variant}_float_no_top_v2.h5"


def test_dropout_changes_no_backbone():
    for name, inside in (
        ("AlexNet", ["groups"]),
        ("FractalNet", ["columns", "blocks"]),
        ("SqueezeNet", ["version"]),
        ("MobileNet", ["alpha", "depth_multiplier"]),
    ):
        assert [option.name for option in find_network(name).options if option.in_backbone] == inside
