"""The classical methods as scikit-learn pipelines from features to probabilities.

Every method scales its features by the mean and deviation of the training split. It predicts a probability
of every class. All classes get the same weight, also if the training split has more images of some.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from wbc.classical.catalog import METHODS
from wbc.errors import InputError

CALIBRATION_FOLDS = 5
"""Folds at most in which the SVM is calibrated."""

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The rows to fit on and the rows to predict."""


class BalancedKNeighbors(KNeighborsClassifier):
    """k nearest neighbors whose votes are weighted by the inverse size of their class.

    scikit-learn's own class takes no sample weights.
    """

    def fit(self, features: NDArray[np.float64], labels: NDArray[np.int64]) -> "BalancedKNeighbors":
        """Store the training features; see scikit-learn."""
        _, counts = np.unique(labels, return_counts=True)
        self.vote_weights_ = counts.sum() / (len(counts) * counts)
        super().fit(features, labels)
        return self

    def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the weighted votes; shape (n, classes)."""
        votes = super().predict_proba(features) * self.vote_weights_
        shares: NDArray[np.float64] = votes / votes.sum(axis=1, keepdims=True)
        return shares

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class with the most weighted votes; shape (n,)."""
        classes: NDArray[np.int64] = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return classes


def fit_method(
    name: str,
    options: Mapping[str, Any],
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    sources: Sequence[str],
    seed: int,
) -> Pipeline:
    """Fit a classical method.

    Args:
        name: Name of the method.
        options: Its options.
        features: Shape (n, features).
        labels: Index of each class; shape (n,).
        sources: The source of each row. The folds of the SVM's calibration keep sources together, because
            copies of one image in both parts of a fold would make it overconfident.
        seed: Of forests, trees, initial weights and folds.

    Returns:
        A fitted pipeline with `predict_proba` and `classes_`.

    Raises:
        InputError: The training split is too small for the method.
    """
    values: dict[str, Any] = dict(METHODS[name].all_options(options))
    if name == "KNN" and values["neighbors"] > len(labels):
        raise InputError(
            f"KNN needs {values['neighbors']} neighbors, but there are {len(labels)} training images",
            "Lower neighbors, or train on more images.",
        )
    folds = calibration_folds(labels, sources, seed) if name == "SVM" else []
    pipeline = Pipeline([("scale", StandardScaler()), ("method", _estimator(name, values, folds, seed))])
    counts = np.unique(labels, return_counts=True)[1]
    weights = {}
    if name != "KNN" and len(set(counts)) > 1:
        weights["method__sample_weight"] = compute_sample_weight("balanced", labels)
    # Matrices are so small that more cores only wait for each other.
    with threadpool_limits(1):
        return pipeline.fit(features, labels, **weights)


def calibration_folds(labels: NDArray[np.int64], sources: Sequence[str], seed: int) -> list[Fold]:
    """Folds that keep sources together and have every class among the rows to fit on.

    Raises:
        InputError: A class has only one source, so that nothing can be held out.
    """
    classes = np.unique(labels)
    fewest = min(
        len({source for source, label in zip(sources, labels, strict=True) if label == number})
        for number in classes
    )
    for folds in range(min(CALIBRATION_FOLDS, fewest), 1, -1):
        folding = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        found: list[Fold] = list(folding.split(labels, labels, sources))
        if all(len(np.unique(labels[rows])) == len(classes) for rows, _ in found):
            return found
    raise InputError(
        "SVM calibrates its probabilities on sources that it was not fitted on, "
        "but a class of the training split has too few sources",
        "Give every class training images from at least two sources, or use RandomForest.",
    )


def network_parameters(name: str, options: Mapping[str, Any], features: int, classes: int) -> int | None:
    """Number of weights and biases of the MLP; None for methods without a fixed number of weights."""
    if name != "MLP":
        return None
    hidden = int(METHODS[name].all_options(options)["hidden"])
    outputs = 1 if classes == 2 else classes  # scikit-learn uses one logistic output for two classes
    return (features + 1) * hidden + (hidden + 1) * outputs


def _estimator(name: str, values: Mapping[str, Any], folds: list[Fold], seed: int) -> BaseEstimator:
    if name == "SVM":
        machine = SVC(C=values["C"], kernel=values["kernel"], random_state=seed)
        # Platt's sigmoid, one against the rest, on decisions for rows that the machine was not fitted on.
        return CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)
    if name == "RandomForest":
        return RandomForestClassifier(values["trees"], min_samples_leaf=values["min_leaf"], random_state=seed)
    if name == "DecisionTree":
        # Leaves with a single image would predict only probabilities of 0 and 1.
        return DecisionTreeClassifier(min_samples_leaf=values["min_leaf"], random_state=seed)
    if name == "KNN":
        return BalancedKNeighbors(values["neighbors"])
    # With so few weights and images a second-order method works well, and it needs no learning rate.
    return MLPClassifier(
        (values["hidden"],), solver="lbfgs", alpha=values["l2"], max_iter=2000, random_state=seed
    )
