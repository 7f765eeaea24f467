"""A traced step as plain nodes, from graphs made by hand: inputs, sizes, stages and rough durations."""

from types import SimpleNamespace

import pytest

from wbc.memory.graph import Node, read_graph

IMAGES = 5


class Operation:
    """An operation of TensorFlow's graph; `shapes` has that of each output, None where it is unknown."""

    def __init__(self, kind: str, inputs=(), shapes=((None, 4),), name="", dtype="float32", size=4, after=()):
        self.type, self.inputs, self.name, self.control_inputs = kind, list(inputs), name or kind, list(after)
        self.outputs = [
            SimpleNamespace(
                op=self,
                value_index=number,
                shape=SimpleNamespace(
                    rank=None if shape is None else len(shape), as_list=lambda own=shape: list(own)
                ),
                dtype=SimpleNamespace(name=dtype, size=size),
            )
            for number, shape in enumerate(shapes)
        ]


def read(*operations: Operation) -> list[Node]:
    return read_graph(SimpleNamespace(get_operations=lambda: list(operations)), IMAGES)


def seconds_of(kind: str, *shapes: tuple, out: tuple) -> float:
    """Beyond the dispatch and the bytes that are moved, at 6 and 60 thousand millions a second."""
    sources = [Operation("Placeholder", shapes=[shape]) for shape in shapes]
    node = read(*sources, Operation(kind, [one.outputs[0] for one in sources], [out]))[-1]
    sizes = [4 * prod(shape) for shape in (*shapes, out)]
    return (node.seconds - 1e-6 - sum(sizes) / 6e9) * 6e10


def prod(shape: tuple) -> int:
    found = 1
    for side in shape:
        found *= IMAGES if side is None else side
    return found


def test_operations_keep_their_order_inputs_and_sizes():
    batch = Operation("Placeholder", shapes=[(None, 8, 8, 3)])
    two = Operation("Split", [batch.outputs[0]], [(None, 4), (2, 3)], dtype="bfloat16", size=2, after=[batch])
    last = Operation("Add", [two.outputs[1], batch.outputs[0]], [()])
    found = read(batch, two, last)
    assert [(one.kind, one.inputs, one.after, one.outputs, one.stage) for one in found] == [
        ("Placeholder", (), (), (5 * 192 * 4,), "forward"),
        ("Split", ((0, 0),), (0,), (5 * 4 * 2, 6 * 2), "forward"),
        ("Add", ((1, 1), (0, 0)), (), (4,), "forward"),
    ]
    assert found[2].seconds == pytest.approx(1e-6 + (4 + 12 + 3840) / 6e9, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "dtype", "size", "taken"),
    [
        ((None, 4), "float32", 4, 80),
        ((3, 4), "float32", 4, 48),
        ((3, None), "float32", 4, 0),  # only the first dimension is that of the images
        (None, "float32", 4, 0),
        ((), "int64", 8, 8),
        ((3,), "resource", 1, 0),
        ((3,), "variant", 1, 0),
        ((3,), "string", 1, 0),
    ],
)
def test_what_a_tensor_takes(shape, dtype, size, taken):
    assert read(Operation("Op", shapes=[shape], dtype=dtype, size=size))[0].outputs == (taken,)


def test_stages_are_before_among_and_after_the_gradients():
    names = ("a", "gradient_tape/a", "b", "x/gradient_tape/b", "c")
    assert [one.stage for one in read(*(Operation("Add", name=name) for name in names))] == [
        *("forward", "backward", "backward", "backward", "update")
    ]
    assert {one.stage for one in read(Operation("Add"), Operation("Mul"))} == {"forward"}


def test_a_bundle_passes_its_tensors_on_and_takes_none():
    one, other = Operation("Add"), Operation("Mul", shapes=[(None, 4), (7,)])
    inner = Operation("IdentityN", [one.outputs[0], other.outputs[1]], [(None, 4), (7,)])
    outer = Operation("IdentityN", [inner.outputs[1]], [(7,)])
    end = Operation("Sub", [outer.outputs[0], inner.outputs[0]])
    found = read(one, other, inner, outer, end)
    assert [(node.kind, node.inputs) for node in found[2:]] == [
        *(("NoOp", ()), ("NoOp", ())),
        ("Sub", ((1, 1), (0, 0))),
    ]


@pytest.mark.parametrize(
    ("kind", "quick", "memory"),
    [
        *((kind, True, False) for kind in ("ReadVariableOp", "VarHandleOp", "Placeholder", "Const", "NoOp")),
        *((kind, True, True) for kind in ("Identity", "Reshape", "Shape", "StridedSlice", "Pack")),
        ("Add", False, True),
    ],
)
def test_some_operations_take_no_time_or_no_memory(kind, quick, memory):
    (node,) = read(Operation(kind, shapes=[(1000, 1000)]))
    assert (node.seconds == 1e-7, node.is_quick, node.has_memory) == (quick, quick, memory)


@pytest.mark.parametrize(("seconds", "quick"), [(2.9e-6, True), (3.1e-6, False)])
def test_quick_is_less_than_three_dispatches(seconds, quick):
    assert Node("Add", (), (), (), "forward", seconds).is_quick is quick


@pytest.mark.parametrize(
    ("kind", "inputs", "out", "operations"),
    [
        ("Add", [(None, 4), (None, 4)], (None, 4), 0),
        ("MatMul", [(None, 30), (30, 7)], (None, 7), 2 * 5 * 30 * 7),
        ("Conv2D", [(None, 8, 8, 3), (2, 3, 3, 16)], (None, 8, 8, 16), 2 * (5 * 64 * 16) * (2 * 3 * 3)),
        (
            *("DepthwiseConv2dNative", [(None, 8, 8, 3), (2, 3, 3, 1)]),
            *((None, 8, 8, 3), 2 * (5 * 64 * 3) * (2 * 3)),
        ),
        (
            *("Conv2DBackpropFilter", [(None, 8, 8, 3), (4,), (None, 4, 4, 16)]),
            *((2, 3, 3, 16), 2 * (5 * 16 * 16) * (2 * 3 * 3)),
        ),
        (
            *("Conv2DBackpropInput", [(4,), (2, 3, 3, 16), (None, 4, 4, 16)]),
            *((None, 8, 8, 3), 2 * (5 * 16 * 16) * (2 * 3 * 3)),
        ),
        (
            *("DepthwiseConv2dNativeBackpropFilter", [(None, 8, 8, 3), (4,), (None, 4, 4, 3)]),
            *((2, 3, 3, 1), 2 * (5 * 16 * 3) * (2 * 3)),
        ),
        ("Conv3D", [(None, 8, 8, 3), (2, 3, 3, 16)], (None, 8, 8, 16), 0),
    ],
)
def test_products_take_as_long_as_their_operations(kind, inputs, out, operations):
    assert seconds_of(kind, *inputs, out=out) == pytest.approx(operations, abs=1e-3)
