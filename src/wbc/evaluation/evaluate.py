"""Judge a trained classifier the way its experiment asks for."""

import numpy as np

from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions
from wbc.evaluation.shuffled import ShuffledComparison, generator_order
from wbc.observer import Observer
from wbc.specification import Specification


def evaluate(predictions: Predictions, specification: Specification, observer: Observer) -> dict:
    """Score predictions, and report them and their scores.

    Where the evaluation is `shuffled`, the same predictions are scored aligned as well.

    Args:
        predictions: Of the test part, aligned with their images.
        specification: Says which evaluation counts, and whether binary accuracy is among the metrics.
        observer: Is told.

    Returns:
        The metrics of the evaluation that counts (`wbc.evaluation.metrics.score`, and `binary_accuracy`).
    """
    observer.predicted(predictions)
    compared = {"aligned": predictions}
    if specification.evaluation == "shuffled":
        order = generator_order(len(predictions.labels), specification.seed)
        comparison = ShuffledComparison.of(predictions, order)
        observer.shuffled(comparison)
        compared["shuffled"] = comparison.predictions
    evaluations = {name: _score(one, specification) for name, one in compared.items()}
    metrics = evaluations[specification.evaluation]
    observer.evaluated(metrics, evaluations)
    return metrics


def binary_accuracy(predictions: Predictions) -> float:
    """The share of all (image, class) pairs on whose side of 1/2 the probability lies.

    What the Keras of 2018 called accuracy under binary cross-entropy. A model that says 1/4 of each of four
    classes scores 3/4, for it is right about the three classes that an image is not of.
    """
    targets = np.eye(len(predictions.classes), dtype=bool)[predictions.labels]
    return float(((predictions.probabilities > 0.5) == targets).mean())


def _score(predictions: Predictions, specification: Specification) -> dict:
    metrics = score(predictions)
    if specification.binary_accuracy:
        metrics["binary_accuracy"] = binary_accuracy(predictions)
    return metrics
