"""What kind of work an operation or a GPU's kernel does, by its name."""

import re
from collections.abc import Mapping

CONVOLUTION, NORMALISATION, DENSE = "convolution", "normalisation", "dense"
OPTIMISER, DATA, OTHER = "optimiser", "data", "other"
KINDS = (CONVOLUTION, NORMALISATION, DENSE, OPTIMISER, DATA, OTHER)

WAIT_FOR_INPUT = "IteratorGetNextOp::DoCompute"
"""The event of the host in which a step gets its batch."""

_NUMBERED = re.compile(r"_\d+$")
_OPERATION = re.compile(r"[^\s:]+:_?[A-Z]\w*")

_TYPES = {
    CONVOLUTION: re.compile("Conv"),
    NORMALISATION: re.compile("BatchNorm|LayerNorm|InstanceNorm"),
    DENSE: re.compile("MatMul"),
    OPTIMISER: re.compile("^ResourceApply"),
    DATA: re.compile("^PyFunc$|Iterator|Dataset"),
}

_KERNELS = {
    CONVOLUTION: re.compile("conv|cudnn|fprop|dgrad|wgrad|winograd", re.I),
    NORMALISATION: re.compile(r"batch_?norm|layer_?norm|\bbn_", re.I),
    DENSE: re.compile("gemm|cublas|cutlass|matmul", re.I),
    DATA: re.compile("^Memcpy(H2D|D2H)|^Memcpy(HtoD|DtoH)"),
}


def is_operation(name: str) -> bool:
    """Whether an event of the host is one of TensorFlow's operations: `its/name:ItsType`."""
    return "::" not in name and _OPERATION.fullmatch(name) is not None


def kind_of(operation: str, layers: Mapping[str, str], optimiser: str = "") -> str:
    """The kind of an operation.

    Keras 3 does batch normalisation in sums and products that any layer may have: the layer to which an
    operation belongs says more than its type, and stands in its name.

    Args:
        operation: `its/name:ItsType`.
        layers: Name of a layer -> its kind, for those that have one.
        optimiser: The optimiser's name, the scope of its operations.
    """
    name, _, type_ = operation.rpartition(":")
    for part in reversed(name.split("/")):
        # What is called a second time has a number more in its name.
        for scope in (part, _NUMBERED.sub("", part)):
            if scope and scope == optimiser:
                return OPTIMISER
            if scope in layers:
                return layers[scope]
    return _first(_TYPES, type_)


def kind_of_kernel(name: str, operation: str | None, layers: Mapping[str, str], optimiser: str = "") -> str:
    """The kind of what a GPU did: by its operation where that is known, else by the kernel's own name."""
    if operation and is_operation(operation):
        kind = kind_of(operation, layers, optimiser)
        if kind != OTHER:
            return kind
    return _first(_KERNELS, name)


def kind_of_layer(class_name: str) -> str | None:
    """The kind of a Keras layer by the name of its class; None for those that are nothing of the kind."""
    if "Conv" in class_name:
        return CONVOLUTION
    if class_name.endswith("Normalization"):
        return NORMALISATION
    return DENSE if class_name in ("Dense", "EinsumDense") else None


def _first(patterns: Mapping[str, re.Pattern], text: str) -> str:
    return next((kind for kind, pattern in patterns.items() if pattern.search(text)), OTHER)
