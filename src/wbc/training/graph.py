"""A traced training step as plain nodes: what is computed from what, and how large it is. Loads TensorFlow
lazily."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

VIEWS = frozenset({"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient"})
"""Operations whose output is their first input's memory."""

IN_PLACE = frozenset(
    [
        "Add",
        "AddN",
        "AddV2",
        "BiasAdd",
        "Exp",
        "Log",
        "Maximum",
        "Minimum",
        "Mul",
        "Neg",
        "RealDiv",
        "Relu",
        "Relu6",
        "Relu6Grad",
        "ReluGrad",
        "Rsqrt",
        "SelectV2",
        "Sigmoid",
        "Sign",
        "Softmax",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "Sub",
        "Tanh",
    ]
)
"""Operations that write over an input that nobody else needs any more."""

_WITHOUT_MEMORY = frozenset({"ReadVariableOp", "VarHandleOp", "Placeholder", "Const", "NoOp"})
_QUICK = _WITHOUT_MEMORY | VIEWS | {"Shape", "StridedSlice", "Pack"}

# Keras bundles all gradients before the update; TensorFlow's optimiser of graphs unties them again.
_BUNDLE = "IdentityN"

# Orders of magnitude: they decide only which of two operations that may run at once ends first.
_BYTES_A_SECOND, _FLOPS_A_SECOND, _DISPATCH_S, _QUICK_S = 6e9, 6e10, 1e-6, 1e-7

Tensor = tuple[int, int]
"""(position of the node, number of its output)"""


@dataclass(frozen=True)
class Node:
    """An operation.

    Attributes:
        kind: What it does, such as `Conv2D`.
        inputs: The tensors that it takes.
        after: Positions of the nodes that it waits for without taking anything.
        outputs: Bytes of each output; 0 for what has no memory of its own.
        part: `forward`, `backward`, or `update` for all that comes after the gradients.
        seconds: How long it takes, roughly.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    after: tuple[int, ...]
    outputs: tuple[int, ...]
    part: str
    seconds: float


def read_graph(graph: "tf.Graph", images: int) -> list[Node]:
    """The operations of a traced step, in the order in which they were traced.

    Args:
        graph: Of `train_step`: the way forward, the gradients, the update, one after the other.
        images: Images a batch; stands wherever the graph leaves the first dimension open.
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


def _inputs(operation: Any) -> list:
    return [] if operation.type == _BUNDLE else list(operation.inputs)


def _through(tensor: "tf.Tensor") -> "tf.Tensor":
    """What a bundle hands on, in its place."""
    while tensor.op.type == _BUNDLE:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def has_memory(node: Node) -> bool:
    """Whether its outputs are new tensors: reads of variables and constants are not."""
    return node.kind not in _WITHOUT_MEMORY


def is_quick(node: Node) -> bool:
    """Whether TensorFlow's executor does it at once, in the thread that made it ready."""
    return node.seconds < 3 * _DISPATCH_S


def _dimensions(tensor: "tf.Tensor", images: int) -> list[int] | None:
    if tensor.shape.rank is None:
        return None
    dimensions = tensor.shape.as_list()
    if dimensions and dimensions[0] is None:
        dimensions[0] = images
    return None if None in dimensions else dimensions


def _bytes(tensor: "tf.Tensor", images: int) -> int:
    """0 for what has no size: resources, strings, shapes that only running would tell."""
    if tensor.dtype.name in ("resource", "variant", "string"):
        return 0
    dimensions = _dimensions(tensor, images)
    return 0 if dimensions is None else math.prod(dimensions) * tensor.dtype.size


def _flops(operation: Any, images: int) -> float:
    """Of convolutions and products; 0 for all others."""

    def shape(tensor) -> list[int]:
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
