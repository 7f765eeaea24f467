"""Settings that are valid each by itself, but not together."""

import json

from bench.suite.file import Source
from bench.suite.matrix import OF_SOME_NETWORKS, Combination, modes_of
from bench.suite.schema import SuiteFile, TrainingTable
from wbc.backends import ONLY_TENSORFLOW
from wbc.classical.catalog import Method
from wbc.networks.network import Network
from wbc.specification import MODES, WeightsSource


def check_blocks(suite: SuiteFile, file: Source) -> None:
    """Make sure that every setting has a meaning in some mode that it is set for.

    `[training]` is shared: its settings may have no meaning for some blocks, but not for all.

    Raises:
        InputError: A setting has no meaning.
    """
    every_mode: set[str] = set()
    for number, block in enumerate(suite.matrix):
        modes = block.mode or suite.training.mode or [Combination.mode]
        every_mode.update(modes)
        for key in (*TrainingTable.model_fields, "preprocessing"):
            if getattr(block, key) is not None and modes_of(key).isdisjoint(modes):
                raise file.error(("matrix", number, key), *_no_meaning(key, modes))
    for key in OF_SOME_NETWORKS:
        if getattr(suite.training, key) is not None and modes_of(key).isdisjoint(every_mode):
            raise file.error(("training", key), *_no_meaning(key, sorted(every_mode)))


def check_combination(
    combination: Combination, weights: WeightsSource, suite: SuiteFile, file: Source
) -> None:
    """Refuse settings that contradict each other.

    Args:
        combination: The settings of a trial.
        weights: Where its weights are.
        suite: Where the settings stand, for the message.
        file: The suite's file.

    Raises:
        InputError: The message says which setting, where, and why.
    """
    if combination.mode == "finetune" and weights.kind == "random":
        raise file.error(
            _place("weights", combination, suite),
            'mode = "finetune" starts from pretrained weights, but these are random',
            'Name weights, or set mode = "scratch", which trains the whole network from random ones.',
        )
    if combination.mode == "transfer" and combination.augmentation:
        raise file.error(
            _place("augmentation", combination, suite),
            'mode = "transfer" extracts the features of each image once, so images cannot change every epoch',
            'Put it into a block with mode = "finetune" or "scratch", or let data prepare make more images.',
        )


def check_backend(combination: Combination, replicas: int, file: Source) -> None:
    """Make sure that a combination asks its backend for nothing that only TensorFlow can do.

    Args:
        combination: The settings of a trial.
        replicas: The number of devices that train it together.
        file: The suite's file.

    Raises:
        InputError: It does.
    """
    if combination.backend == "tensorflow" or combination.mode not in modes_of("backend"):
        return
    for key, (harmless, reason) in ONLY_TENSORFLOW.items():
        value = replicas if key == "replicas" else getattr(combination, key)
        if value != harmless:
            place = ("devices", "gpus_per_trial") if key == "replicas" else ("matrix", combination.block, key)
            raise file.error(
                place,
                f'{json.dumps(value)} is not for backend = "{combination.backend}": {reason}',
                f'Remove {place[-1]} for this backend, or set backend = "tensorflow".',
            )


def warning_about(combination: Combination, network: Network | Method, label: str) -> str | None:
    """What a user should know about a trial before it costs time; None if there is nothing.

    Args:
        combination: The settings of the trial.
        network: The network, or a classical method.
        label: Its name with its options.
    """
    scales_inside = isinstance(network, Network) and network.scales_inside
    if scales_inside and combination.preprocessing == "rescale":
        return (
            f'{label} scales its pixels itself: with preprocessing = "rescale" they are scaled twice and '
            'become almost black. preprocessing = "network" is what it expects.'
        )
    return None


def _place(key: str, combination: Combination, suite: SuiteFile) -> tuple[str | int, ...]:
    """Where a setting of a combination was given; its block if it is a default."""
    if getattr(suite.matrix[combination.block], key) is None and getattr(suite.training, key) is not None:
        return "training", key
    return "matrix", combination.block, key


def _no_meaning(key: str, modes: list[str]) -> tuple[str, str]:
    named = ", ".join(f'"{mode}"' for mode in modes)
    fitting = " or ".join(f'"{mode}"' for mode in MODES if mode in modes_of(key))
    return f"has no meaning for mode = {named}", f"Remove it, or put it into a block with mode = {fitting}."
