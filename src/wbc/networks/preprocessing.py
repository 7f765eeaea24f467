"""From pixels to what a network expects. Loads Keras."""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wbc.errors import InputError
from wbc.networks.catalog import find_network
from wbc.networks.users import UserNetwork
from wbc.specification import Specification

if TYPE_CHECKING:
    import numpy as np

KINDS = ("network", "rescale")
"""How pixels may be scaled: as the network's own function does, or all by 1/255."""


def preprocess(
    pixels: "np.ndarray", name: str, how: str = "network", options: Mapping[str, Any] | None = None
) -> "np.ndarray":
    """Scale a batch of images for a network.

    Args:
        pixels: Colour images, shape (images, height, width, 3), in RGB order, values 0 to 255, uint8 or
            float32. They are not changed.
        name: Name of the network.
        how: `network`: the function `preprocess_input` beside the network, in `keras.applications` or
            `wbc.networks.papers`. `rescale`: divided by 255, as the thesis did; a network
            that scales its pixels itself (`Network.scales_inside`) then scales them twice.

        options: Options of the network; a user's own network may name its function among them.

    Returns:
        A new float32 array of the same shape.

    Raises:
        InputError: A user's function failed, or returned something else.
    """
    import numpy as np

    network = find_network(name, options)
    scaled = np.array(pixels, dtype=np.float32)
    if how == "rescale":
        scaled /= 255
        return scaled
    if how != "network":
        raise ValueError(f"preprocessing is {how!r}, not one of {KINDS}")
    if isinstance(network, UserNetwork):
        return _as_the_user_does(scaled, network)
    if network.builder:
        return importlib.import_module(f"wbc.networks.papers.{network.module}").preprocess_input(scaled)

    import keras

    own = getattr(keras.applications, network.module).preprocess_input
    # It may write into the array, which is a copy. Where it turns the colours round, it returns a view.
    return np.ascontiguousarray(own(scaled, data_format="channels_last"), dtype=np.float32)


def preprocessing_of(specification: Specification) -> "Callable[[np.ndarray], np.ndarray]":
    """What an experiment does to each batch of pixels."""
    return functools.partial(
        preprocess,
        name=specification.network,
        how=specification.preprocessing,
        options=specification.options,
    )


def _as_the_user_does(pixels: "np.ndarray", network: UserNetwork) -> "np.ndarray":
    import numpy as np

    from wbc.networks.papers.scaling import symmetric

    if network.preprocess is None:
        return symmetric(pixels)
    function = network.preprocess.load()
    try:
        scaled = np.ascontiguousarray(function(pixels.copy()), dtype=np.float32)
    # The user's code may raise anything; that it did is the message.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{network.preprocess} could not scale pixels: {reason}") from error
    if scaled.shape != pixels.shape:
        raise InputError(
            f"{network.preprocess} made {scaled.shape} of pixels of shape {pixels.shape}",
            "It must keep the shape: (images, height, width, 3).",
        )
    return scaled
