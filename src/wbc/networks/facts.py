"""What the networks of the catalogue cost, told without building them.

`wbc.networks.complexity` makes the table.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Facts:
    """A network without its top.

    Attributes:
        parameters: Numbers that it holds.
        multiply_accumulates: Of one image's way forward.
        layers: How many; tracing takes time for each.
        features: Numbers that it makes of one image.
        kept_maps: Numbers in the feature maps of one image that gradients need when all of it is trained;
            None where the table does not tell.
        passing_maps: The most numbers that a layer takes and makes of one image; None as above.
    """

    parameters: float
    multiply_accumulates: float
    layers: int
    features: float
    kept_maps: float | None
    passing_maps: float | None


def facts_of(network: str, options: Mapping[str, Any], image_size: int) -> Facts | None:
    """Facts of a network at some size, scaled from those at its native size; None for one that is unknown.

    Work, features and maps grow with the area of the image, and with `alpha`, which scales every layer's
    width.
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
    return json.loads(files("wbc.networks").joinpath("facts.json").read_text())
