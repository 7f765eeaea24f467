"""The names that a suite may give as `backbone`: networks and classical methods."""

from wbc.classical.catalog import METHODS, Method
from wbc.errors import InputError, did_you_mean
from wbc.networks.catalog import NETWORKS, find_network
from wbc.networks.network import Network
from wbc.specification import KERAS_FREE_MODES


def find_backbone(name: str, mode: str) -> Network | Method:
    """What a mode trains under this name; both kinds check sizes and options and make labels.

    Raises:
        InputError: There is no such name, or it is of the kind that the mode has no use for.
    """
    if name in METHODS:
        if mode not in KERAS_FREE_MODES:
            raise InputError(
                f"{name} is a classical method, but mode is {mode!r}",
                'Put it into a block of its own with mode = "classical".',
            )
        return METHODS[name]
    if name not in NETWORKS and (guess := did_you_mean(name, [*METHODS, *NETWORKS])):
        raise InputError(
            f"unknown network or method {name!r} ({guess})",
            "Networks are LeNet5 and those of keras.applications, in Keras' spelling; "
            f"methods are {', '.join(METHODS)}.",
        )
    network = find_network(name)
    if mode in KERAS_FREE_MODES:
        raise InputError(
            f"{name} is a network, but mode is {mode!r}",
            f"Put it into a block of its own, or choose among {', '.join(METHODS)}.",
        )
    return network
