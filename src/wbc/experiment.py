"""One experiment from images to test metrics: the seam that a harness calls."""

import functools
from dataclasses import dataclass

import keras
import numpy as np

from wbc.data.loading import labels_of, load_pixels
from wbc.data.manifest import Manifest
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions
from wbc.networks.build import build_backbone, build_classifier
from wbc.networks.preprocessing import preprocess
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.batches import Prepare
from wbc.training.fitting import Part, fit, predict
from wbc.training.head import build_head


@dataclass(frozen=True)
class Trained:
    """A trained classifier and the test part in the form that it takes."""

    model: keras.Model
    test: Part
    prepare: Prepare


def run(specification: Specification, observer: Observer) -> dict:
    """Train and test one network as specified.

    The caller reports the phases `startup` and `teardown`, which lie outside; this function those between.

    Returns:
        The metrics of the test part (`wbc.evaluation.metrics.score`).

    Raises:
        InputError: The weights do not fit the network, or an image went missing.
        TrainingDivergedError: The loss is no longer a number.
    """
    # A user's ~/.keras/keras.json may say otherwise.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(specification.seed)
    if specification.deterministic:
        _enable_deterministic_operations()

    with phase(observer, "data") as figures:
        manifest = Manifest.read_file(specification.manifest)
        parts = {name: _load_part(manifest, name, specification) for name in ("train", "validation", "test")}
        figures.update({f"{name}_images": len(part.inputs) for name, part in parts.items()})
        figures["data_digest"] = manifest.digest

    train_as = {"transfer": _train_head, "scratch": _train_whole}[specification.mode]
    trained = train_as(specification, parts, len(manifest.classes), observer)

    with phase(observer, "evaluate") as figures:
        probabilities = predict(
            trained.model, trained.test, specification.batch_size, trained.prepare, observer
        )
        predictions = Predictions.of(manifest.part("test"), probabilities, manifest.classes)
        observer.predicted(predictions)
        metrics = score(predictions)
        observer.evaluated(metrics)
        figures["images"] = metrics["images"]
    return metrics


def _train_head(
    specification: Specification, parts: dict[str, Part], classes: int, observer: Observer
) -> Trained:
    """Mode `transfer`: features of the frozen backbone once, then a head on them."""
    with phase(observer, "build") as figures:
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        backbone.trainable = False
        head = build_head(backbone.output_shape[1:], classes)
        figures["parameters"] = backbone.count_params() + head.count_params()
        figures["trainable_parameters"] = _trainable(head)

    with phase(observer, "features") as figures:
        prepare = _preprocessing(specification)
        features = {
            name: Part(predict(backbone, part, specification.batch_size, prepare, observer), part.targets)
            for name, part in parts.items()
        }
        figures["images"] = sum(len(part.inputs) for part in parts.values())
        figures["bytes"] = sum(part.inputs.nbytes for part in features.values())
    parts.clear()

    fit(head, features["train"], features["validation"], specification, _as_is, observer)
    return Trained(head, features["test"], _as_is)


def _train_whole(
    specification: Specification, parts: dict[str, Part], classes: int, observer: Observer
) -> Trained:
    """Mode `scratch`: every weight of the network from random values."""
    with phase(observer, "build") as figures:
        model = build_classifier(
            specification.network, specification.options, specification.image_size, classes
        )
        figures["parameters"] = model.count_params()
        figures["trainable_parameters"] = _trainable(model)
    prepare = _preprocessing(specification)
    fit(model, parts["train"], parts["validation"], specification, prepare, observer)
    return Trained(model, parts["test"], prepare)


def _load_part(manifest: Manifest, name: str, specification: Specification) -> Part:
    images = manifest.part(name)
    targets = np.eye(len(manifest.classes), dtype=np.float32)[labels_of(images, manifest.classes)]
    return Part(load_pixels(specification.data_folder, images, specification.image_size), targets)


def _preprocessing(specification: Specification) -> Prepare:
    return functools.partial(preprocess, name=specification.network, how=specification.preprocessing)


def _as_is(batch: np.ndarray) -> np.ndarray:
    return batch


def _trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _enable_deterministic_operations() -> None:
    """TensorFlow only: ask for operations that repeat to the last bit, slower where they differ."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
