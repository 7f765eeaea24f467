"""One experiment from images to test metrics: the entry point for a harness. Free of Keras at import."""

import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import PIL

from wbc.backends import out_of_memory
from wbc.data import SPLITS
from wbc.data.loading import Split, labels_of, load_pixels, load_split
from wbc.data.manifest import Manifest
from wbc.data.reading import Reading
from wbc.errors import InputError, OutOfMemoryError, reason_of
from wbc.evaluation.latency import figures_of, measure_latency
from wbc.evaluation.likeness import MOST_IMAGES, Likeness, looks_of
from wbc.evaluation.metrics import Metrics, binary_accuracy, score
from wbc.evaluation.predictions import Predictions, ShuffledComparison, generator_order
from wbc.kept import Arrays, Place, keep_once
from wbc.observer import Figures, Observer, Trained, phase
from wbc.reference_work import measure_reference_work
from wbc.specification import Specification

CALIBRATION_IMAGES = 100
"""Training images from which the ranges of int8 are taken."""

MOST_EXPLAINED = 24
"""Misclassified test images for which pictures are made."""

TRAINERS = {
    "transfer": "wbc.training.transfer",
    "scratch": "wbc.training.scratch",
    "finetune": "wbc.training.finetune",
    "features": "wbc.training.features",
    "classical": "wbc.classical.train",
}
"""Mode -> the module whose `train` implements it. Loaded on demand, because most of them load Keras."""


EXTERNAL = "external"
"""The name of an external test among the splits that a trainer gets: it predicts them and learns nothing from
them."""


Train = Callable[[Specification, dict[str, Split], Observer], Trained]
"""The interface of a trainer: `train(specification, splits, observer)`. It reports its phases, and may empty
`splits` to free memory."""


def load_trainer(mode: str) -> Train:
    """Import the trainer of a mode. This may take seconds."""
    train: Train = importlib.import_module(TRAINERS[mode]).train
    return train


def run(specification: Specification, observer: Observer) -> Metrics:
    """Train and test one classifier as specified.

    The caller reports the phases `startup` and `teardown`, which lie outside. This function reports the rest.

    Returns:
        The test metrics, see `evaluate`.

    Raises:
        InputError: The weights do not fit the network, or an image is missing.
        TrainingDivergedError: The loss is no longer a finite number.
        OutOfMemoryError: The device has no memory left.
    """
    with _typed_errors():
        return _run(specification, observer)


def _run(specification: Specification, observer: Observer) -> Metrics:
    train = load_trainer(specification.mode)
    _reference_work(specification, observer)
    with phase(observer, "data") as figures:
        manifest = Manifest.read_file(specification.manifest)
        sources = _sources(specification, manifest)
        pixels, shared = _kept_pixels(specification, sources, observer)
        splits = {
            name: load_split(of, split, folder, specification.image_size, pixels.get(name))
            for name, (of, split, folder) in sources.items()
        }
        external = splits[EXTERNAL].images if EXTERNAL in splits else None
        figures.update(shared)
        figures.update({f"{name}_images": len(split) for name, split in splits.items()})
        figures["data_digest"] = manifest.digest

    trained = train(specification, splits, observer)

    with phase(observer, "evaluate") as figures:
        probabilities = trained.predict("test", observer)
        predictions = Predictions.of(manifest.split("test"), probabilities, manifest.classes)
        metrics = evaluate(predictions, specification, observer)
        if external is not None:
            elsewhere = Predictions.of(external, trained.predict(EXTERNAL, observer), manifest.classes)
            observer.externally_evaluated(elsewhere, _score(elsewhere, specification))
        figures["images"] = metrics["images"]
        figures.update(trained.cost().figures())
    if specification.latency:
        with phase(observer, "latency") as figures:
            try:
                figures.update(
                    figures_of(*measure_latency(trained.answer, trained.examples, between=observer.pause))
                )
            except Exception as error:
                figures["unavailable"] = reason_of(error)
    _reference_work(specification, observer)
    if specification.explain is not None:
        with phase(observer, "explain") as figures:
            figures.update(_explain(trained, predictions, manifest, specification))
    if specification.save_model:
        about: Figures = {
            name: getattr(specification, name) for name in ("network", "mode", "preprocessing", "image_size")
        }
        with phase(observer, "save"):
            observer.trained(
                trained,
                {
                    **about,
                    "classes": list(manifest.classes),
                    "likeness": _likeness(trained, manifest, specification),
                    "reading": Reading.of(manifest.settings).spelled_out(),
                },
            )
    if specification.export is not None:
        with phase(observer, "export") as figures:
            figures.update(_export(trained, manifest, specification))
    if specification.profile is not None:
        with phase(observer, "profile") as figures:
            figures.update(trained.profile(specification))
    observer.finished(trained)
    return metrics


def _sources(specification: Specification, manifest: Manifest) -> dict[str, tuple[Manifest, str, Path]]:
    """Split -> its manifest, its name there, and the folder of its images.

    `EXTERNAL` are images of another folder that the classifier is tested on besides its own, if there are any.
    """
    found = {name: (manifest, name, specification.data_folder) for name in SPLITS}
    if specification.external_manifest is None or specification.external_folder is None:
        return found
    external = Manifest.read_file(specification.external_manifest)
    if external.classes != manifest.classes:
        raise InputError(
            f"the external test has the classes {', '.join(external.classes)}, not {', '.join(manifest.classes)}",
            "Both folders need the same classes.",
        )
    return found | {EXTERNAL: (external, "test", specification.external_folder)}


def _kept_pixels(
    specification: Specification, sources: Mapping[str, tuple[Manifest, str, Path]], observer: Observer
) -> tuple[Arrays, Figures]:
    """The pixels of all splits where trials share them (`wbc.kept`), and what is said of that; else nothing."""
    cache, size = specification.feature_cache, specification.image_size
    if cache is None or not cache.pixels:
        return {}, {}

    def decode(place: Place) -> tuple[Arrays, Figures]:
        return {
            name: load_pixels(folder, of.split(split), size, Reading.of(of.settings), partial(place, name))
            for name, (of, split, folder) in sources.items()
        }, {}

    ingredients = {
        "files": {
            name: hashlib.sha256("".join(image.sha256 for image in of.split(split)).encode()).hexdigest()
            for name, (of, split, _) in sources.items()
        },
        "reading": {name: asdict(Reading.of(of.settings)) for name, (of, _, _) in sources.items()},
        "image_size": size,
        "pillow": PIL.__version__,
        "runtime": cache.made_on.get("runtime", {}).get("wbc"),
    }
    kept = keep_once(cache, ingredients, decode, lambda: observer.heartbeat(0, 1))
    return kept.arrays, kept.figures


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


def _explain(
    trained: Trained, predictions: Predictions, manifest: Manifest, specification: Specification
) -> Figures:
    """Pictures for the misclassified test images with the highest probability, as the report shows them."""
    assert specification.explain is not None
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    sure = predictions.probabilities.max(axis=1)
    rows = wrong[np.argsort(-sure[wrong], kind="stable")][:MOST_EXPLAINED]
    if not len(rows):  # maps of an image that is right
        rows = np.array([int(sure.argmax())])
    images = [manifest.split("test")[row] for row in rows]
    try:
        pixels = load_pixels(
            specification.data_folder, images, specification.image_size, Reading.of(manifest.settings)
        )
        files = [image.file for image in images]
        return trained.explain(specification.explain, pixels, files, predictions.predicted[rows].tolist())
    except Exception as error:  # layers of a user's may fail: no reason to lose the result
        return {"unavailable": reason_of(error)}


def _export(trained: Trained, manifest: Manifest, specification: Specification) -> Figures:
    """What was exported, with what it says of the test images; or why there is nothing."""
    assert specification.export is not None
    try:
        reading = Reading.of(manifest.settings)
        folder, side = specification.data_folder, specification.image_size
        training, test = manifest.split("train"), manifest.split("test")
        rows = np.random.default_rng(0).permutation(len(training))[:CALIBRATION_IMAGES]
        calibration = load_pixels(folder, [training[row] for row in rows], side, reading)
        pixels, labels = load_pixels(folder, test, side, reading), labels_of(test, manifest.classes)
        return trained.export(specification.export, calibration, pixels, labels)
    except Exception as error:
        return {"unavailable": reason_of(error)}


def _likeness(trained: Trained, manifest: Manifest, specification: Specification) -> Figures:
    """What tells images that are not like the training images; or why that is unknown."""
    looks, features, labels = [], [], []
    try:
        for name in ("train", "validation"):
            images = manifest.split(name)
            rows = np.random.default_rng(0).permutation(len(images))
            if name == "validation":  # copies of one leukocyte are one
                first = np.unique([images[row].source for row in rows], return_index=True)[1]
                rows = rows[np.sort(first)]
            rows = np.sort(rows[:MOST_IMAGES])
            chosen = [images[row] for row in rows]
            pixels = load_pixels(
                specification.data_folder, chosen, specification.image_size, Reading.of(manifest.settings)
            )
            looks.append(looks_of(pixels))
            features.append(trained.last_features(name, rows))
            labels.append(labels_of(chosen, manifest.classes).tolist())
        return asdict(Likeness.of((looks[0], looks[1]), (features[0], features[1]), labels[0]))
    except Exception as error:  # layers of a user's may fail: no reason to lose the model
        return {"unavailable": reason_of(error)}


def _score(predictions: Predictions, specification: Specification) -> Metrics:
    metrics = score(predictions)
    if specification.binary_accuracy:
        metrics["binary_accuracy"] = binary_accuracy(predictions)
    return metrics


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn the various errors with which backends report a full device into one class."""
    try:
        yield
    except Exception as error:
        if memory := out_of_memory(error):
            raise OutOfMemoryError(str(error), of_host=memory == "host") from error
        raise


def _reference_work(specification: Specification, observer: Observer) -> None:
    """The phase `reference_work`, if it is asked for."""
    if specification.reference_work:
        with phase(observer, "reference_work") as figures:
            try:
                backend = specification.backend if specification.uses_keras else None
                figures.update(asdict(measure_reference_work(backend)))
            except Exception as error:  # such as a full device: no reason to lose the trained model
                figures["unavailable"] = reason_of(error)
