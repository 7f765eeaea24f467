"""Mode `classical`: measure features on every image, and fit a method of scikit-learn to them."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from wbc.classical.catalog import METHODS
from wbc.classical.features import FEATURES, measure_all
from wbc.classical.general import GENERAL, Measure
from wbc.classical.methods import fit_method, network_parameters
from wbc.data.loading import Split
from wbc.errors import InputError
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.evaluation.latency import BATCHES
from wbc.observer import Observer, phase
from wbc.specification import Explaining, Exporting, Specification

BATCH = 16
"""Images that are measured or classified between two heartbeats."""


@dataclass(frozen=True)
class ClassicalClassifier:
    """A fitted method with the features of the splits, its own or a network's; a `wbc.observer.Trained`."""

    pipeline: Pipeline
    """From features to probabilities."""
    features: Mapping[str, NDArray[np.floating[Any]]]
    """Name of the split -> features; shape (n, features)."""
    classes: int
    """Number of classes."""
    measuring: Cost
    """The cost of making features."""
    classifying: BatchTimer = field(default_factory=BatchTimer)
    """Times the predictions."""
    examples: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 0, 3), np.uint8))
    """See `wbc.observer.Trained`."""
    measure: Measure = measure_all
    """Measures features."""

    def answer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `wbc.observer.Trained`."""
        probabilities: NDArray[np.float32] = self.pipeline.predict_proba(self.measure(images))
        return probabilities

    def predict(self, split: str, observer: Observer) -> NDArray[np.float32]:
        """See `wbc.observer.Trained`."""
        probabilities = np.zeros((len(self.features[split]), self.classes), np.float32)
        probabilities[:, self.pipeline.classes_] = _in_batches(
            self.pipeline.predict_proba, self.features[split], self.classifying, observer
        )
        return probabilities

    def cost(self) -> Cost:
        """See `wbc.observer.Trained`."""
        return self.measuring + self.classifying.cost(len(pickle.dumps(self.pipeline)))

    def save(self, path: Path, fit: str) -> dict[str, Any]:
        """See `wbc.observer.Trained`."""
        raise InputError("a method of scikit-learn has no .keras file, and a pickle is not safe to share")

    def last_features(self, split: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """See `wbc.observer.Trained`."""
        raise InputError("a method of scikit-learn has no last layer")

    def export(
        self,
        settings: Exporting,
        calibration: NDArray[np.uint8],
        test: NDArray[np.uint8],
        labels: NDArray[np.int64],
    ) -> dict[str, Any]:
        """See `wbc.observer.Trained`."""
        raise InputError("a method of scikit-learn is no network")

    def explain(
        self, settings: Explaining, pixels: NDArray[np.uint8], files: list[str], predicted: list[int]
    ) -> dict[str, Any]:
        """See `wbc.observer.Trained`."""
        raise InputError("a method of scikit-learn has no maps")

    def profile(self, specification: Specification) -> dict[str, Any]:
        """See `wbc.observer.Trained`."""
        return {"unavailable": "a method of scikit-learn has no training steps to trace"}

    def memory(self) -> dict[str, Any]:
        """See `wbc.observer.Trained`."""
        return {"unavailable": "a method of scikit-learn has no training step"}


def train(specification: Specification, splits: dict[str, Split], observer: Observer) -> ClassicalClassifier:
    """Measure features and fit the method; see `wbc.experiment.Train`.

    Validation images are not used, because nothing is chosen by them.
    """
    training, classes = splits["train"], len(splits["train"].classes)
    kind = str(METHODS[specification.network].all_options(specification.options)["features"])
    with phase(observer, "build") as figures:
        # A warm-up too: one image tells how many features there are.
        count = len(FEATURES) if kind == "cell" else GENERAL[kind](training.inputs[:1]).shape[1]
        figures["parameters"] = network_parameters(
            specification.network, specification.options, count, classes
        )
    with phase(observer, "features") as figures:
        timer = BatchTimer()
        plausible: list[bool] = []
        measure = GENERAL[kind] if kind != "cell" else partial(measure_all, plausible=plausible)
        features = {
            name: _in_batches(measure, split.inputs, timer, observer)
            for name, split in splits.items()
            if name != "validation"
        }
        if plausible:
            figures["plausible"] = sum(plausible) / len(plausible)
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
    examples = splits["test"].inputs[: max(BATCHES) if specification.latency else 0].copy()
    answering = GENERAL.get(kind, measure_all)
    return ClassicalClassifier(
        pipeline, features, classes, timer.cost(0), examples=examples, measure=answering
    )


def _in_batches(
    work: Callable[[NDArray[Any]], NDArray[np.floating[Any]]],
    inputs: NDArray[Any],
    timer: BatchTimer,
    observer: Observer,
) -> NDArray[np.floating[Any]]:
    """Apply `work` to all inputs in batches. If too few batches are timed, the first one is repeated."""
    outputs = []
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH]
        with timer.batch(len(batch)):
            outputs.append(work(batch))
        observer.heartbeat(start + len(batch), len(inputs))
        observer.pause()
    while timer.wants_more:
        with timer.batch(len(inputs[:BATCH])):
            work(inputs[:BATCH])
    return np.concatenate(outputs)
