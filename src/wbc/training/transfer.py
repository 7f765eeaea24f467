"""Mode `transfer`: features of a frozen backbone, extracted once, and a head trained on them."""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import keras
from keras import layers
from numpy.typing import NDArray

from wbc.data.loading import Split
from wbc.errors import InputError
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.kept import Arrays, Place, in_memory, keep_once
from wbc.networks.build import build_backbone
from wbc.networks.complexity import size_figures
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import HEAD_UNITS, Specification
from wbc.training.classifier import Classifier, examples_of, float32_bytes, predict
from wbc.training.feature_cache import ingredients_of
from wbc.training.fitting import fit, penalize_kernels
from wbc.training.session import Distribution, open_session


def train(specification: Specification, splits: dict[str, Split], observer: Observer) -> Classifier:
    """Train the head of the thesis on the features of a backbone; see `wbc.experiment.Train`.

    Raises:
        InputError: Images are to be augmented, but the head never sees them.
    """
    if specification.augmentation is not None:
        raise InputError("features are extracted once, so training images cannot be augmented")
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.building():
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        backbone.trainable = False
        head = build_head(backbone.output_shape[1:], len(splits["train"].classes), specification.dropout)
        penalize_kernels(head, specification)
        figures.update(size_figures(head, frozen=backbone))
    features, cost = extract_features(backbone, splits, specification, observer, distribution)
    examples = examples_of(splits, specification)
    splits.clear()  # frees the pixels
    footprint = fit(head, features, specification, as_is, observer, distribution, beside=backbone)
    extractor = (
        backbone
        if specification.save_model or specification.latency or specification.explain or specification.export
        else None
    )
    return Classifier(
        head,
        features,
        specification.batch_size,
        as_is,
        distribution,
        cost,
        footprint,
        extractor=extractor,
        scale=preprocessing_of(specification),
        examples=examples,
    )


def build_head(feature_shape: tuple[int, ...], classes: int, dropout: float = 0.5) -> keras.Model:
    """The head of appendix F of the thesis: Flatten, Dense(256, relu), Dropout, Dense(classes, softmax).

    Args:
        feature_shape: Shape of the features of one image: (height, width, channels).
        classes: Number of classes.
        dropout: Dropout rate; 0.5 in the thesis.
    """
    return keras.Sequential(
        [
            layers.Input(feature_shape),
            layers.Flatten(),
            layers.Dense(HEAD_UNITS, activation="relu"),
            layers.Dropout(dropout),
            # In half precision probabilities would not add up to one.
            layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="head",
    )


def extract_features(
    backbone: keras.Model,
    splits: dict[str, Split],
    specification: Specification,
    observer: Observer,
    distribution: Distribution,
) -> tuple[dict[str, Split], Cost]:
    """The features that a backbone makes of the images of all splits; the phase `features`.

    They may come from a cache, see `wbc.kept`.

    Returns:
        The splits with float32 features of shape (images, height, width, channels), and the cost of the
        extraction.
    """

    def extract(place: Place) -> tuple[Arrays, dict[str, Any]]:
        prepare, timer = preprocessing_of(specification), BatchTimer()
        features = {
            name: predict(
                backbone,
                split.inputs,
                specification.batch_size,
                prepare,
                observer,
                timer,
                distribution,
                partial(place, name),
            )
            for name, split in splits.items()
        }
        return features, {"cost": asdict(timer.cost(float32_bytes(backbone)))}

    cache = specification.feature_cache
    with phase(observer, "features") as figures:
        if cache is None or not cache.features:
            features, more = extract(in_memory)
        else:
            with distribution.scope():
                ingredients = ingredients_of(backbone, splits, specification)
            found = keep_once(cache, ingredients, extract, lambda: observer.heartbeat(0, 1))
            features, more = found.arrays, found.more
            figures.update(found.figures)
        figures["images"] = sum(len(split) for split in splits.values())
        figures["bytes"] = sum(one.nbytes for one in features.values())
    extracted = {name: replace(split, inputs=features[name]) for name, split in splits.items()}
    return extracted, Cost(**more["cost"])


def as_is(batch: NDArray[Any]) -> NDArray[Any]:
    """Features need no preparation."""
    return batch
