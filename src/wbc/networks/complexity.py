"""What a network costs: parameters, layers, multiply-accumulates, floating-point operations. Loads Keras.

`python -m wbc.networks.complexity` builds every network of the catalogue and prints the table that
`wbc.networks.facts` reads without Keras.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import keras

from wbc.networks.build import build_backbone
from wbc.networks.catalog import NETWORKS
from wbc.networks.maps import maps_of

FLOPS_A_MAC = 2
"""A multiplication and an addition."""


@dataclass(frozen=True)
class Work:
    """What one image costs.

    Counted are convolutions and matrix products alone, for these are what a device's peak is stated for.
    Normalisation, activation and pooling add some percent (`tests/networks/flops.py` holds the figures
    against TensorFlow's count).

    Attributes:
        macs: Multiply-accumulates of its way forward.
        training_flops: Floating-point operations of a training step: its way forward; the gradients of all
            kernels that are trained; and the gradients of the inputs of all layers behind the first that is
            trained.
    """

    macs: int
    training_flops: int

    @property
    def forward_flops(self) -> int:
        """Floating-point operations of its way forward."""
        return FLOPS_A_MAC * self.macs

    def figures(self) -> dict[str, int]:
        """As a phase reports them."""
        return {
            "forward_macs": self.macs,
            "forward_flops": self.forward_flops,
            "training_flops": self.training_flops,
        }


def work_of(model: keras.Model) -> Work:
    """The work of a model as it is trained now; nothing is computed.

    Everything trained costs three times its way forward, but for the gradient of the images, which nobody
    needs; a frozen beginning costs its way forward only.

    Raises:
        ValueError: The model is no graph of layers (a subclass of `keras.Model` with a `call` of its own).
    """
    macs = flops = 0
    for call in _calls(model, False)[0]:
        macs += call.macs
        flops += FLOPS_A_MAC * call.macs * (1 + call.trained + call.behind_trained)
    return Work(macs, flops)


def multiply_accumulates(model: keras.Model) -> int:
    """Multiply-accumulates of one image's way through a model.

    Counted are the convolutions and matrix products, as publications do: every weight of a kernel works once
    for each position of its layer's output. Normalisation, activation and pooling are left out.

    Raises:
        ValueError: See `work_of`.
    """
    return work_of(model).macs


@dataclass(frozen=True)
class _Call:
    """One use of a layer.

    Attributes:
        macs: Multiply-accumulates for an image.
        trained: Whether its kernel is.
        behind_trained: Whether something before it is, so that the gradient of its input is needed.
    """

    macs: int
    trained: bool
    behind_trained: bool


def _calls(model: keras.Model, behind_trained: bool) -> tuple[list[_Call], bool]:
    """Every use of a layer, and whether the output depends on anything that is trained."""
    nodes = getattr(model, "_nodes_by_depth", None)
    if nodes is None and isinstance(model, keras.Sequential):
        nodes = getattr(model._functional, "_nodes_by_depth", None)
    if nodes is None:
        raise ValueError(f"{model.name} is no graph of layers, so its work cannot be counted")
    calls: list[_Call] = []
    reached: dict[int, bool] = {}  # id of a symbolic tensor -> whether it depends on what is trained
    for depth in sorted(nodes, reverse=True):
        for node in nodes[depth]:
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


def _macs(layer: keras.Layer, node) -> int:
    # The statistics that a preprocessing layer holds multiply nothing.
    if isinstance(layer, keras.layers.Normalization):
        return 0
    kernels = [math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1]
    if not kernels:
        return 0
    # A transposed convolution spreads every position of its input.
    spread = isinstance(layer, keras.layers.Conv2DTranspose)
    positions = (node.arguments.keras_tensors if spread else node.outputs)[0].shape[1:-1]
    return math.prod(positions) * sum(kernels)


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def layer_count(model: keras.Model) -> int:
    """How many layers a model has, those of models within it one by one."""
    return sum(1 for _ in _leaves(model))


def describe(name: str) -> dict:
    """Facts of a network without its top, at its native size and with its options' defaults."""
    native_size = NETWORKS[name].native_size
    model = build_backbone(name, {}, native_size)
    model.trainable = True
    maps = maps_of(model)
    return {
        "image_size": native_size,
        "parameters": model.count_params(),
        "multiply_accumulates": multiply_accumulates(model),
        "layers": layer_count(model),
        "features": list(model.output_shape[1:]),
        "kept_maps": maps.kept,
        "passing_maps": maps.passing,
    }


def main(names: list[str]) -> None:
    """Print the facts of the networks that are named, or of all, as JSON."""
    table = {}
    for name in names or NETWORKS:
        table[name] = describe(name)
        keras.backend.clear_session()
    lines = [f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in table.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main(sys.argv[1:])
