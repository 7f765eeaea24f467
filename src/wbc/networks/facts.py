"""What the networks of the catalog cost, without building them. `wbc.networks.complexity` makes the table."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Facts:
    """The cost of a network without its top."""

    parameters: float
    """Number of parameters."""
    multiply_accumulates: float
    """Multiply-accumulates of the forward pass of one image."""
    layers: int
    """Number of layers; each takes time to trace."""
    features: float
    """Numbers in the features of one image."""
    kept_maps: float | None
    """Numbers in the feature maps of one image that gradients need if all layers are trained; None if the
    table does not have it."""
    passing_maps: float | None
    """The largest sum of the inputs and outputs of one layer for one image; None if the table does not have
    it."""


def facts_of(network: str, options: Mapping[str, Any], image_size: int) -> Facts | None:
    """Facts about a network at some image size, scaled from its native size; None for an unknown network.

    Work, features and maps grow with the area of the image, and with `alpha`, which scales the width of every
    layer.
    """
    known = _table().get(network)
    if known is None:
        return None
    area = (image_size / known["image_size"]) ** 2
    width = float(options.get("alpha", 1.0))
    height_of_map, width_of_map, channels = known["features"]
    return Facts(
        parameters=known["parameters"] * width**2,
        multiply_accumulates=known["multiply_accumulates"] * area * width**2,
        layers=known["layers"],
        features=max(1.0, height_of_map * width_of_map * area) * channels * width,
        kept_maps=_scaled(known.get("kept_maps"), area * width),
        passing_maps=_scaled(known.get("passing_maps"), area * width),
    )


def _scaled(numbers: float | None, factor: float) -> float | None:
    return None if numbers is None else numbers * factor


@functools.cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(files("wbc.networks").joinpath("facts.json").read_text())
    return table
