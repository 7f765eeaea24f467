"""Mode `classical`: features measured on every image, and a method of scikit-learn fitted to them."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

from wbc.classical.features import FEATURES, measure_all
from wbc.classical.methods import fit_method, network_parameters
from wbc.data.part import Part
from wbc.errors import InputError
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.observer import Observer, phase
from wbc.specification import Specification

BATCH = 16
"""Images that are measured and classified between two heartbeats."""


@dataclass(frozen=True)
class ClassicalClassifier:
    """A fitted method with the features of the parts; a `wbc.experiment.Trained`.

    Attributes:
        pipeline: From features to probabilities.
        features: Name of the part -> float array of shape (n, features).
        classes: Number of classes.
        measuring: Times the features.
        classifying: Times the predictions from them.
    """

    pipeline: Pipeline
    features: dict[str, np.ndarray]
    classes: int
    measuring: BatchTimer
    classifying: BatchTimer = field(default_factory=BatchTimer)

    def predict(self, part: str, observer: Observer) -> np.ndarray:
        """See `wbc.experiment.Trained`."""
        probabilities = np.zeros((len(self.features[part]), self.classes), np.float32)
        probabilities[:, self.pipeline.classes_] = _in_batches(
            self.pipeline.predict_proba, self.features[part], self.classifying, observer
        )
        return probabilities

    def cost(self) -> Cost:
        """See `wbc.experiment.Trained`."""
        return self.measuring.cost(0) + self.classifying.cost(len(pickle.dumps(self.pipeline)))

    def save(self, path: Path) -> dict:
        """See `wbc.experiment.Trained`."""
        raise InputError("a method of scikit-learn has no .keras file, and a pickle is not safe to share")

    def profile(self, specification: Specification) -> dict:
        """See `wbc.experiment.Trained`."""
        return {"unavailable": "a classical method is not trained in steps that could be traced"}

    def memory(self) -> dict:
        """See `wbc.experiment.Trained`."""
        return {"unavailable": "a classical method has no training step"}


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
        timer = BatchTimer()
        features = {
            name: _in_batches(measure_all, parts[name].inputs, timer, observer) for name in ("train", "test")
        }
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
    return ClassicalClassifier(pipeline, features, classes, timer)


def _in_batches(
    work: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, timer: BatchTimer, observer: Observer
) -> np.ndarray:
    """What `work` makes of all inputs, in order; where too few batches were timed, the first one again."""
    outputs = []
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH]
        with timer.batch(len(batch)):
            outputs.append(work(batch))
        observer.heartbeat(start + len(batch), len(inputs))
    while timer.wants_more:
        with timer.batch(len(inputs[:BATCH])):
            work(inputs[:BATCH])
    return np.concatenate(outputs)
