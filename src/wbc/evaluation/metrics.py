"""Figures of a set of predictions, by scikit-learn."""

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, log_loss

from wbc.evaluation.predictions import Predictions


def score(predictions: Predictions) -> dict:
    """Score predictions.

    Returns:
        `images`; `accuracy`; `balanced_accuracy`, the mean of the per-class accuracies; `loss`, the mean
        cross-entropy in nats; `per_class_accuracy`, class -> share of its images that are predicted right;
        `confusion_matrix`, rows the true and columns the predicted class, in the order of `classes`.
    """
    truth, predicted = predictions.labels, predictions.predicted
    numbers = np.arange(len(predictions.classes))
    matrix = confusion_matrix(truth, predicted, labels=numbers)
    per_class = matrix.diagonal() / matrix.sum(axis=1)
    probabilities = np.asarray(predictions.probabilities, np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    return {
        "images": len(truth),
        "accuracy": float(accuracy_score(truth, predicted)),
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "loss": float(log_loss(truth, probabilities, labels=numbers)),
        "per_class_accuracy": {
            name: float(value) for name, value in zip(predictions.classes, per_class, strict=True)
        },
        "confusion_matrix": matrix.tolist(),
        "classes": list(predictions.classes),
    }
