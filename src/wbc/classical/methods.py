"""The classical methods as scikit-learn pipelines: features to probabilities.

Every method scales its features by the mean and deviation of the training part, gives a probability of
every class, and counts each class alike where the training part holds more of one than of another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
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


class BalancedKNeighbors(KNeighborsClassifier):
    """k nearest neighbours whose votes count in inverse proportion to the size of their class.

    scikit-learn's own takes no weights of samples.
    """

    def fit(self, features: np.ndarray, labels: np.ndarray) -> "BalancedKNeighbors":
        """Remember the training features; see scikit-learn."""
        _, counts = np.unique(labels, return_counts=True)
        self.vote_weights_ = counts.sum() / (len(counts) * counts)
        return super().fit(features, labels)

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Share of the weighted votes; shape (n, classes)."""
        votes = super().predict_proba(features) * self.vote_weights_
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The class with the most weighted votes; shape (n,)."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


def fit_method(
    name: str,
    options: Mapping[str, Any],
    features: np.ndarray,
    labels: np.ndarray,
    sources: Sequence[str],
    seed: int,
) -> Pipeline:
    """Fit a classical method.

    Args:
        name: Name of the method.
        options: Its options.
        features: float array of shape (n, features).
        labels: Index of each class; shape (n,).
        sources: The source cell of each row. The SVM is calibrated across source cells, since copies of one
            cell on both sides would make it too sure.
        seed: Of forests, trees, initial weights and folds.

    Returns:
        A fitted pipeline with `predict_proba` and `classes_`.

    Raises:
        InputError: The training part is too small for the method.
    """
    values = METHODS[name].all_options(options)
    if name == "KNN" and values["neighbors"] > len(labels):
        raise InputError(
            f"KNN asks {values['neighbors']} neighbours, but there are {len(labels)} training images",
            "Lower neighbors, or train on more images.",
        )
    splits = calibration_splits(labels, sources, seed) if name == "SVM" else []
    pipeline = Pipeline([("scale", StandardScaler()), ("method", _estimator(name, values, splits, seed))])
    counts = np.unique(labels, return_counts=True)[1]
    weights = {}
    if name != "KNN" and len(set(counts)) > 1:
        weights["method__sample_weight"] = compute_sample_weight("balanced", labels)
    # So small matrices only wait for one another on several cores.
    with threadpool_limits(1):
        return pipeline.fit(features, labels, **weights)


def calibration_splits(
    labels: np.ndarray, sources: Sequence[str], seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds that keep source cells together and leave every class in what each fold is predicted from.

    Returns:
        For each fold the rows to fit on and the rows to predict.

    Raises:
        InputError: Some class has only one source cell, so that nothing can be held out.
    """
    classes = np.unique(labels)
    fewest = min(len({sources[row] for row in np.flatnonzero(labels == number)}) for number in classes)
    for folds in range(min(CALIBRATION_FOLDS, fewest), 1, -1):
        folding = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        splits = list(folding.split(labels, labels, sources))
        if all(len(np.unique(labels[rows])) == len(classes) for rows, _ in splits):
            return splits
    raise InputError(
        "SVM learns its probabilities from source cells that it has not seen, "
        "but a class of the training part has too few of them",
        "Give every class two training cells or more, or take RandomForest.",
    )


def network_parameters(name: str, options: Mapping[str, Any], features: int, classes: int) -> int | None:
    """Weights and biases of the MLP; None for methods that are not made of a fixed number of weights."""
    if name != "MLP":
        return None
    hidden = METHODS[name].all_options(options)["hidden"]
    outputs = 1 if classes == 2 else classes  # scikit-learn gives two classes one logistic output
    return (features + 1) * hidden + (hidden + 1) * outputs


def _estimator(name: str, values: Mapping[str, Any], splits: list, seed: int) -> BaseEstimator:
    if name == "SVM":
        machine = SVC(C=values["C"], kernel=values["kernel"], random_state=seed)
        # Platt's sigmoid, one against the rest, on decisions for cells that the machine was not fitted on.
        return CalibratedClassifierCV(machine, method="sigmoid", cv=splits, ensemble=False)
    if name == "RandomForest":
        return RandomForestClassifier(values["trees"], min_samples_leaf=values["min_leaf"], random_state=seed)
    if name == "DecisionTree":
        # Leaves of a single image would know only certainty.
        return DecisionTreeClassifier(min_samples_leaf=values["min_leaf"], random_state=seed)
    if name == "KNN":
        return BalancedKNeighbors(values["neighbors"])
    # So few weights and images suit a method of second order, which needs no learning rate.
    return MLPClassifier(
        (values["hidden"],), solver="lbfgs", alpha=values["l2"], max_iter=2000, random_state=seed
    )
