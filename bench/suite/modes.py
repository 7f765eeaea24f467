"""Which settings have a meaning in which mode."""

import json
from typing import Any

from bench.suite.load import Source
from bench.suite.schema import MatrixBlock, SuiteFile, TrainingAxes
from wbc.specification import KERAS_FREE_MODES, ONLY_TENSORFLOW

_OF_CLASSICAL = ("mode", "image_size")
"""What a classical method shares with networks; epochs, optimiser and the like mean nothing to it."""


def meaningful(training: dict[str, Any]) -> dict[str, Any]:
    """The settings of a combination that mean something in its mode.

    Axes of `[training]` that mean nothing to a classical method would otherwise make cells that differ
    in name only. Its `epochs` are 0, for tables have that column.
    """
    if training["mode"] not in KERAS_FREE_MODES:
        return dict(training)
    return {key: training[key] for key in _OF_CLASSICAL} | {"epochs": 0}


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
            in_file = ("devices", "gpus_per_cell") if key == "replicas" else ("matrix", block, key)
            raise file.error(
                in_file,
                f'{json.dumps(training[key])} is not for backend = "{backend}": {reason}',
                f'Leave {in_file[-1]} out for this backend, or set backend = "tensorflow".',
            )


def check_blocks(suite: SuiteFile, file: Source) -> None:
    """Make sure that no block sets for itself what has no meaning in its mode.

    What stands in `[data]` and `[training]` is shared, so there it may mean nothing to some blocks.

    Raises:
        InputError: A block of classical methods sets a key of networks.
    """
    for number, block in enumerate(suite.matrix):
        modes = block.mode or suite.training.mode or []
        if not modes or not set(modes) <= KERAS_FREE_MODES:
            continue
        for key in _settings_of_networks():
            if getattr(block, key) is not None:
                raise file.error(
                    ("matrix", number, key),
                    f'has no meaning for mode = "{modes[0]}"',
                    "Take it out of this block, or move it to a block of networks.",
                )


def _settings_of_networks() -> list[str]:
    keys = [key for key in TrainingAxes.model_fields if key not in _OF_CLASSICAL]
    return [key for key in (*keys, "preprocessing") if key in MatrixBlock.model_fields]
