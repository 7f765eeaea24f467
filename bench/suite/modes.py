"""Which settings have a meaning in which mode."""

import json
from typing import Any

from bench.suite.load import Source
from bench.suite.matrix import DEFAULTS
from bench.suite.schema import MatrixBlock, SuiteFile, TrainingAxes
from wbc.backends import ONLY_TENSORFLOW
from wbc.specification import KERAS_FREE_MODES, MODES

_OF_CLASSICAL = ("mode", "image_size")
"""What a classical method shares with networks; epochs, optimiser and the like mean nothing to it."""

_OF_SOME_NETWORKS: dict[str, frozenset[str]] = {
    "dropout": frozenset({"transfer", "finetune"}),
    "head_epochs": frozenset({"finetune"}),
    "unfreeze": frozenset({"finetune"}),
    "freeze_batch_norm": frozenset({"finetune"}),
    "finetune_optimizer": frozenset({"finetune"}),
}
"""Settings that mean something in some modes of networks only. In `scratch` a network has its own top."""

_OF_NETWORKS = tuple(
    key
    for key in (*TrainingAxes.model_fields, "preprocessing")
    if key not in _OF_CLASSICAL and key in MatrixBlock.model_fields
)


def meaningful(training: dict[str, Any]) -> dict[str, Any]:
    """The settings of a combination that mean something in its mode.

    Axes of `[training]` that mean nothing in a mode would otherwise make trials that differ in name only.
    The `epochs` of a classical method are 0, for tables have that column.
    """
    mode = training["mode"]
    if mode in KERAS_FREE_MODES:
        return {key: training[key] for key in _OF_CLASSICAL} | {"epochs": 0}
    return {key: value for key, value in training.items() if mode in _modes_of(key)}


def check_backend(training: dict[str, Any], block: int, file: Source) -> None:
    """Make sure that a combination asks its backend for nothing that only TensorFlow can do.

    Raises:
        InputError: It does.
    """
    backend = training.get("backend", "tensorflow")
    if backend == "tensorflow":
        return
    for key, (harmless, reason) in ONLY_TENSORFLOW.items():
        if training.get(key, harmless) != harmless:
            in_file = ("devices", "gpus_per_trial") if key == "replicas" else ("matrix", block, key)
            raise file.error(
                in_file,
                f'{json.dumps(training[key])} is not for backend = "{backend}": {reason}',
                f'Leave {in_file[-1]} out for this backend, or set backend = "tensorflow".',
            )


def check_blocks(suite: SuiteFile, file: Source) -> None:
    """Make sure that nothing is set that has no meaning in any mode that it is set for.

    What stands in `[training]` is shared, so there it may mean nothing to some blocks, but not to all.

    Raises:
        InputError: A key has no meaning.
    """
    every_mode: set[str] = set()
    for number, block in enumerate(suite.matrix):
        modes = block.mode or suite.training.mode or [DEFAULTS["mode"]]
        every_mode.update(modes)
        for key in _OF_NETWORKS:
            if getattr(block, key) is not None and _modes_of(key).isdisjoint(modes):
                raise file.error(("matrix", number, key), *_no_meaning(key, modes))
    for key in _OF_SOME_NETWORKS:
        if getattr(suite.training, key) is not None and _modes_of(key).isdisjoint(every_mode):
            raise file.error(("training", key), *_no_meaning(key, sorted(every_mode)))


def _modes_of(key: str) -> frozenset[str]:
    if key in _OF_NETWORKS:
        return _OF_SOME_NETWORKS.get(key, frozenset(MODES) - KERAS_FREE_MODES)
    return frozenset(MODES)


def _no_meaning(key: str, modes: list[str]) -> tuple[str, str]:
    named = ", ".join(f'"{mode}"' for mode in modes)
    fitting = " or ".join(f'"{mode}"' for mode in MODES if mode in _modes_of(key))
    return f"has no meaning for mode = {named}", f"Take it out, or put it into a block with mode = {fitting}."
