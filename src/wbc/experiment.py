"""One experiment from images to test metrics: the seam that a harness calls. Free of Keras."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from wbc.canary import sing
from wbc.data import SPLITS
from wbc.data.loading import Split as Part
from wbc.data.loading import load_split
from wbc.data.manifest import Manifest
from wbc.evaluation.cost import Cost
from wbc.evaluation.evaluate import evaluate
from wbc.evaluation.predictions import Predictions
from wbc.observer import Observer, phase
from wbc.specification import Specification

TRAINERS = {
    "transfer": "wbc.training.transfer",
    "scratch": "wbc.training.scratch",
    "finetune": "wbc.training.finetune",
    "classical": "wbc.classical.train",
}
"""Mode -> the module whose `train` carries it out; loaded only when asked for, because most load Keras."""


class Trained(Protocol):
    """A classifier after its training."""

    def predict(self, part: str, observer: Observer) -> np.ndarray:
        """Probabilities of every image of a part, in file order; float array of shape (n, classes)."""

    def cost(self) -> Cost:
        """What it takes to keep and use it; asked for after a prediction, which is timed."""

    def save(self, path: Path) -> dict:
        """Write it as a file that appears whole; asked for where `save_model` is set.

        Returns:
            `input` and `output`, each `shape` (-1 for the number of images) and `dtype`.

        Raises:
            InputError: It cannot be written.
        """

    def profile(self, specification: Specification) -> dict:
        """Trace some more steps of training, as `specification.profile` says; it predicts no more afterwards.

        Returns:
            See `wbc.profiling.summary.summarise`, with `trace`, the file within the folder. Or `unavailable`:
            why there is no such thing.
        """

    def memory(self) -> dict:
        """What a training step took of memory, in bytes; may take seconds, so nobody should wait for it.

        Returns:
            See `wbc.training.footprint.Footprint.figures`.
        """


Train = Callable[[Specification, dict[str, Part], Observer], Trained]
"""What a trainer offers: `train(specification, parts, observer)` reports its phases and may empty `parts`."""


def load_trainer(mode: str) -> Train:
    """Import what carries out a mode; it may take seconds."""
    return importlib.import_module(TRAINERS[mode]).train


def run(specification: Specification, observer: Observer) -> dict:
    """Train and test one classifier as specified.

    The caller reports the phases `startup` and `teardown`, which lie outside; this function those between.

    Returns:
        The metrics of the test part (`wbc.evaluation.evaluate.evaluate`).

    Raises:
        InputError: The weights do not fit the network, or an image went missing.
        TrainingDivergedError: The loss is no longer a number.
    """
    train = load_trainer(specification.mode)
    _canary(specification, observer)
    with phase(observer, "data") as figures:
        manifest = Manifest.read_file(specification.manifest)
        folder, size = specification.data_folder, specification.image_size
        parts = {name: load_split(manifest, name, folder, size) for name in SPLITS}
        figures.update({f"{name}_images": len(part) for name, part in parts.items()})
        figures["data_digest"] = manifest.digest

    trained = train(specification, parts, observer)

    with phase(observer, "evaluate") as figures:
        probabilities = trained.predict("test", observer)
        predictions = Predictions.of(manifest.split("test"), probabilities, manifest.classes)
        metrics = evaluate(predictions, specification, observer)
        figures["images"] = metrics["images"]
        figures.update(trained.cost().figures())
    _canary(specification, observer)
    if specification.save_model:
        told = {
            name: getattr(specification, name) for name in ("network", "mode", "preprocessing", "image_size")
        }
        with phase(observer, "save"):
            observer.trained(trained, {**told, "classes": list(manifest.classes)})
    if specification.profile is not None:
        with phase(observer, "profile") as figures:
            figures.update(trained.profile(specification))
    observer.finished(trained)
    return metrics


def _canary(specification: Specification, observer: Observer) -> None:
    """The phase `canary`, where it is asked for."""
    if specification.canary:
        with phase(observer, "canary") as figures:
            try:
                figures.update(sing(specification.backend if specification.uses_keras else None))
            except Exception as error:  # a full device, at worst: no reason to lose what was trained
                figures["unavailable"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
