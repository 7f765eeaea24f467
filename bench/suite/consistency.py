"""Settings that are right each by itself, and make no sense together, or little."""

from bench.suite.load import Source
from bench.suite.matrix import Combination
from bench.suite.schema import SuiteFile
from wbc.networks.network import Network
from wbc.specification import WeightsSource


def check_combination(
    combination: Combination, weights: WeightsSource, suite: SuiteFile, file: Source
) -> None:
    """Refuse what makes no sense together.

    Args:
        combination: The settings of a trial.
        weights: What its weights are.
        suite: Where the settings stand, for the message.
        file: The suite's file.

    Raises:
        InputError: The message says which setting, where, and why.
    """
    training = combination.training
    if training["mode"] == "finetune" and weights.kind == "random":
        raise file.error(
            _place("weights", combination, suite),
            'mode = "finetune" goes on from pretrained weights; with random ones there is nothing to keep',
            'Name weights, or take mode = "scratch", which trains the whole network from random ones.',
        )
    if training["mode"] == "transfer" and training["augmentation"]:
        raise file.error(
            _place("augmentation", combination, suite),
            'mode = "transfer" extracts the features of each image once, so images cannot change every epoch',
            'Put it into a block with mode = "finetune" or "scratch", or let data prepare make more images.',
        )


def warn_of(combination: Combination, network: Network, label: str) -> str | None:
    """What a user should know about a trial before it costs time; None where there is nothing.

    Args:
        combination: The settings of the trial.
        network: The network, or a classical method.
        label: Its name with its options.
    """
    scales_inside = getattr(network, "scales_inside", False)
    if scales_inside and combination.training.get("preprocessing") == "rescale":
        return (
            f'{label} scales its pixels itself: with preprocessing = "rescale" they are scaled twice and '
            'become almost black. preprocessing = "network" is what it expects.'
        )
    return None


def _place(key: str, combination: Combination, suite: SuiteFile) -> tuple[str | int, ...]:
    """Where a setting of a combination was given; its block where it is a default."""
    if getattr(suite.matrix[combination.block], key) is None and getattr(suite.training, key) is not None:
        return "training", key
    return "matrix", combination.block, key
