"""From the matrix of a suite to its combinations: product within a block, union over blocks."""

import itertools
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bench.suite.load import Source
from bench.suite.schema import Backbone, DataAxes, Optimizer, SuiteFile, TrainingAxes
from wbc.protocols import PROTOCOL_KEYS, settings_of
from wbc.specification import Specification

DATA_KEYS = tuple(DataAxes.model_fields)
TRAINING_KEYS = tuple(TrainingAxes.model_fields)

DEFAULTS: dict[str, Any] = {
    "image_size": 224,
    "mode": "transfer",
    "epochs": 100,
    "weights": "imagenet",
    "batch_size": Specification.batch_size,
    "optimizer": Optimizer(),
    "l1": Specification.l1,
    "l2": Specification.l2,
    "dropout": Specification.dropout,
    "early_stopping": False,
    "augmentation": False,
    "head_epochs": Specification.head_epochs,
    "unfreeze": Specification.unfreeze,
    "freeze_batch_norm": Specification.freeze_batch_norm,
    "finetune_optimizer": Specification.finetune_optimizer,
    "deterministic": Specification.deterministic,
    "jit_compile": Specification.jit_compile,
    "backend": Specification.backend,
    "protocol": "corrected",
    **settings_of("corrected", "transfer"),
}
"""What a trial gets when neither its block nor the suite says anything: the thesis' values, its section 5.4.

A protocol's settings go before these, and what the suite says goes before a protocol's. Data keys that belong
to one source only take their defaults from that source.
"""

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


@dataclass(frozen=True)
class Combination:
    """One point of the matrix, before its data and weights are looked up.

    Attributes:
        block: Position of its block in the file, from 0.
        source: `synthetic`, `bccd` or `folder`.
        data: The keys that belong to the source, as far as the suite gives them.
        training: A value for every key of `[training]`, `image_size` and `preprocessing`.
        backbone: The network and its options.
        seed: Seed of weights, dropout and image order.
    """

    block: int
    source: str
    data: dict[str, Any]
    training: dict[str, Any]
    backbone: Backbone
    seed: int


def expand(suite: SuiteFile, file: Source, folder_given: bool = False) -> list[Combination]:
    """All combinations, in the order of the file.

    Args:
        suite: The suite.
        file: Where it was read from.
        folder_given: The caller names a folder of images, as `path` of `[data]` would.

    Raises:
        InputError: A data key, or the folder, has no meaning for the source of the images.
    """
    combinations = []
    used: set[str] = set()
    for number, block in enumerate(suite.matrix):
        axes = _axes(suite, block, folder_given)
        given = {key for key in PROTOCOL_KEYS if any(_gives(table, key) for table in _tables(suite, block))}
        for values in itertools.product(*axes.values()):
            point = dict(zip(axes, values, strict=True))
            of_protocol = settings_of(point["protocol"], point["mode"])
            point |= {key: value for key, value in of_protocol.items() if key not in given}
            source = point.pop("source")
            used.update(OWN_KEYS[source])
            data = {key: point.pop(key) for key in DATA_KEYS if key in point and key not in DEFAULTS}
            data = {key: value for key, value in data.items() if key in OWN_KEYS[source]}
            backbone = point.pop("backbone")
            for seed in suite.suite.seeds:
                combinations.append(Combination(number, source, data, point, backbone, seed))
    _check_data_keys(suite, file, used)
    if {one.source for one in combinations} == {"synthetic"} and (suite.data.path or folder_given):
        raise file.error(
            ("data", "source"),
            'source = "synthetic" draws its images, but a folder of images is named too',
            "Take the source out to use the folder, or name no folder.",
        )
    return combinations


def _axes(suite: SuiteFile, block: BaseModel, folder_given: bool) -> dict[str, list]:
    """Every axis of a block with its values; the block goes before the suite, the suite before defaults."""
    default_source = "folder" if suite.data.path or folder_given else "synthetic"
    axes: dict[str, list] = {"source": [default_source], **{key: [value] for key, value in DEFAULTS.items()}}
    for table in _tables(suite, block):
        for key in (*DATA_KEYS, *TRAINING_KEYS):
            if _gives(table, key):
                axes[key] = getattr(table, key)
    return {"backbone": block.backbone, **axes}


def _tables(suite: SuiteFile, block: BaseModel) -> tuple[BaseModel, ...]:
    """The tables that hold for a block, the nearest last."""
    return suite.data, suite.training, block


def _gives(table: BaseModel, key: str) -> bool:
    return getattr(table, key, None) is not None


def _check_data_keys(suite: SuiteFile, file: Source, used: set[str]) -> None:
    tables: list[tuple[tuple, DataAxes]] = [(("data",), suite.data)]
    tables += [(("matrix", number), block) for number, block in enumerate(suite.matrix)]
    for place, table in tables:
        for key in DATA_KEYS:
            if key not in _SHARED_DATA_KEYS | used and getattr(table, key) is not None:
                sources = [source for source, keys in OWN_KEYS.items() if key in keys]
                raise file.error(
                    (*place, key),
                    "has no meaning for the images of this suite",
                    f'It belongs to source = "{sources[0]}"; take it out, or choose that source.',
                )
