"""From pixels to what a network expects. Loads Keras."""

import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from wbc.networks.catalog import find_network
from wbc.specification import Specification

if TYPE_CHECKING:
    import numpy as np

KINDS = ("network", "rescale")
"""How pixels may be scaled: as the network's own function does, or all by 1/255."""


def preprocess(pixels: "np.ndarray", name: str, how: str = "network") -> "np.ndarray":
    """Scale a batch of images for a network.

    Args:
        pixels: Colour images, shape (images, height, width, 3), in RGB order, values 0 to 255, uint8 or
            float32. They are not changed.
        name: Name of the network.
        how: `network`: the function `preprocess_input` beside the network, in `keras.applications` or
            `wbc.networks.papers`. `rescale`: divided by 255, as the thesis did; a network
            that scales its pixels itself (`Network.scales_inside`) then scales them twice.

    Returns:
        A new float32 array of the same shape.
    """
    import numpy as np

    network = find_network(name)
    scaled = np.array(pixels, dtype=np.float32)
    if how == "rescale":
        scaled /= 255
        return scaled
    if how != "network":
        raise ValueError(f"preprocessing is {how!r}, not one of {KINDS}")
    if network.builder:
        return importlib.import_module(f"wbc.networks.papers.{network.module}").preprocess_input(scaled)

    import keras

    own = getattr(keras.applications, network.module).preprocess_input
    # It may write into the array, which is a copy. Where it turns the colours round, it returns a view.
    return np.ascontiguousarray(own(scaled, data_format="channels_last"), dtype=np.float32)


def preprocessing_of(specification: Specification) -> "Callable[[np.ndarray], np.ndarray]":
    """What an experiment does to each batch of pixels."""
    return functools.partial(preprocess, name=specification.network, how=specification.preprocessing)
