"""What a network costs: parameters, layers, multiply-accumulates. Loads Keras.

`python -m wbc.networks.complexity` builds every network of the catalogue and prints the table that
`wbc.networks.facts` reads without Keras.
"""

import json
import math
import sys

import keras

from wbc.networks.build import build_backbone
from wbc.networks.catalog import NETWORKS


def multiply_accumulates(model: keras.Model) -> int:
    """Multiply-accumulates of one image's way through a model.

    Counted are the convolutions and matrix products, as publications do: every weight of a kernel works once
    for each position of its layer's output. Normalisation, activation and pooling are left out.
    """
    total = 0
    for layer in _leaves(model):
        kernels = [weight for weight in layer.trainable_weights if len(weight.shape) > 1]
        if kernels:
            positions = math.prod(layer.output.shape[1:-1])
            total += positions * sum(math.prod(kernel.shape) for kernel in kernels)
    return total


def _leaves(model: keras.Model) -> list[keras.Layer]:
    leaves = []
    for layer in model.layers:
        leaves += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return leaves


def describe(name: str) -> dict:
    """Facts of a network without its top, at its native size and with its options' defaults."""
    native_size = NETWORKS[name].native_size
    model = build_backbone(name, {}, native_size)
    model.trainable = True
    return {
        "image_size": native_size,
        "parameters": model.count_params(),
        "multiply_accumulates": multiply_accumulates(model),
        "layers": len(_leaves(model)),
        "features": list(model.output_shape[1:]),
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
