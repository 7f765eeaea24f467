"""How the papers trained their networks: optimizer, learning rate, momentum and weight decay. Free of Keras.

A recipe is the optimizer at the start of training, on ImageNet (FractalNet and stochastic depth: CIFAR), with
batches of 100 to 4096 images. It does not include schedules, warm-up, batch sizes, clipping or augmentation.
Where a paper gives no value, Keras' default stays.
"""

import re
from dataclasses import dataclass

from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification

PRESETS = ("paper", "thesis-footnote")
"""`paper`: the recipe. `thesis-footnote`: the optimizer in footnote 8 of the thesis, see `FOOTNOTE`."""


@dataclass(frozen=True)
class Recipe:
    """A published optimizer."""

    families: tuple[str, ...]
    """Regular expressions that match the names of its networks."""
    optimizer: OptimizerSpecification | None
    """The optimizer at the start of training; None if it is unknown or Keras does not have it."""
    source: str
    """Authors, year, section."""
    missing: str = ""
    """Why there is no optimizer."""


def _sgd(rate: float, weight_decay: float, nesterov: bool = False) -> OptimizerSpecification:
    return OptimizerSpecification("SGD", rate, 0.0, weight_decay, momentum=0.9, nesterov=nesterov)


def _rmsprop(
    rate: float, weight_decay: float, momentum: float = 0.0, epsilon: float | None = None
) -> OptimizerSpecification:
    return OptimizerSpecification(
        "RMSprop", rate, 0.0, weight_decay, momentum=momentum, rho=0.9, epsilon=epsilon
    )


RECIPES = (
    Recipe((r"AlexNet",), _sgd(0.01, 5e-4), "Krizhevsky et al. 2012, section 5"),
    Recipe((r"ZFNet",), _sgd(0.01, 0.0), "Zeiler and Fergus 2014, section 3 (which gives no weight decay)"),
    Recipe((r"VGG\d+",), _sgd(0.01, 5e-4), "Simonyan and Zisserman 2015, section 3.1"),
    Recipe((r"ResNet\d+",), _sgd(0.1, 1e-4), "He et al. 2016, Deep Residual Learning, section 3.4"),
    Recipe((r"ResNet\d+V2",), _sgd(0.1, 1e-4), "He et al. 2016, Identity Mappings, appendix"),
    Recipe((r"ResNeXt.*",), _sgd(0.1, 1e-4), "Xie et al. 2017, section 4"),
    Recipe((r".*Stochastic.*",), _sgd(0.1, 1e-4, nesterov=True), "Huang et al. 2016, section 4"),
    Recipe((r"DenseNet\d+",), _sgd(0.1, 1e-4, nesterov=True), "Huang et al. 2017, section 4.2"),
    Recipe(
        (r"FractalNet.*",), _sgd(0.02, 0.0), "Larsson et al. 2017, section 4 (which gives no weight decay)"
    ),
    Recipe(
        (r"SqueezeNet.*",),
        _sgd(0.04, 2e-4),
        "Iandola et al. 2016, section 3.3; momentum and weight decay from their Caffe solver",
    ),
    Recipe((r"Xception",), _sgd(0.045, 1e-5), "Chollet 2017, sections 4.3 and 4.4, on ImageNet"),
    Recipe(
        (r"InceptionV3",),
        _rmsprop(0.045, 4e-5, epsilon=1.0),
        "Szegedy et al. 2016, section 8; weight decay as told by Chollet 2017, section 4.4",
    ),
    Recipe(
        (r"InceptionResNetV2",),
        _rmsprop(0.045, 0.0, epsilon=1.0),
        "Szegedy et al. 2017, section 4 (which gives no weight decay)",
    ),
    Recipe((r"MobileNetV2",), _rmsprop(0.045, 4e-5, momentum=0.9), "Sandler et al. 2018, section 6.1"),
    Recipe(
        (r"MobileNetV3(Small|Large)",), _rmsprop(0.1, 1e-5, momentum=0.9), "Howard et al. 2019, section 6.1.1"
    ),
    Recipe((r"EfficientNetB\d",), _rmsprop(0.256, 1e-5, momentum=0.9), "Tan and Le 2019, section 5.2"),
    Recipe((r"EfficientNetV2.*",), _rmsprop(0.256, 1e-5, momentum=0.9), "Tan and Le 2021, section 5.1"),
    Recipe(
        (r"ConvNeXt.*",),
        OptimizerSpecification("AdamW", 4e-3, 0.0, 0.05, beta_1=0.9, beta_2=0.999),
        "Liu et al. 2022, appendix A.1",
    ),
    Recipe(
        (r"LeNet5",),
        None,
        "LeCun et al. 1998, section III",
        "it was trained with a stochastic Levenberg-Marquardt method, which Keras does not have",
    ),
    Recipe((r"GoogLeNet",), None, "Szegedy et al. 2015, section 6", "the paper gives no learning rate"),
    Recipe(
        (r"MobileNet",),
        None,
        "Howard et al. 2017, section 3.2",
        "the paper names RMSprop but gives no learning rate",
    ),
    Recipe(
        (r"NASNet.*",),
        None,
        "Zoph et al. 2018, appendix A",
        "no learning rate is known that can be traced to the paper",
    ),
)
"""Every known recipe. Exactly one matches the name of each network in the catalog."""


def _footnote(rate: float, decay: float, nesterov: bool = False) -> OptimizerSpecification:
    return OptimizerSpecification("SGD", rate, decay, momentum=0.9, nesterov=nesterov)


FOOTNOTE = {
    r"DenseNet\d+": _footnote(0.01, 1e-4, nesterov=True),
    r"ResNet\d+": _footnote(0.01, 1e-4),
    r"InceptionV3": _footnote(0.01, 4e-5),
    r"Xception": _footnote(0.045, 1e-5),
    r"VGG\d+": _footnote(0.01, 5e-4),
}
"""Family of networks -> its optimizer in footnote 8 of the thesis (section 5.4).

Their `decay` is Keras': the learning rate falls with every step. The papers' numbers are a decay of weights."""


def find_recipe(network: str) -> Recipe | None:
    """The recipe of a network, or None. A recipe without an optimizer says why."""
    for recipe in RECIPES:
        if any(re.fullmatch(family, network) for family in recipe.families):
            return recipe
    return None


def preset(name: str, network: str) -> OptimizerSpecification:
    """The optimizer that a preset stands for.

    Args:
        name: One of `PRESETS`.
        network: Name of the network.

    Raises:
        InputError: No recipe of the network is known, Keras lacks its optimizer, or the footnote lacks it.
    """
    if name == "thesis-footnote":
        return _of_footnote(network)
    way_out = 'Name an optimizer, such as { name = "SGD", learning_rate = 0.01, momentum = 0.9 }.'
    recipe = find_recipe(network)
    if recipe is None:
        raise InputError(f"no published optimizer of {network} is known", way_out)
    if recipe.optimizer is None:
        raise InputError(
            f"there is no optimizer {name!r} for {network}: {recipe.missing} ({recipe.source})", way_out
        )
    return recipe.optimizer


def _of_footnote(network: str) -> OptimizerSpecification:
    for family, optimizer in FOOTNOTE.items():
        if re.fullmatch(family, network):
            return optimizer
    raise InputError(
        f"footnote 8 of the thesis has no optimizer for {network}",
        "It has one for VGG, ResNet, DenseNet, InceptionV3 and Xception. Name an optimizer for other networks.",
    )
