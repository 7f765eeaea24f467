"""The names that a suite may give as `backbone`: networks and classical methods. Free of Keras."""

from collections.abc import Mapping
from typing import Any

from wbc.classical.catalog import FEATURES, METHODS, Method
from wbc.errors import InputError, did_you_mean
from wbc.networks.catalog import BUILT_HERE, NETWORKS, find_network
from wbc.networks.network import Network
from wbc.networks.users import BUILD
from wbc.options import OptionValue
from wbc.specification import KERAS_FREE_MODES


def find_backbone(name: str, mode: str, options: Mapping[str, Any] | None = None) -> Network | Method:
    """What a mode trains under this name. Both kinds check image sizes and options, and make labels.

    Args:
        name: Name of a network, a method, or a network of the user's.
        mode: One of `wbc.specification.MODES`.
        options: Its options; for a network of the user's they include the function that builds it.

    Raises:
        InputError: There is no such name, or the mode cannot train it.
    """
    if name in METHODS:
        if mode not in KERAS_FREE_MODES:
            raise InputError(
                f"{name} is a classical method, but mode is {mode!r}",
                'Put it into a block of its own with mode = "classical"; on the features of a network it is the '
                'classifier of mode = "features".',
            )
        return METHODS[name]
    own = BUILD in (options or {})
    if name not in NETWORKS and not own and (guess := did_you_mean(name, [*METHODS, *NETWORKS])):
        raise InputError(
            f"unknown network or method {name!r} ({guess})",
            f"Networks are {', '.join(BUILT_HERE)}, and those of keras.applications, in Keras' spelling; "
            f"methods are {', '.join(METHODS)}.",
        )
    network = find_network(name, options)
    if mode in KERAS_FREE_MODES:
        raise InputError(
            f"{name} is a network, but mode is {mode!r}",
            f"Put it into a block of its own, or choose one of {', '.join(METHODS)}.",
        )
    return network


def check_classifier(name: str, options: Mapping[str, Any]) -> dict[str, OptionValue]:
    """The options of the method that is fitted to the features of a network, in the types of the catalog.

    Raises:
        InputError: There is no such method or option, or its value is not allowed.
    """
    if name not in METHODS:
        guess = did_you_mean(name, list(METHODS))
        raise InputError(
            f"unknown method {name!r}" + (f" ({guess})" if guess else ""),
            f"Methods are {', '.join(METHODS)}.",
        )
    if FEATURES.name in options:
        raise InputError(
            f"{name} gets the features of the network, so {FEATURES.name} = {options[FEATURES.name]!r} means nothing",
            'Remove it, or put the method into a block of its own with mode = "classical".',
        )
    return METHODS[name].check_options(options)
