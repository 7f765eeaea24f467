"""Metrics of a set of predictions, computed by scikit-learn where it has them.

A metric that is undefined is None, and `undefined` says why. A class without a test image has no accuracy,
and a class that is never predicted has no precision.
"""

from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)

from wbc.evaluation.intervals import Interval, share_interval
from wbc.evaluation.predictions import Predictions

CALIBRATION_BINS = 15
"""Bins of equal width over the probability of the predicted class, as in Guo et al., ICML 2017."""


class IntervalValues(TypedDict):
    """An `Interval` in JSON values."""

    low: float
    high: float
    method: str


class Intervals(TypedDict):
    """95 % intervals, see `wbc.evaluation.intervals.share_interval`."""

    accuracy: IntervalValues
    per_class_accuracy: dict[str, IntervalValues | None]
    """None for a class without a test image."""


class Metrics(TypedDict):
    """The metrics of a test split in JSON values. Shares are between 0 and 1."""

    images: int
    sources: int
    """Number of different sources among the images."""
    accuracy: float
    balanced_accuracy: float
    """Mean of the accuracies of the classes that the test split has."""
    loss: float
    """Mean cross-entropy in nats (log loss)."""
    macro_precision: float | None
    """Like the other three, a mean over all classes."""
    macro_recall: float | None
    macro_f1: float | None
    macro_auc: float | None
    """Area under the ROC curve, one class against the rest."""
    calibration_error: float
    """See `expected_calibration_error`."""
    per_class_accuracy: dict[str, float | None]
    """Class -> share of its images that are predicted right (its recall)."""
    precision: dict[str, float | None]
    f1: dict[str, float | None]
    auc: dict[str, float | None]
    support: dict[str, int]
    """Class -> number of its images."""
    intervals: Intervals
    confusion_matrix: list[list[int]]
    """Rows: true class; columns: predicted class; both in the order of `classes`."""
    classes: list[str]
    undefined: dict[str, str]
    """Metric, or `metric of CLASS` -> why it is None."""
    binary_accuracy: NotRequired[float]
    """See `binary_accuracy`; only where the specification asks for it."""


class _ByClass(TypedDict):
    """The metrics of each class."""

    per_class_accuracy: dict[str, float | None]
    precision: dict[str, float | None]
    f1: dict[str, float | None]
    auc: dict[str, float | None]
    support: dict[str, int]


def score(predictions: Predictions) -> Metrics:
    """Compute the metrics of predictions."""
    truth, predicted, classes = predictions.labels, predictions.predicted, predictions.classes
    numbers = np.arange(len(classes))
    matrix: NDArray[np.int64] = confusion_matrix(truth, predicted, labels=numbers)
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
        "macro_precision": _mean("macro_precision", by_class["precision"], undefined),
        "macro_recall": _mean("macro_recall", by_class["per_class_accuracy"], undefined),
        "macro_f1": _mean("macro_f1", by_class["f1"], undefined),
        "macro_auc": _mean("macro_auc", by_class["auc"], undefined),
        "calibration_error": expected_calibration_error(truth, probabilities),
        "per_class_accuracy": by_class["per_class_accuracy"],
        "precision": by_class["precision"],
        "f1": by_class["f1"],
        "auc": by_class["auc"],
        "support": by_class["support"],
        "intervals": _intervals(predictions),
        "confusion_matrix": matrix.tolist(),
        "classes": list(classes),
        "undefined": undefined,
    }


def binary_accuracy(predictions: Predictions) -> float:
    """The share of all (image, class) pairs whose probability is on the right side of 1/2.

    The Keras of 2018 called this accuracy under binary cross-entropy. A model that predicts 1/4 for each of
    four classes scores 3/4: it is right about the three classes that an image does not have.
    """
    targets = np.eye(len(predictions.classes), dtype=bool)[predictions.labels]
    return float(((predictions.probabilities > 0.5) == targets).mean())


def expected_calibration_error(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> float:
    """How far confidence is from accuracy (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    Images are sorted by the probability of the predicted class into `bins` bins of equal width, open below
    and closed above. The differences between mean probability and accuracy are averaged over the bins,
    weighted by their images.

    Args:
        labels: Index of the true class; shape (n,).
        probabilities: Shape (n, classes); rows sum to 1.
        bins: Number of bins.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    number = np.searchsorted(edges, confidence, side="left")
    gaps = np.bincount(number, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _by_class(
    predictions: Predictions, probabilities: NDArray[np.float64], undefined: dict[str, str]
) -> _ByClass:
    """The metrics of each class; the reasons for None are added to `undefined`."""
    truth, predicted, classes = predictions.labels, predictions.predicted, predictions.classes
    numbers = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=numbers, zero_division=0
    )
    uses = np.bincount(predicted, minlength=len(classes))
    metrics: _ByClass = {"per_class_accuracy": {}, "precision": {}, "f1": {}, "auc": {}, "support": {}}
    for number, name in enumerate(classes):
        absent = "" if support[number] else "the test split has no image of it"
        alone = absent or ("" if support[number] < len(truth) else "the test split has only images of it")
        unused = "" if uses[number] else "it is never predicted"
        area = 0.0 if alone else roc_auc_score(truth == number, probabilities[:, number])
        values: dict[str, tuple[float, str]] = {
            "per_class_accuracy": (recall[number], absent),
            "precision": (precision[number], unused),
            "f1": (f1[number], absent),
            "auc": (area, alone),
        }
        undefined |= {f"{metric} of {name}": reason for metric, (_, reason) in values.items() if reason}
        own = {metric: None if reason else float(value) for metric, (value, reason) in values.items()}
        metrics["per_class_accuracy"][name] = own["per_class_accuracy"]
        metrics["precision"][name] = own["precision"]
        metrics["f1"][name] = own["f1"]
        metrics["auc"][name] = own["auc"]
        metrics["support"][name] = int(support[number])
    return metrics


def _mean(metric: str, values: dict[str, float | None], undefined: dict[str, str]) -> float | None:
    """The mean over classes; None, with the reason, if a class has no value."""
    defined = [value for value in values.values() if value is not None]
    if len(defined) < len(values):
        missing = [name for name, value in values.items() if value is None]
        undefined[metric] = f"undefined for {', '.join(missing)}"
        return None
    return float(np.mean(defined))


def _intervals(predictions: Predictions) -> Intervals:
    """95 % intervals of the accuracy of all images, and of each class that the test split has."""
    right = predictions.predicted == predictions.labels
    sources = np.asarray(predictions.sources, dtype=object)
    by_class = {}
    for number, name in enumerate(predictions.classes):
        own = predictions.labels == number
        by_class[name] = _values(share_interval(right[own], sources[own])) if own.any() else None
    return {"accuracy": _values(share_interval(right, sources)), "per_class_accuracy": by_class}


def _values(interval: Interval) -> IntervalValues:
    return {"low": interval.low, "high": interval.high, "method": interval.method}
