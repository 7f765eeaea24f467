"""The networks that a suite may name: of `keras.applications` (Keras 3.3 to 3.15) and `wbc.networks.papers`.

Smallest sizes, options and weights files are facts from the source of Keras. The tests compare this table
with the installed Keras.
"""

from collections.abc import Mapping
from typing import Any

from wbc.errors import InputError, did_you_mean
from wbc.networks.network import ImageNetWeights, Network
from wbc.networks.users import BUILD, user_network
from wbc.options import Option

_STORE = "https://storage.googleapis.com/tensorflow/keras-applications/"
_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"

# MobileNet rounds widths down: below 1/32 its first layer has no filters. V2 and V3 keep at least eight.
_ALPHA = Option("alpha", 1.0, minimum=1 / 32)
_MINIMALISTIC = Option("minimalistic", False)


def _rate(name: str, default: float) -> Option:
    return Option(name, default, minimum=0, below=1, in_backbone=False)


def _kernels(folder: str, stem: str) -> ImageNetWeights:
    """The files of the older networks, which share a naming pattern."""
    return ImageNetWeights(f"{_STORE}{folder}/", stem + _KERNELS)


def _vgg(name: str) -> Network:
    return Network(name, name.lower(), 224, imagenet=_kernels(name.lower(), name.lower()))


def _resnet(depth: int, version: str = "") -> Network:
    name = f"ResNet{depth}{version}"
    module = "resnet_v2" if version else "resnet"
    return Network(name, module, 224, imagenet=_kernels("resnet", name.lower()))


def _densenet(depth: int) -> Network:
    return Network(f"DenseNet{depth}", "densenet", 224, imagenet=_kernels("densenet", f"densenet{depth}"))


def _efficientnet(scale: int, native_size: int) -> Network:
    weights = ImageNetWeights(
        "https://storage.googleapis.com/keras-applications/", f"efficientnetb{scale}_notop.h5"
    )
    return Network(
        f"EfficientNetB{scale}",
        "efficientnet",
        native_size,
        imagenet=weights,
        scales_inside=True,
        stretched_by_imagenet=True,
    )


def _efficientnet_v2(scale: str, native_size: int) -> Network:
    weights = ImageNetWeights(f"{_STORE}efficientnet_v2/", f"efficientnetv2-{scale.lower()}_notop.h5")
    return Network(
        f"EfficientNetV2{scale}", "efficientnet_v2", native_size, imagenet=weights, scales_inside=True
    )


def _convnext(scale: str) -> Network:
    weights = ImageNetWeights(f"{_STORE}convnext/", f"convnext_{scale.lower()}_notop.h5")
    return Network(f"ConvNeXt{scale}", "convnext", 224, imagenet=weights, scales_inside=True)


def _nasnet(scale: str, native_size: int) -> Network:
    weights = ImageNetWeights(
        f"{_STORE}nasnet/", f"nasnet_{scale}_no_top.h5", remote=f"NASNet-{scale}-no-top.h5"
    )
    return Network(f"NASNet{scale.capitalize()}", "nasnet", native_size, imagenet=weights)


def _from_paper(
    name: str,
    builder: str,
    native_size: int,
    min_size: int = 32,
    *,
    module: str = "",
    options: tuple[Option, ...] = (),
) -> Network:
    """A network of `wbc.networks.papers`. Most modules have the name of their function."""
    return Network(name, module or builder, native_size, min_size, options=options, builder=builder)


def _mobilenet_v3(scale: str) -> Network:
    weights = ImageNetWeights(
        f"{_STORE}mobilenet_v3/",
        f"weights_mobilenet_v3_{scale.lower()}_{{variant}}_float_no_top_v2.h5",
        variants={(0.75, False): "224_0.75", (1.0, False): "224_1.0", (1.0, True): "minimalistic_224_1.0"},
    )
    return Network(
        f"MobileNetV3{scale}",
        "mobilenet_v3",
        224,
        imagenet=weights,
        options=(_ALPHA, _MINIMALISTIC, _rate("dropout_rate", 0.2)),
        scales_inside=True,
    )


_MOBILENET = Network(
    "MobileNet",
    "mobilenet",
    224,
    imagenet=ImageNetWeights(
        f"{_STORE}mobilenet/",
        "mobilenet_{variant}_{size}_tf_no_top.h5",
        variants={(0.25, 1): "2_5", (0.5, 1): "5_0", (0.75, 1): "7_5", (1.0, 1): "1_0"},
        sizes=(128, 160, 192, 224),
    ),
    options=(_ALPHA, Option("depth_multiplier", 1, minimum=1), _rate("dropout", 0.001)),
)

_MOBILENET_V2 = Network(
    "MobileNetV2",
    "mobilenet_v2",
    224,
    imagenet=ImageNetWeights(
        f"{_STORE}mobilenet_v2/",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{variant}_{size}_no_top.h5",
        variants={(alpha,): str(alpha) for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)},
        sizes=(96, 128, 160, 192, 224),
    ),
    options=(_ALPHA,),
)

_SURVIVAL = Option("survival", 0.5, minimum=0.01, maximum=1)

_FROM_PAPERS = (
    _from_paper(
        "AlexNet", "alexnet", 224, 63, options=(Option("groups", 2, choices=(1, 2)), _rate("dropout", 0.5))
    ),
    _from_paper(
        "FractalNet",
        "fractalnet",
        32,
        options=(
            Option("columns", 3, minimum=1, maximum=5),
            Option("blocks", 5, minimum=1, maximum=5),
            _rate("drop_path", 0.15),
            Option("global_ratio", 0.5, minimum=0, maximum=1, in_backbone=False),
            _rate("dropout", 0.4),
        ),
    ),
    _from_paper("GoogLeNet", "googlenet", 224, options=(_rate("dropout", 0.4),)),
    _from_paper("LeNet5", "lenet5", 32, module="lenet"),
    _from_paper(
        "ResNeXt50",
        "resnext50",
        224,
        module="residual",
        options=(
            Option("cardinality", 32, minimum=1, maximum=128),
            Option("width", 4, minimum=1, maximum=128),
        ),
    ),
    _from_paper(
        "SqueezeNet",
        "squeezenet",
        224,
        options=(Option("version", 1.0, choices=(1.0, 1.1)), _rate("dropout", 0.5)),
    ),
    _from_paper(
        "StochasticDepthResNet50",
        "stochastic_depth_resnet50",
        224,
        module="residual",
        options=(_SURVIVAL,),
    ),
    _from_paper(
        "StochasticDepthResNet110",
        "stochastic_depth_resnet110",
        32,
        8,
        module="residual",
        options=(_SURVIVAL,),
    ),
    _from_paper("ZFNet", "zfnet", 224, 53, module="alexnet", options=(_rate("dropout", 0.5),)),
)

NETWORKS: Mapping[str, Network] = {
    network.name: network
    for network in (
        *_FROM_PAPERS,
        *(_convnext(scale) for scale in ("Tiny", "Small", "Base", "Large", "XLarge")),
        *(_densenet(depth) for depth in (121, 169, 201)),
        *(_efficientnet(scale, size) for scale, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))),
        *(_efficientnet_v2(f"B{scale}", size) for scale, size in enumerate((224, 240, 260, 300))),
        _efficientnet_v2("S", 384),
        _efficientnet_v2("M", 480),
        _efficientnet_v2("L", 480),
        Network(
            "InceptionResNetV2",
            "inception_resnet_v2",
            299,
            75,
            imagenet=_kernels("inception_resnet_v2", "inception_resnet_v2"),
        ),
        Network("InceptionV3", "inception_v3", 299, 75, imagenet=_kernels("inception_v3", "inception_v3")),
        _MOBILENET,
        _MOBILENET_V2,
        _mobilenet_v3("Small"),
        _mobilenet_v3("Large"),
        _nasnet("mobile", 224),
        _nasnet("large", 331),
        *(_resnet(depth) for depth in (50, 101, 152)),
        *(_resnet(depth, "V2") for depth in (50, 101, 152)),
        _vgg("VGG16"),
        _vgg("VGG19"),
        Network("Xception", "xception", 299, 71, imagenet=_kernels("xception", "xception")),
    )
}
"""Name -> network."""

BUILT_HERE = tuple(network.name for network in _FROM_PAPERS)
"""Names of the networks that are built here, from their papers."""


def find_network(name: str, options: Mapping[str, Any] | None = None) -> Network:
    """The network of this name, or the user's own if the options name a function that builds it.

    Raises:
        InputError: There is no such network. Upper and lower case matter.
    """
    if options and BUILD in options:
        if name in NETWORKS:
            raise InputError(
                f"{name} is the name of another network", f"Give the network of {BUILD} another name."
            )
        return user_network(name, options)
    if name in NETWORKS:
        return NETWORKS[name]
    guess = did_you_mean(name, list(NETWORKS))
    raise InputError(
        f"unknown network {name!r}" + (f" ({guess})" if guess else ""),
        f"Networks are {', '.join(BUILT_HERE)}, and those of keras.applications, in Keras' spelling.",
    )


def label(name: str, options: Mapping[str, Any]) -> str:
    """Name and options of a network in one word, such as `MobileNet-alpha0.5`; see `Network.label`."""
    return find_network(name, options).label(options)
