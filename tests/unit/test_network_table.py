"""The catalog of networks, written once more by hand: sizes, options, addresses of weights. Loads no Keras."""

import pytest

from wbc.networks.catalog import BUILT_HERE, NETWORKS, find_network

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
KERNELS = "weights_tf_dim_ordering_tf_kernels"
V2 = f"{STORE}/mobilenet_v2/mobilenet_v2_{KERNELS}"

SIZES = {
    **{"AlexNet": (224, 63), "FractalNet": (32, 32), "GoogLeNet": (224, 32), "LeNet5": (32, 32)},
    **{"ResNeXt50": (224, 32), "SqueezeNet": (224, 32), "StochasticDepthResNet50": (224, 32)},
    **{"StochasticDepthResNet110": (32, 8), "ZFNet": (224, 53)},
    **{f"ConvNeXt{scale}": (224, 32) for scale in ("Tiny", "Small", "Base", "Large", "XLarge")},
    **{f"DenseNet{depth}": (224, 32) for depth in (121, 169, 201)},
    **{"EfficientNetB0": (224, 32), "EfficientNetB1": (240, 32), "EfficientNetB2": (260, 32)},
    **{"EfficientNetB3": (300, 32), "EfficientNetB4": (380, 32), "EfficientNetB5": (456, 32)},
    **{"EfficientNetB6": (528, 32), "EfficientNetB7": (600, 32)},
    **{"EfficientNetV2B0": (224, 32), "EfficientNetV2B1": (240, 32), "EfficientNetV2B2": (260, 32)},
    **{"EfficientNetV2B3": (300, 32), "EfficientNetV2S": (384, 32), "EfficientNetV2M": (480, 32)},
    **{"EfficientNetV2L": (480, 32), "InceptionResNetV2": (299, 75), "InceptionV3": (299, 75)},
    **{"MobileNet": (224, 32), "MobileNetV2": (224, 32), "MobileNetV3Small": (224, 32)},
    **{"MobileNetV3Large": (224, 32), "NASNetMobile": (224, 32), "NASNetLarge": (331, 32)},
    **{f"ResNet{depth}{version}": (224, 32) for version in ("", "V2") for depth in (50, 101, 152)},
    **{"VGG16": (224, 32), "VGG19": (224, 32), "Xception": (299, 71)},
}


def test_native_and_smallest_sizes():
    assert {name: (one.native_size, one.min_size) for name, one in NETWORKS.items()} == SIZES
    assert tuple(SIZES)[:9] == BUILT_HERE == tuple(NETWORKS)[:9]


def test_networks_that_scale_pixels_themselves():
    inside = {name for name, one in NETWORKS.items() if one.scales_inside}
    families = ("ConvNeXt", "EfficientNet", "MobileNetV3")
    assert inside == {name for name in NETWORKS if name.startswith(families)}
    stretched = {name for name, one in NETWORKS.items() if one.stretched_by_imagenet}
    assert stretched == {f"EfficientNetB{scale}" for scale in range(8)}


RATE = "a number, at least 0 and below 1"
FIVE = "an integer, at least 1 and at most 5"
OPTIONS = {
    "AlexNet": [("groups", 2, "one of 1, 2", True), ("dropout", 0.5, RATE, False)],
    "FractalNet": [
        ("columns", 3, FIVE, True),
        ("blocks", 5, FIVE, True),
        ("drop_path", 0.15, RATE, False),
        ("global_ratio", 0.5, "a number, at least 0 and at most 1", False),
        ("dropout", 0.4, RATE, False),
    ],
    "GoogLeNet": [("dropout", 0.4, RATE, False)],
    "ResNeXt50": [
        ("cardinality", 32, "an integer, at least 1 and at most 128", True),
        ("width", 4, "an integer, at least 1 and at most 128", True),
    ],
    "SqueezeNet": [("version", 1.0, "one of 1.0, 1.1", True), ("dropout", 0.5, RATE, False)],
    "StochasticDepthResNet50": [("survival", 0.5, "a number, at least 0.01 and at most 1", True)],
    "StochasticDepthResNet110": [("survival", 0.5, "a number, at least 0.01 and at most 1", True)],
    "ZFNet": [("dropout", 0.5, RATE, False)],
    "MobileNet": [
        ("alpha", 1.0, "a number, at least 0.03125", True),
        ("depth_multiplier", 1, "an integer, at least 1", True),
        ("dropout", 0.001, RATE, False),
    ],
    "MobileNetV2": [("alpha", 1.0, "a number, at least 0.03125", True)],
    **{
        f"MobileNetV3{scale}": [
            ("alpha", 1.0, "a number, at least 0.03125", True),
            ("minimalistic", False, "true or false", True),
            ("dropout_rate", 0.2, RATE, False),
        ]
        for scale in ("Small", "Large")
    },
}


def test_options_with_their_defaults_and_ranges():
    found = {
        name: [(option.name, option.default, option.kind, option.in_backbone) for option in one.options]
        for name, one in NETWORKS.items()
        if one.options
    }
    assert found == OPTIONS


@pytest.mark.parametrize(
    ("name", "options", "size", "address"),
    [
        ("VGG16", {}, 224, f"{STORE}/vgg16/vgg16_{KERNELS}_notop.h5"),
        ("ResNet101", {}, 224, f"{STORE}/resnet/resnet101_{KERNELS}_notop.h5"),
        ("ResNet50V2", {}, 224, f"{STORE}/resnet/resnet50v2_{KERNELS}_notop.h5"),
        ("DenseNet169", {}, 224, f"{STORE}/densenet/densenet169_{KERNELS}_notop.h5"),
        ("InceptionV3", {}, 299, f"{STORE}/inception_v3/inception_v3_{KERNELS}_notop.h5"),
        ("InceptionResNetV2", {}, 299, f"{STORE}/inception_resnet_v2/inception_resnet_v2_{KERNELS}_notop.h5"),
        ("Xception", {}, 299, f"{STORE}/xception/xception_{KERNELS}_notop.h5"),
        (
            "EfficientNetB3",
            {},
            300,
            "https://storage.googleapis.com/keras-applications/efficientnetb3_notop.h5",
        ),
        ("EfficientNetV2B2", {}, 260, f"{STORE}/efficientnet_v2/efficientnetv2-b2_notop.h5"),
        ("EfficientNetV2L", {}, 480, f"{STORE}/efficientnet_v2/efficientnetv2-l_notop.h5"),
        ("ConvNeXtXLarge", {}, 224, f"{STORE}/convnext/convnext_xlarge_notop.h5"),
        ("NASNetLarge", {}, 331, f"{STORE}/nasnet/NASNet-large-no-top.h5"),
        ("MobileNet", {"alpha": 0.75}, 128, f"{STORE}/mobilenet/mobilenet_7_5_128_tf_no_top.h5"),
        ("MobileNet", {"alpha": 0.5}, 192, f"{STORE}/mobilenet/mobilenet_5_0_192_tf_no_top.h5"),
        ("MobileNet", {}, 224, f"{STORE}/mobilenet/mobilenet_1_0_224_tf_no_top.h5"),
        *(
            ("MobileNetV2", {"alpha": alpha}, size, f"{V2}_{alpha}_{size}_no_top.h5")
            for alpha, size in ((0.35, 96), (0.5, 128), (0.75, 160), (1.0, 192), (1.3, 224), (1.4, 224))
        ),
        ("MobileNetV2", {}, 129, f"{V2}_1.0_224_no_top.h5"),
        (
            "MobileNetV3Small",
            {"alpha": 0.75},
            224,
            f"{STORE}/mobilenet_v3/weights_mobilenet_v3_small_224_0.75_float_no_top_v2.h5",
        ),
        (
            "MobileNetV3Large",
            {},
            96,
            f"{STORE}/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        ),
        (
            "MobileNetV3Large",
            {"minimalistic": True},
            224,
            f"{STORE}/mobilenet_v3/weights_mobilenet_v3_large_minimalistic_224_1.0_float_no_top_v2.h5",
        ),
    ],
)
def test_where_imagenet_weights_lie(name: str, options: dict, size: int, address: str):
    assert find_network(name).imagenet_file(options, size).url == address
    assert {one for one in NETWORKS if NETWORKS[one].imagenet is None} == set(BUILT_HERE)
