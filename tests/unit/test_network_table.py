"""Where ImageNet weights lie, and which networks scale pixels themselves. Loads no Keras."""

import pytest

from wbc.networks.catalog import BUILT_HERE, NETWORKS, find_network

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
KERNELS = "weights_tf_dim_ordering_tf_kernels"


def test_networks_that_scale_pixels_themselves():
    inside = {name for name, one in NETWORKS.items() if one.scales_inside}
    families = ("ConvNeXt", "EfficientNet", "MobileNetV3")
    assert inside == {name for name in NETWORKS if name.startswith(families)}
    stretched = {name for name, one in NETWORKS.items() if one.stretched_by_imagenet}
    assert stretched == {f"EfficientNetB{scale}" for scale in range(8)}


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
        ("MobileNetV2", {}, 129, f"{STORE}/mobilenet_v2/mobilenet_v2_{KERNELS}_1.0_224_no_top.h5"),
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
