"""A traced training step as plain nodes: which operation takes which tensors, and their sizes.

Needs TensorFlow's graph as an argument, but imports neither Keras nor TensorFlow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

VIEWS = frozenset({"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"})
"""Operations whose output shares the memory of their first input."""

IN_PLACE = frozenset(
    [
        *("Add", "AddN", "AddV2", "BiasAdd", "Exp", "Log", "Maximum", "Minimum", "Mul", "Neg", "RealDiv"),
        *("Relu", "Relu6", "Relu6Grad", "ReluGrad", "Rsqrt", "SelectV2", "Sigmoid", "Sign", "Softmax"),
        *("Sqrt", "Square", "SquaredDifference", "Sub", "Tanh"),
    ]
)
"""Operations that overwrite an input that no other operation needs."""

_WITHOUT_MEMORY = frozenset({"ReadVariableOp", "VarHandleOp", "Placeholder", "Const", "NoOp"})
_QUICK = _WITHOUT_MEMORY | VIEWS | {"Shape", "StridedSlice", "Pack"}

# Keras bundles all gradients before the update; TensorFlow's graph optimizer removes the bundle.
_BUNDLE = "IdentityN"

# Orders of magnitude. They only decide which of two concurrent operations ends first.
_BYTES_A_SECOND, _FLOPS_A_SECOND, _DISPATCH_S, _QUICK_S = 6e9, 6e10, 1e-6, 1e-7

Tensor = tuple[int, int]
"""(position of the node, number of its output)"""


@dataclass(frozen=True)
class Node:
    """An operation."""

    kind: str
    """Type of the operation, such as `Conv2D`."""
    inputs: tuple[Tensor, ...]
    """The tensors that it takes."""
    after: tuple[int, ...]
    """Positions of the nodes that it waits for without taking a tensor."""
    outputs: tuple[int, ...]
    """Bytes of each output; 0 for an output without memory of its own."""
    stage: str
    """`forward`, `backward`, or `update` for everything after the gradients."""
    seconds: float
    """Rough duration."""

    @property
    def has_memory(self) -> bool:
        """Whether its outputs are new tensors. Reads of variables and constants are not."""
        return self.kind not in _WITHOUT_MEMORY

    @property
    def is_quick(self) -> bool:
        """Whether TensorFlow's executor runs it at once, in the thread that made it ready."""
        return self.seconds < 3 * _DISPATCH_S


def read_graph(graph: "tf.Graph", images: int) -> list[Node]:
    """The operations of a traced step, in the order of tracing.

    Args:
        graph: The graph of `train_step`: forward pass, gradients, update, in this order.
        images: Images per batch, for dimensions that the graph leaves open.
    """
    operations = graph.get_operations()
    position = {operation: number for number, operation in enumerate(operations)}
    taped = [number for number, one in enumerate(operations) if "gradient_tape/" in one.name]
    first, last = (taped[0], taped[-1]) if taped else (len(operations), len(operations))
    sizes = [tuple(_bytes(tensor, images) for tensor in one.outputs) for one in operations]
    nodes = []
    for number, operation in enumerate(operations):
        inputs = tuple(
            (position[tensor.op], tensor.value_index) for tensor in map(_through, _inputs(operation))
        )
        moved = sum(sizes[number]) + sum(sizes[source][output] for source, output in inputs)
        seconds = _DISPATCH_S + moved / _BYTES_A_SECOND + _flops(operation, images) / _FLOPS_A_SECOND
        nodes.append(
            Node(
                "NoOp" if operation.type == _BUNDLE else operation.type,
                inputs,
                tuple(position[one] for one in operation.control_inputs),
                sizes[number],
                "forward" if number < first else "backward" if number <= last else "update",
                _QUICK_S if operation.type in _QUICK else seconds,
            )
        )
    return nodes


def _inputs(operation: "tf.Operation") -> "Sequence[tf.Tensor]":
    return [] if operation.type == _BUNDLE else list(operation.inputs)


def _through(tensor: "tf.Tensor") -> "tf.Tensor":
    """The tensor that a bundle passes on."""
    while tensor.op.type == _BUNDLE:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _dimensions(tensor: "tf.Tensor", images: int) -> list[int] | None:
    if tensor.shape.rank is None:
        return None
    dimensions: list[int | None] = tensor.shape.as_list()
    if dimensions and dimensions[0] is None:
        dimensions[0] = images
    known = [size for size in dimensions if size is not None]
    return known if len(known) == len(dimensions) else None


def _bytes(tensor: "tf.Tensor", images: int) -> int:
    """Size of a tensor; 0 for resources, strings, and shapes that are unknown before the step runs."""
    if tensor.dtype.name in ("resource", "variant", "string"):
        return 0
    dimensions = _dimensions(tensor, images)
    return 0 if dimensions is None else math.prod(dimensions) * int(tensor.dtype.size)


def _flops(operation: "tf.Operation", images: int) -> float:
    """Floating-point operations of convolutions and matrix products; 0 for all others."""

    def shape(tensor: "tf.Tensor") -> list[int]:
        return _dimensions(tensor, images) or [0]

    kind = operation.type
    if kind == "MatMul":
        left, right, product = (
            math.prod(shape(t)) for t in (operation.inputs[0], operation.inputs[1], operation.outputs[0])
        )
        return 2.0 * math.sqrt(float(left) * right * product)
    if "Conv2d" not in kind and "Conv2D" not in kind:
        return 0.0
    if "BackpropFilter" in kind:
        kernel, positions = shape(operation.outputs[0]), math.prod(shape(operation.inputs[2]))
    elif "BackpropInput" in kind:
        kernel, positions = shape(operation.inputs[1]), math.prod(shape(operation.inputs[2]))
    else:
        kernel, positions = shape(operation.inputs[1]), math.prod(shape(operation.outputs[0]))
    depthwise = kind.startswith("Depthwise")
    return 2.0 * positions * math.prod(kernel[:2] if depthwise else kernel[:3])
