"""What a network costs: parameters, layers, operations and feature maps. Loads Keras.

`python -m wbc.networks.complexity` builds every network of the catalog and prints the table that
`wbc.networks.facts` reads without Keras.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from wbc.networks.build import build_backbone
from wbc.networks.catalog import NETWORKS
from wbc.observer import Figures

FLOPS_A_MAC = 2
"""A multiplication and an addition."""

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
"""Layers whose gradients need their input."""

_VIEWS = (layers.Flatten, layers.Reshape, layers.InputLayer)
"""Layers whose output shares the memory of their input."""


@dataclass(frozen=True)
class Work:
    """The computation for one image.

    Only convolutions and matrix products count, because the peak of a device is stated for these.
    Normalization, activation and pooling add some percent (`make memory` compares with TensorFlow's count).
    """

    macs: int
    """Multiply-accumulates of the forward pass."""
    training_flops: int
    """Floating-point operations of a training step: the forward pass, the gradients of all trained kernels,
    and the gradients of the inputs of all layers behind the first trained one."""

    @property
    def forward_flops(self) -> int:
        """Floating-point operations of the forward pass."""
        return FLOPS_A_MAC * self.macs


@dataclass(frozen=True)
class Maps:
    """Numbers in the feature maps of one image."""

    kept: int
    """In the maps that gradients need, if all layers are trained."""
    passing: int
    """The largest sum of the inputs and outputs of one layer, which inference needs."""


def size_figures(model: keras.Model, frozen: keras.Model | None = None) -> Figures:
    """Parameters, layers and work, for the phase `build`.

    Args:
        model: The trained model, with the right layers frozen.
        frozen: A backbone whose features are extracted before the training.

    Returns:
        `parameters`, `trainable_parameters`, `layers`; `forward_macs` and `forward_flops` per image, from its
        pixels to the probabilities; `trained_forward_flops` of the trained model alone, which validation
        computes; `training_flops` per image and training step. For a model that is not a graph of layers,
        `work_unavailable` (the reason) replaces the last four.
    """
    models = [model] if frozen is None else [frozen, model]
    figures: Figures = {
        "parameters": sum(int(one.count_params()) for one in models),
        "trainable_parameters": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "layers": sum(layer_count(one) for one in models),
    }
    try:
        works = [work_of(one) for one in models]
    except ValueError as error:
        return {**figures, "work_unavailable": str(error)}
    return {
        **figures,
        "forward_macs": sum(work.macs for work in works),
        "forward_flops": sum(work.forward_flops for work in works),
        "trained_forward_flops": works[-1].forward_flops,
        "training_flops": works[-1].training_flops,
    }


def work_of(model: keras.Model) -> Work:
    """The work of a model with its current trainable layers. Nothing is computed.

    A trained model costs three times its forward pass, minus the gradient of the images, which nobody needs.
    Frozen layers before the first trained one cost their forward pass only.

    The multiply-accumulates follow the convention of publications: each weight of a kernel counts once for
    each position of its layer's output.

    Raises:
        ValueError: The model is not a graph of layers, but a subclass with a `call` of its own.
    """
    macs = flops = 0
    for call in _calls(model, False)[0]:
        macs += call.macs
        flops += FLOPS_A_MAC * call.macs * (1 + call.trained + call.behind_trained)
    return Work(macs, flops)


def maps_of(model: keras.Model) -> Maps:
    """Feature maps of a graph of layers, from its layers alone: quick, and accurate enough for a plan.

    `wbc.memory` computes what training really holds from the traced step, which takes as long as tracing.
    `make memory` compares both.

    Raises:
        ValueError: The model is not a graph of layers.
    """
    roots: dict[int, int] = {}
    kept: dict[int, int] = {}
    most = inner = 0

    def keep(tensor: "keras.KerasTensor") -> None:
        kept[roots.get(id(tensor), id(tensor))] = _numbers(tensor)

    for node in _nodes(model, "maps"):
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
            inner += _own_maps(layer) * _numbers(tensor)
            if _keeps_output(layer):
                keep(tensor)
    images = {roots.get(id(tensor), id(tensor)) for tensor in model.inputs}
    return Maps(inner + sum(size for tensor, size in kept.items() if tensor not in images), most)


def leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a model from input to output; the layers of models within it one by one."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def layer_count(model: keras.Model) -> int:
    """Number of layers of a model; the layers of models within it count one by one."""
    return sum(1 for _ in leaves(model))


def describe(name: str) -> dict[str, Any]:
    """Facts about a network without its top, at its native size and with default options."""
    native_size = NETWORKS[name].native_size
    model = build_backbone(name, {}, native_size)
    model.trainable = True
    maps = maps_of(model)
    return {
        "image_size": native_size,
        "parameters": model.count_params(),
        "multiply_accumulates": work_of(model).macs,
        "layers": layer_count(model),
        "features": list(model.output_shape[1:]),
        "kept_maps": maps.kept,
        "passing_maps": maps.passing,
    }


def main(names: list[str]) -> None:
    """Print the facts of the given networks, or of all, as JSON."""
    table = {}
    for name in names or NETWORKS:
        table[name] = describe(name)
        keras.backend.clear_session()
    lines = [f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in table.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


@dataclass(frozen=True)
class _Call:
    """One use of a layer."""

    macs: int
    """Multiply-accumulates per image."""
    trained: bool
    """Whether its kernel is trained."""
    behind_trained: bool
    """Whether a layer before it is trained, so that the gradient of its input is needed."""


def _nodes(model: keras.Model, counted: str) -> Iterator[Any]:
    """Every use of a layer, from input to output.

    Raises:
        ValueError: The model is not a graph of layers, so something of it cannot be counted.
    """
    nodes = getattr(model, "_nodes_by_depth", None)
    if nodes is None and isinstance(model, keras.Sequential):
        nodes = getattr(model._functional, "_nodes_by_depth", None)
    if nodes is None:
        raise ValueError(f"{model.name} is not a graph of layers, so its {counted} cannot be counted")
    for depth in sorted(nodes, reverse=True):
        yield from nodes[depth]


def _calls(model: keras.Model, behind_trained: bool) -> tuple[list[_Call], bool]:
    """Every use of a layer with a kernel, and whether the output depends on anything that is trained."""
    calls: list[_Call] = []
    reached: dict[int, bool] = {}  # id of a symbolic tensor -> whether it depends on a trained layer
    for node in _nodes(model, "work"):
        inputs = node.arguments.keras_tensors
        behind = any(reached[id(tensor)] for tensor in inputs) if inputs else behind_trained
        layer, after = node.operation, behind
        if isinstance(layer, keras.Model):
            inner, after = _calls(layer, behind)
            calls += inner
        elif isinstance(layer, keras.Layer):
            trained = bool(layer.trainable_weights)
            after = behind or trained
            if macs := _macs(layer, node):
                calls.append(_Call(macs, trained, behind))
        for tensor in node.outputs:
            reached[id(tensor)] = after
    return calls, any(reached[id(tensor)] for tensor in model.outputs)


def _macs(layer: keras.Layer, node: Any) -> int:
    # The statistics of a preprocessing layer multiply nothing.
    if isinstance(layer, keras.layers.Normalization):
        return 0
    kernels: list[int] = [math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1]
    if not kernels:
        return 0
    # A transposed convolution uses its kernel at every position of its input.
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    shape: tuple[int, ...] = (node.arguments.keras_tensors if transposed else node.outputs)[0].shape
    return math.prod(shape[1:-1]) * sum(kernels)


def _keeps_output(layer: Any) -> bool:
    """Whether the gradient needs the output, as those of ReLU and pooling do."""
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return activation != "linear" or isinstance(layer, layers.MaxPooling2D | layers.ReLU)


def _own_maps(layer: Any) -> int:
    """Number of maps inside a layer that are as large as its output. A separable convolution has one."""
    if isinstance(layer, layers.SeparableConv2D | layers.Dropout):
        return 1
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return 1 if activation in ("silu", "swish", "gelu", "hard_silu", "hard_swish") else 0


def _numbers(tensor: "keras.KerasTensor") -> int:
    return math.prod(size or 1 for size in tensor.shape[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
