"""From pixels to the input of a network. Keras is loaded only for networks of `keras.applications`.

Networks from papers use one of three scalings, each from RGB, shape (..., 3), values 0 to 255, to float32.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.errors import InputError, reason_of
from wbc.networks.catalog import find_network
from wbc.networks.users import UserNetwork
from wbc.protocols import PREPROCESSINGS
from wbc.specification import Specification

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""Color images, shape (images, height, width, 3), in RGB order, values 0 to 255."""

IMAGENET_MEAN = np.array([123.68, 116.779, 103.939], np.float32)
"""Means of ImageNet's red, green and blue, on a scale of 0 to 255."""

IMAGENET_DEVIATION = np.array([58.393, 57.12, 57.375], np.float32)
"""Standard deviations of ImageNet's red, green and blue, on a scale of 0 to 255."""


def symmetric(pixels: Pixels) -> NDArray[np.float32]:
    """Scaled to the range from -1 to 1."""
    return (pixels / 127.5 - 1).astype(np.float32)


def centered(pixels: Pixels) -> NDArray[np.float32]:
    """ImageNet's mean color subtracted, without scaling: about -124 to 151."""
    return (pixels - IMAGENET_MEAN).astype(np.float32)


def standardized(pixels: Pixels) -> NDArray[np.float32]:
    """ImageNet's mean color subtracted, in units of its standard deviation: about -2.1 to 2.6."""
    return ((pixels - IMAGENET_MEAN) / IMAGENET_DEVIATION).astype(np.float32)


def preprocess(
    pixels: Pixels, name: str, how: str = "network", options: Mapping[str, Any] | None = None
) -> NDArray[np.float32]:
    """Scale a batch of images for a network.

    Args:
        pixels: The images. They are not changed.
        name: Name of the network.
        how: `network`: the network's own `preprocess_input`, in `keras.applications` or
            `wbc.networks.papers`. `rescale`: divided by 255, as in the thesis. A network that scales its
            pixels itself (`Network.scales_inside`) then scales them twice.
        options: Options of the network; those of a user's network may include its scaling function.

    Returns:
        A new array of the same shape.

    Raises:
        InputError: A user's function failed, or returned something else.
    """
    network = find_network(name, options)
    scaled = np.array(pixels, dtype=np.float32)
    if how == "rescale":
        scaled /= 255
        return scaled
    if how != "network":
        raise ValueError(f"preprocessing is {how!r}, not one of {PREPROCESSINGS}")
    if isinstance(network, UserNetwork):
        return _by_the_user(scaled, network)
    if network.builder:
        module = importlib.import_module(f"wbc.networks.papers.{network.module}")
        own: Callable[[Pixels], NDArray[np.float32]] = module.preprocess_input
        return own(scaled)

    import keras

    function = getattr(keras.applications, network.module).preprocess_input
    # It may write into the array, which is a copy. If it reverses the colors, it returns a view.
    return np.ascontiguousarray(function(scaled, data_format="channels_last"), dtype=np.float32)


def preprocessing_of(specification: Specification) -> Callable[[Pixels], NDArray[np.float32]]:
    """The function that an experiment applies to each batch of pixels."""
    return functools.partial(
        preprocess,
        name=specification.network,
        how=specification.preprocessing,
        options=specification.options,
    )


def _by_the_user(pixels: NDArray[np.float32], network: UserNetwork) -> NDArray[np.float32]:
    if network.preprocess is None:
        return symmetric(pixels)
    function = network.preprocess.load()
    try:
        scaled = np.ascontiguousarray(function(pixels.copy()), dtype=np.float32)
    # The user's code may raise anything. That it failed is the message.
    except Exception as error:
        raise InputError(f"{network.preprocess} could not scale pixels: {reason_of(error)}") from error
    if scaled.shape != pixels.shape:
        raise InputError(
            f"{network.preprocess} made {scaled.shape} of pixels of shape {pixels.shape}",
            "It must keep the shape: (images, height, width, 3).",
        )
    return scaled
