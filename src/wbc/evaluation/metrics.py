"""Figures of a set of predictions, by scikit-learn where it has them.

What cannot be said is None, and `undefined` says why: a class of which the test part has no image has no
accuracy, and one that is never predicted no precision.
"""

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)

from wbc.evaluation.intervals import share_interval
from wbc.evaluation.predictions import Predictions

CALIBRATION_BINS = 15
"""Bins of equal width over the probability of the predicted class, as in Guo et al., ICML 2017."""


def score(predictions: Predictions) -> dict:
    """Score predictions. Plain JSON values; shares lie between 0 and 1.

    Returns:
        `images`, and the source cells among them, `sources`;
        `accuracy`;
        `balanced_accuracy`, the mean of the accuracies of the classes that the test part has;
        `loss`, the mean cross-entropy in nats (log loss);
        `macro_precision`, `macro_recall`, `macro_f1`, means over all classes;
        `macro_auc`, the mean over classes of the area under the ROC curve, one class against the rest;
        `calibration_error`, see `expected_calibration_error`;
        `per_class_accuracy`, class -> share of its images that are predicted right (its recall);
        `intervals`, the 95 % intervals of `accuracy` and of each class under `per_class_accuracy`, as `low`,
        `high` and `method` (`wbc.evaluation.intervals.share_interval`);
        `precision`, `f1`, `auc`, `support` (images), class -> its own;
        `confusion_matrix`, rows the true and columns the predicted class, in the order of `classes`;
        `undefined`, figure or `figure of CLASS` -> why it is None.
    """
    truth, predicted, classes = predictions.labels, predictions.predicted, predictions.classes
    numbers = np.arange(len(classes))
    matrix = confusion_matrix(truth, predicted, labels=numbers)
    probabilities = np.asarray(predictions.probabilities, np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    undefined: dict[str, str] = {}
    by_class = _by_class(predictions, probabilities, undefined)
    present = np.unique(truth)
    return {
        "images": len(truth),
        "sources": len(set(predictions.sources)),
        "accuracy": float(accuracy_score(truth, predicted)),
        "balanced_accuracy": float(recall_score(truth, predicted, labels=present, average="macro")),
        "loss": float(log_loss(truth, probabilities, labels=numbers)),
        **{
            f"macro_{name}": _mean(f"macro_{name}", by_class[figure], undefined)
            for name, figure in (
                ("precision", "precision"),
                ("recall", "per_class_accuracy"),
                ("f1", "f1"),
                ("auc", "auc"),
            )
        },
        "calibration_error": expected_calibration_error(truth, probabilities),
        **by_class,
        "intervals": _intervals(predictions),
        "confusion_matrix": matrix.tolist(),
        "classes": list(classes),
        "undefined": undefined,
    }


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS
) -> float:
    """How far confidence is from accuracy (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    Images are sorted into `bins` bins of equal width, open below and closed above, by the probability of the
    class that is predicted. The differences between mean probability and accuracy are averaged over the
    bins, weighted by their images.

    Args:
        labels: Index of the true class; shape (n,).
        probabilities: Shape (n, classes); rows sum to 1.
        bins: How many.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    number = np.searchsorted(edges, confidence, side="left")
    gaps = np.bincount(number, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _by_class(predictions: Predictions, probabilities: np.ndarray, undefined: dict[str, str]) -> dict:
    """Figures of each class; why some are None goes into `undefined`."""
    truth, predicted, classes = predictions.labels, predictions.predicted, predictions.classes
    numbers = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=numbers, zero_division=0
    )
    uses = np.bincount(predicted, minlength=len(classes))
    figures: dict[str, dict] = {
        name: {} for name in ("per_class_accuracy", "precision", "f1", "auc", "support")
    }
    for number, name in enumerate(classes):
        absent = "" if support[number] else "the test part has no image of it"
        alone = "" if support[number] < len(truth) else "the test part has images of no other class"
        reasons = {
            "per_class_accuracy": absent,
            "precision": "" if uses[number] else "it is never predicted",
            "f1": absent,
            "auc": absent or alone,
        }
        for figure, reason in reasons.items():
            if reason:
                undefined[f"{figure} of {name}"] = reason
        own = {
            "per_class_accuracy": float(recall[number]),
            "precision": float(precision[number]),
            "f1": float(f1[number]),
            "auc": None
            if reasons["auc"]
            else float(roc_auc_score(truth == number, probabilities[:, number])),
        }
        for figure, value in own.items():
            figures[figure][name] = None if reasons[figure] else value
        figures["support"][name] = int(support[number])
    return figures


def _mean(name: str, values: dict[str, float | None], undefined: dict[str, str]) -> float | None:
    """The mean over classes; None, with the reason, where a class has no value."""
    missing = [name for name, value in values.items() if value is None]
    if missing:
        undefined[name] = f"undefined for {', '.join(missing)}"
        return None
    return float(np.mean(list(values.values())))


def _intervals(predictions: Predictions) -> dict:
    """95 % intervals of the accuracy of all images, and of each class that the test part has."""
    right = predictions.predicted == predictions.labels
    sources = np.asarray(predictions.sources, dtype=object)
    by_class = {}
    for number, name in enumerate(predictions.classes):
        mine = predictions.labels == number
        by_class[name] = vars(share_interval(right[mine], sources[mine])) if mine.any() else None
    return {"accuracy": vars(share_interval(right, sources)), "per_class_accuracy": by_class}
