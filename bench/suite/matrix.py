"""From the matrix of a suite to its combinations: product within a block, union over blocks."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from bench.suite.file import Source
from bench.suite.schema import (
    AugmentationTable,
    Backbone,
    DataKeys,
    EarlyStoppingTable,
    MatrixBlock,
    Optimizer,
    SuiteFile,
    Table,
    TrainingTable,
)
from wbc.protocols import PROTOCOL_KEYS, ProtocolSettings, settings_of
from wbc.specification import KERAS_FREE_MODES, MODES, Specification

OWN_KEYS = {
    "synthetic": (
        "data_seed",
        "train_images_per_class",
        "validation_images_per_class",
        "test_images_per_class",
    ),
    "bccd": (
        "split_seed",
        "train_images_per_class",
        "margin",
        "background",
        "test_cells_per_class",
        "test_copies",
    ),
    "folder": (),
}
"""Keys of `[data]` that have a meaning for some sources only."""

_SHARED_DATA_KEYS = {"source", "image_size", "preprocessing"}

OF_SOME_NETWORKS = {
    "dropout": frozenset({"transfer", "finetune"}),
    "head_epochs": frozenset({"finetune"}),
    "unfreeze": frozenset({"finetune"}),
    "freeze_batch_norm": frozenset({"finetune"}),
    "finetune_optimizer": frozenset({"finetune"}),
}
"""Settings that have a meaning in some modes of networks only. In `scratch` a network keeps its own top."""

DataValue = int | float | str

_THESIS_OPTIMIZER = Optimizer()


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One point of the matrix, before its data and weights are looked up.

    The defaults apply where neither the block nor the suite gives a value. They are the thesis' (section 5.4), as
    far as `Specification` does not have them already. Those of the protocol override them.
    """

    block: int
    """Position of its block in the file, from 0."""
    source: str
    """`synthetic`, `bccd` or `folder`."""
    data: dict[str, DataValue]
    """The keys that belong to the source, as far as the suite gives them."""
    backbone: Backbone
    """The network and its options."""
    seed: int
    """Seeds the weights, dropout and the order of the images."""
    image_size: int = 224
    mode: str = "transfer"
    epochs: int = 100
    weights: str = "imagenet"
    """`imagenet`, `random`, or the path of a file."""
    batch_size: int = Specification.batch_size
    optimizer: Optimizer = _THESIS_OPTIMIZER
    l1: float = Specification.l1
    l2: float = Specification.l2
    dropout: float = Specification.dropout
    early_stopping: Literal[False] | EarlyStoppingTable = False
    augmentation: Literal[False] | AugmentationTable = False
    head_epochs: int = Specification.head_epochs
    unfreeze: int | Literal["all"] = Specification.unfreeze
    freeze_batch_norm: bool = Specification.freeze_batch_norm
    finetune_optimizer: Optimizer | None = None
    """None: the first one at a tenth of its learning rate."""
    deterministic: bool = Specification.deterministic
    jit_compile: bool | Literal["auto"] = Specification.jit_compile
    backend: str = Specification.backend
    protocol: str = "corrected"
    preprocessing: str = Specification.preprocessing
    loss: str = Specification.loss
    binary_accuracy: bool = Specification.binary_accuracy
    evaluation: str = Specification.evaluation
    clock: str = ProtocolSettings.clock

    def meaningful(self) -> dict[str, object]:
        """The settings that have a meaning in its mode.

        Without this, sweeps of `[training]` that mean nothing in a mode would make trials that are equal except
        for their ids. The `epochs` of a classical method are 0.
        """
        found = {key: getattr(self, key) for key in DEFAULTS if self.mode in modes_of(key)}
        return found if "epochs" in found else {**found, "epochs": 0}


DEFAULTS: dict[str, object] = {
    field.name: field.default for field in fields(Combination) if field.default is not MISSING
}
"""The settings of a combination that have a default, with it."""


def expand(suite: SuiteFile, file: Source, folder_given: bool = False) -> list[Combination]:
    """All combinations, in the order of the file.

    Args:
        suite: The suite.
        file: Where it was read from.
        folder_given: The caller names a folder of images, as `path` of `[data]` would.

    Raises:
        InputError: A data key, or the folder, has no meaning for the source of the images.
    """
    default_source = "folder" if suite.data.path or folder_given else "synthetic"
    found = [
        combination
        for number, block in enumerate(suite.matrix)
        for combination in _of_block(suite, number, block, default_source)
    ]
    sources = {one.source for one in found}
    _check_data_keys(suite, file, sources)
    if sources == {"synthetic"} and default_source == "folder":
        raise file.error(
            ("data", "source"),
            'source = "synthetic" generates its images, but a folder of images is named too',
            "Remove the source to use the folder, or name no folder.",
        )
    return found


def modes_of(key: str) -> frozenset[str]:
    """The modes in which a setting has a meaning."""
    if key in ("mode", "image_size"):
        return frozenset(MODES)
    return OF_SOME_NETWORKS.get(key, frozenset(MODES) - KERAS_FREE_MODES)


def _of_block(suite: SuiteFile, number: int, block: MatrixBlock, source: str) -> Iterator[Combination]:
    """The product of the sweeps of a block."""
    tables = (suite.data, suite.training, block)
    sweeps: dict[str, Sequence[Any]] = {"backbone": block.backbone, "source": [source]}
    sweeps |= {key: [value] for key, value in DEFAULTS.items()}
    for table in tables:
        for key in (*DataKeys.model_fields, *TrainingTable.model_fields):
            if _gives(table, key):
                sweeps[key] = getattr(table, key)
    given = {key for key in PROTOCOL_KEYS if any(_gives(table, key) for table in tables)}
    for values in itertools.product(*sweeps.values()):
        point = dict(zip(sweeps, values, strict=True))
        of_protocol = settings_of(point["protocol"], point["mode"])
        point |= {key: value for key, value in of_protocol.items() if key not in given}
        data = {key: point.pop(key) for key in DataKeys.model_fields if key in point and key not in DEFAULTS}
        chosen = data.pop("source")
        data = {key: value for key, value in data.items() if key in OWN_KEYS[chosen]}
        for seed in suite.suite.seeds:
            yield Combination(block=number, source=chosen, data=data, seed=seed, **point)


def _gives(table: Table, key: str) -> bool:
    return getattr(table, key, None) is not None


def _check_data_keys(suite: SuiteFile, file: Source, sources: set[str]) -> None:
    used = {key for source in sources for key in OWN_KEYS[source]}
    places: list[tuple[tuple[str | int, ...], DataKeys]] = [(("data",), suite.data)]
    places += [(("matrix", number), block) for number, block in enumerate(suite.matrix)]
    for place, table in places:
        for key in DataKeys.model_fields:
            if key not in _SHARED_DATA_KEYS | used and getattr(table, key) is not None:
                having = next(source for source, keys in OWN_KEYS.items() if key in keys)
                raise file.error(
                    (*place, key),
                    "has no meaning for the images of this suite",
                    f'It belongs to source = "{having}"; remove it, or choose that source.',
                )
