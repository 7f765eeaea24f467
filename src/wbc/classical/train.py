"""Mode `classical`: features measured on every image, and a method of scikit-learn fitted to them."""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from wbc.classical.features import FEATURES, measure
from wbc.classical.methods import fit_method, network_parameters
from wbc.data.part import Part
from wbc.observer import Observer, phase
from wbc.specification import Specification

HEARTBEAT_IMAGES = 16
"""Images between two heartbeats."""


@dataclass(frozen=True)
class ClassicalClassifier:
    """A fitted method with the features of the parts; a `wbc.experiment.Trained`.

    Attributes:
        pipeline: From features to probabilities.
        features: Name of the part -> float array of shape (n, features).
        classes: Number of classes.
    """

    pipeline: Pipeline
    features: dict[str, np.ndarray]
    classes: int

    def predict(self, part: str, observer: Observer) -> np.ndarray:
        """See `wbc.experiment.Trained`."""
        features = self.features[part]
        probabilities = np.zeros((len(features), self.classes), np.float32)
        probabilities[:, self.pipeline.classes_] = self.pipeline.predict_proba(features)
        return probabilities


def train(specification: Specification, parts: dict[str, Part], observer: Observer) -> ClassicalClassifier:
    """Measure features and fit the method; see `wbc.experiment.Train`.

    Validation images have no use here: nothing is chosen by them.
    """
    training, classes = parts["train"], len(parts["train"].classes)
    with phase(observer, "build") as figures:
        figures["parameters"] = network_parameters(
            specification.network, specification.options, len(FEATURES), classes
        )
    with phase(observer, "features") as figures:
        features = {name: _measure_all(parts[name].inputs, observer) for name in ("train", "test")}
        figures["images"] = sum(map(len, features.values()))
        figures["bytes"] = sum(table.nbytes for table in features.values())
    with phase(observer, "train"):
        pipeline = fit_method(
            specification.network,
            specification.options,
            features["train"],
            training.labels,
            [image.source for image in training.images],
            specification.seed,
        )
    return ClassicalClassifier(pipeline, features, classes)


def _measure_all(images: np.ndarray, observer: Observer) -> np.ndarray:
    """Features of every image; float array of shape (n, features)."""
    table = np.empty((len(images), len(FEATURES)))
    for number, pixels in enumerate(images):
        table[number] = measure(pixels)
        if number % HEARTBEAT_IMAGES == 0:
            observer.heartbeat(number + 1, len(images))
    return table
