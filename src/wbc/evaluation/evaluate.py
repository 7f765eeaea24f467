"""Judge a trained classifier as its specification says."""

import numpy as np

from wbc.evaluation.metrics import Metrics, score
from wbc.evaluation.predictions import Predictions, ShuffledComparison, generator_order
from wbc.observer import Observer
from wbc.specification import Specification


def evaluate(predictions: Predictions, specification: Specification, observer: Observer) -> Metrics:
    """Score predictions, and report predictions and metrics to the observer.

    With the evaluation `shuffled`, the same predictions are also scored aligned with their images.

    Args:
        predictions: Of the test split, aligned with their images.
        specification: Says which evaluation counts, and whether binary accuracy is among the metrics.
        observer: Receives predictions and metrics.

    Returns:
        The metrics of the evaluation that counts.
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
    """The share of all (image, class) pairs whose probability is on the right side of 1/2.

    The Keras of 2018 called this accuracy under binary cross-entropy. A model that predicts 1/4 for each of
    four classes scores 3/4: it is right about the three classes that an image does not have.
    """
    targets = np.eye(len(predictions.classes), dtype=bool)[predictions.labels]
    return float(((predictions.probabilities > 0.5) == targets).mean())


def _score(predictions: Predictions, specification: Specification) -> Metrics:
    metrics = score(predictions)
    if specification.binary_accuracy:
        metrics["binary_accuracy"] = binary_accuracy(predictions)
    return metrics
