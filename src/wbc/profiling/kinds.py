"""The kind of work that an operation or a GPU kernel does, from its name."""

import re
from collections.abc import Mapping

CONVOLUTION, NORMALIZATION, DENSE = "convolution", "normalization", "dense"
OPTIMIZER, DATA, OTHER = "optimizer", "data", "other"
KINDS = (CONVOLUTION, NORMALIZATION, DENSE, OPTIMIZER, DATA, OTHER)

WAIT_FOR_INPUT = "IteratorGetNextOp::DoCompute"
"""The host event in which a step gets its batch."""

_NUMBERED = re.compile(r"_\d+$")
_OPERATION = re.compile(r"[^\s:]+:_?[A-Z]\w*")

_TYPES = {
    CONVOLUTION: re.compile("Conv"),
    NORMALIZATION: re.compile("BatchNorm|LayerNorm|InstanceNorm"),
    DENSE: re.compile("MatMul"),
    OPTIMIZER: re.compile("^ResourceApply"),
    DATA: re.compile("^PyFunc$|Iterator|Dataset"),
}

_KERNELS = {
    CONVOLUTION: re.compile("conv|cudnn|fprop|dgrad|wgrad|winograd", re.I),
    NORMALIZATION: re.compile(r"batch_?norm|layer_?norm|\bbn_", re.I),
    DENSE: re.compile("gemm|cublas|cutlass|matmul", re.I),
    DATA: re.compile("^Memcpy(H2D|D2H)|^Memcpy(HtoD|DtoH)"),
}


_PRIMITIVES = {
    CONVOLUTION: re.compile("conv", re.I),
    DENSE: re.compile("dot_general|MatMul"),
}
"""Names of operations in XLA, at the end of a path."""


def is_operation(name: str) -> bool:
    """Whether a host event is an operation of TensorFlow: `its/name:ItsType`."""
    return "::" not in name and _OPERATION.fullmatch(name) is not None


def kind_of(operation: str, layers: Mapping[str, str], optimizer: str = "") -> str:
    """The kind of an operation.

    Keras 3 computes batch normalization with sums and products, which other layers use too. The layer says
    more than the type of the operation, and its name is part of the operation's name.

    Args:
        operation: `its/name:ItsType`.
        layers: Name of a layer -> its kind, for layers that have one.
        optimizer: Name of the optimizer, which is the scope of its operations.
    """
    name, _, type_ = operation.rpartition(":")
    for part in reversed(name.split("/")):
        # The name of a layer that is called a second time has a numeric suffix.
        for scope in (part, _NUMBERED.sub("", part)):
            if scope and scope == optimizer:
                return OPTIMIZER
            if scope in layers:
                return layers[scope]
    return _first(_TYPES, type_)


def kind_of_kernel(name: str, operation: str | None, layers: Mapping[str, str], optimizer: str = "") -> str:
    """The kind of a GPU kernel, from its operation if that is known, otherwise from its own name.

    XLA merges operations into kernels with names such as `loop_add_fusion_3`. Their operation is a path through
    the layers without a type: `jit(step)/dense_1/dot_general`.
    """
    if operation:
        typed = is_operation(operation)
        kind = kind_of(operation if typed else f"{operation}:", layers, optimizer)
        if kind == OTHER and not typed:
            kind = _first(_PRIMITIVES, operation.rpartition("/")[2])
        if kind != OTHER:
            return kind
    return _first(_KERNELS, name)


def kind_of_layer(class_name: str) -> str | None:
    """The kind of a Keras layer, from the name of its class; None for all other layers."""
    if "Conv" in class_name:
        return CONVOLUTION
    if class_name.endswith("Normalization"):
        return NORMALIZATION
    return DENSE if class_name in ("Dense", "EinsumDense") else None


def _first(patterns: Mapping[str, re.Pattern[str]], text: str) -> str:
    return next((kind for kind, pattern in patterns.items() if pattern.search(text)), OTHER)
