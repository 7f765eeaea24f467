"""What all figures have in common: their type, their colors, and escaped text."""

import colorsys
import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Json = dict[str, Any]
"""A piece of Plotly's JSON, which has no types."""

Trace = Json
Layout = Json

PALETTE = (
    "#3b82c4",
    "#e08a1e",
    "#2f9e6e",
    "#d1495b",
    "#8a63c7",
    "#9a7b3c",
    "#d667ab",
    "#6f8796",
    "#22a5b8",
    "#8fae2c",
    "#b5562b",
    "#5564d8",
)
"""Colors of networks, distinct on white and on black."""

PHASE_COLORS = {
    "startup": "#8c95a1",
    "reference_work": "#c9b458",
    "data": "#5aa9a0",
    "build": "#b08bd0",
    "features": "#e0a24a",
    "search": "#3f8f8a",
    "compile": "#d77a7a",
    "train": "#4f86c6",
    "evaluate": "#6fae5f",
    "latency": "#4aa3a3",
    "save": "#9a7b5f",
    "profile": "#c77fb0",
    "teardown": "#b7bcc4",
}

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = {
    "transfer": "circle",
    "scratch": "square",
    "finetune": "diamond",
    "features": "cross",
    "classical": "triangle-up",
}


@dataclass(frozen=True)
class Figure:
    """A figure as Plotly's JSON."""

    name: str
    """Unique in a report; letters, digits and hyphens."""
    title: str
    """Plain text."""
    data: list[Trace]
    layout: Layout = field(default_factory=dict)
    """Without colors of paper, text and grid: the page has a light and a dark set."""
    caption: str = ""
    """Plain text below it."""
    small: bool = False
    """One of several alike, set beside one another."""
    height: int = 380
    """In CSS pixels."""


class Colors:
    """One color for one network, in the order in which a suite names them."""

    def __init__(self, networks: Iterable[str]):
        self._number = {name: number for number, name in enumerate(dict.fromkeys(networks))}

    def __getitem__(self, network: str) -> str:
        number = self._number.setdefault(network, len(self._number))
        if number < len(PALETTE):
            return PALETTE[number]
        hue = (number * 0.618033988749895) % 1  # golden steps around the circle: neighbors differ most
        return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, 0.52, 0.5))


def plain(text: Any) -> str:
    """Text for labels of Plotly, which interprets some HTML there; names are escaped."""
    return html.escape(" ".join(str(text).split()), quote=False)


def numbers(values: Iterable[float]) -> list[float | None]:
    """Numbers for JSON, with five significant digits; None where one is not finite."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]


def percent(values: Iterable[float]) -> list[float | None]:
    """Shares in percent."""
    return numbers(100 * value for value in values)


def axis(title: str, **more: Any) -> Json:
    """An axis with a title."""
    return {"title": {"text": title}, "automargin": True, **more}


def error_bars(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Json | None:
    """Error bars of shares, in percent; None where no value has an interval."""
    middle, lower, upper = (np.asarray(one, float) for one in (values, low, high))
    if not np.isfinite(lower).any():
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": percent(upper - middle),
        "arrayminus": percent(middle - lower),
        "thickness": 1,
        "color": "#8c95a1",
        "width": 2,
    }


def thin(
    x: ArrayLike, y: ArrayLike, most: int, logarithmic: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A long curve with fewer points: its ends and, of every stretch, the lowest and the highest point.

    Args:
        x: Shape (n,), ascending.
        y: Shape (n,); points that are not finite are left out.
        most: About how many points remain; shorter curves stay whole.
        logarithmic: The stretches are alike on a logarithmic axis of `x`.
    """
    across, up = np.asarray(x, float), np.asarray(y, float)
    finite = np.isfinite(up)
    across, up = across[finite], up[finite]
    if len(across) <= most:
        return across, up
    count = max(1, (most - 2) // 2) + 1
    if logarithmic:
        edges = np.unique(np.geomspace(1, len(across) + 1, count).astype(int) - 1)
    else:
        edges = np.linspace(0, len(across), count).astype(int)
    kept = {0, len(across) - 1}
    for begin, end in pairwise(edges):
        kept |= {begin + int(up[begin:end].argmin()), begin + int(up[begin:end].argmax())}
    order = np.array(sorted(kept))
    return across[order], up[order]
