"""Build networks with Keras: whole classifiers, and backbones with weights. Loads Keras."""

import importlib
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from wbc.backends import is_out_of_memory
from wbc.errors import InputError, reason_of
from wbc.networks.catalog import find_network
from wbc.networks.network import Network
from wbc.networks.users import UserNetwork
from wbc.specification import WeightsSource

# Standard deviations of ImageNet's colors, as in the preprocessing of EfficientNet.
_IMAGENET_DEVIATIONS = (0.229, 0.224, 0.225)


def build_classifier(name: str, options: Mapping[str, Any], image_size: int, classes: int) -> keras.Model:
    """The whole network with random weights.

    Args:
        name: Name of the network.
        options: Its options.
        image_size: Width and height of the images, pixels.
        classes: Number of classes.

    Returns:
        A model from preprocessed images, shape (images, image_size, image_size, 3), to class probabilities,
        shape (images, classes).

    Raises:
        InputError: Unknown network or option, or the images are too small.
    """
    return _build(find_network(name, options), options, image_size, classes)


def build_backbone(
    name: str, options: Mapping[str, Any], image_size: int, weights: WeightsSource | Path | None = None
) -> keras.Model:
    """The network without its top.

    Args:
        name: Name of the network.
        options: Its options.
        image_size: Width and height of the images, pixels.
        weights: The result of `locate_weights`, a file of the user's, or None for random weights.

    Returns:
        A model from preprocessed images, shape (images, image_size, image_size, 3), to feature maps, shape
        (images, height, width, channels).

    Raises:
        InputError: Unknown network or option, the images are too small, or the file does not fit.
    """
    network = find_network(name, options)
    source = WeightsSource("file", weights) if isinstance(weights, Path) else weights
    if source is not None and source.kind == "download":
        raise ValueError(f"the weights of {name} must be fetched and located again before they are loaded")
    model = _build(network, options, image_size, None)
    if source is not None and source.path is not None:
        _load(model, network, options, source.path)
        if network.stretched_by_imagenet and (source.kind != "file" or _has_stretch(source.path)):
            _stretch(model)
    return model


def _build(network: Network, options: Mapping[str, Any], image_size: int, classes: int | None) -> keras.Model:
    """A network with random weights; without classes a backbone."""
    checked = network.check_options(options)
    network.check_size(image_size)
    shape = (image_size, image_size, 3)
    if isinstance(network, UserNetwork):
        return _build_users(network, checked, shape, classes)
    if network.builder:
        module = importlib.import_module(f"wbc.networks.papers.{network.module}")
        return getattr(module, network.builder)(shape, classes, **checked)
    top = {"include_top": False} if classes is None else {"include_top": True, "classes": classes}
    return getattr(keras.applications, network.name)(**checked, **top, weights=None, input_shape=shape)


def _build_users(
    network: UserNetwork, options: Mapping[str, Any], shape: tuple[int, int, int], classes: int | None
) -> keras.Model:
    """Call the user's function and check the model that it returns.

    Raises:
        InputError: It raised an exception, or its model does not have the right input and output.
    """
    function = network.build.load()
    try:
        model = function(shape, classes, **network.arguments(options))
    except MemoryError:
        raise
    # The user's code may raise anything. That it failed is the message.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise InputError(f"{network.build} could not build {network.name}: {reason_of(error)}") from error
    called = f"{network.build}({shape}, {classes})"
    if not isinstance(model, keras.Model):
        raise InputError(f"{called} returned {type(model).__name__}, not a keras.Model")
    try:
        output = model(np.zeros((1, *shape), "float32"), training=False)
    except Exception as error:
        raise InputError(
            f"{called} returned a model that does not accept such images: {reason_of(error)}"
        ) from error
    if isinstance(output, list | tuple | dict):
        raise InputError(f"{called} returned a model with several outputs", "Return a model with one output.")
    _check_output(np.asarray(keras.ops.convert_to_numpy(output), np.float32), classes, called)
    return model


def _check_output(output: NDArray[Any], classes: int | None, called: str) -> None:
    """Check that the output for one image is features, or probabilities of the classes."""
    if classes is None:
        if output.ndim < 2:
            raise InputError(f"{called} returned a model without features", "Return maps or vectors.")
        return
    if output.shape != (1, classes):
        raise InputError(
            f"{called} returned a model whose output has the shape {('images', *output.shape[1:])}",
            f"A classifier of {classes} classes has the shape ('images', {classes}).",
        )
    if not np.allclose(output.sum(), 1, atol=_tolerance()) or output.min() < 0:
        raise InputError(
            f"{called} returned a model whose output is not probabilities", "End it with a softmax."
        )


def _tolerance() -> float:
    """How far the sum of probabilities may be from one: half precision has three digits or less."""
    return 1e-3 if keras.config.dtype_policy().compute_dtype == "float32" else 0.05


def _load(model: keras.Model, network: Network, options: Mapping[str, Any], path: Path) -> None:
    """Load a file in either of Keras' layouts. Keras recognizes the layout by the file name."""
    variables = [variable for variable in model.weights if keras.backend.is_float_dtype(variable.dtype)]
    # In some versions of Keras, a layer that is missing in the file keeps its weights, with only a warning. A
    # random layer must not be mistaken for a pretrained one.
    for variable in variables:
        variable.assign(keras.ops.full(variable.shape, math.nan, variable.dtype))
    cause: Exception | None = None
    try:
        with warnings.catch_warnings(action="ignore"):
            model.load_weights(path)
    # Keras and h5py raise many kinds of exceptions here, from KeyError to OSError, which differ between
    # versions. All of them mean the same to the user.
    except Exception as error:
        cause = error
    if cause is not None or any(keras.ops.any(keras.ops.isnan(variable)) for variable in variables):
        raise InputError(
            f"{path} does not fit {network.label(options)} without its top",
            "It must have the weights of the same network, with the same options and include_top=False, "
            "and a name that ends in .weights.h5 (Keras 3) or .h5 (Keras 2).",
        ) from cause


def _has_stretch(path: Path) -> bool:
    """Whether the file was saved from a network with the scaling layer of ImageNet weights."""
    with h5py.File(path) as file:
        root = file.get("model_weights", file)  # a whole model of Keras 2, or only its weights
        stored = root.attrs.get("layer_names", root.get("layers", ()))
        names: list[str] = [name.decode() if isinstance(name, bytes) else str(name) for name in stored]
    return sum(name.startswith("rescaling") for name in names) > 1


def _stretch(model: keras.Model) -> None:
    """Divide the normalized colors by the root of their deviations, as Keras does for ImageNet weights.

    The weights of EfficientNet (B0 to B7) were trained on colors that were scaled differently from the
    network's normalization. Keras compensates with a layer that it adds only when it loads these weights
    itself. Here the factor goes into the variance of the normalization, so the layers stay the same.
    """
    normalization = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, *count = normalization.get_weights()
    normalization.set_weights([mean, variance * _IMAGENET_DEVIATIONS, *count])
    normalization.finalize_state()
