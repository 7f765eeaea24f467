"""How many numbers a network's feature maps hold, from its layers alone: quick, and near enough to plan by.

What training really holds is worked out from the traced step (`wbc.training.memory`), which takes as long as
tracing does. `make memory` shows both.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

_NEED_INPUT = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.Dense,
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.MaxPooling2D,
    layers.Multiply,
)
"""Layers whose gradients need what came in."""

_OVER_INPUT = (layers.BatchNormalization, layers.Activation, layers.ReLU, layers.Rescaling)
"""Layers whose output may stand where their input, or something as large, stood."""

_VIEWS = (layers.Flatten, layers.Reshape, layers.InputLayer)


@dataclass(frozen=True)
class Maps:
    """Numbers for one image.

    Attributes:
        kept: In the maps that gradients need, when everything is trained.
        passing: The most that lies between two layers when nothing is trained: what a layer takes and makes.
    """

    kept: int
    passing: int


def maps_of(model: keras.Model) -> Maps:
    """Feature maps of a graph of layers.

    Raises:
        ValueError: The model is none.
    """
    nodes = getattr(model, "_nodes_by_depth", None)
    if nodes is None and isinstance(model, keras.Sequential):
        nodes = getattr(model._functional, "_nodes_by_depth", None)
    if nodes is None:
        raise ValueError(f"{model.name} is no graph of layers, so its maps cannot be counted")
    roots: dict[int, int] = {}
    kept: dict[int, int] = {}
    most = inner = 0

    def keep(tensor) -> None:
        kept[roots.get(id(tensor), id(tensor))] = _numbers(tensor)

    for depth in sorted(nodes, reverse=True):
        for node in nodes[depth]:
            layer, inputs, outputs = node.operation, node.arguments.keras_tensors, node.outputs
            if isinstance(layer, keras.Model):
                within = maps_of(layer)
                inner, most = inner + within.kept, max(most, within.passing)
            if isinstance(layer, _VIEWS) and inputs:
                roots |= {id(tensor): roots.get(id(inputs[0]), id(inputs[0])) for tensor in outputs}
            most = max(most, sum(map(_numbers, [*inputs, *outputs])))
            if isinstance(layer, _NEED_INPUT):
                for tensor in inputs:
                    keep(tensor)
            for tensor in outputs:
                for _ in range(_own_maps(layer)):
                    inner += _numbers(tensor)
                if _keeps_output(layer):
                    keep(tensor)
    images = {roots.get(id(tensor), id(tensor)) for tensor in model.inputs}
    return Maps(inner + sum(size for tensor, size in kept.items() if tensor not in images), most)


def _keeps_output(layer) -> bool:
    """Whether the gradient needs what comes out: those of ReLU and pooling do."""
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return activation != "linear" or isinstance(layer, layers.MaxPooling2D | layers.ReLU)


def _own_maps(layer) -> int:
    """Maps within a layer, as large as its output: a separable convolution has one between its two."""
    if isinstance(layer, layers.SeparableConv2D | layers.Dropout):
        return 1
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return 1 if activation in ("silu", "swish", "gelu", "hard_silu", "hard_swish") else 0


def _numbers(tensor) -> int:
    return math.prod(size or 1 for size in tensor.shape[1:])
