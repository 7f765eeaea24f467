"""The features of a frozen backbone, extracted once."""

from dataclasses import replace

import keras
import numpy as np

from wbc.data.loading import Split as Part
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.classifier import float32_bytes, predict
from wbc.training.distribution import Distribution


def extract_features(
    backbone: keras.Model,
    parts: dict[str, Part],
    specification: Specification,
    observer: Observer,
    distribution: Distribution,
) -> tuple[dict[str, Part], Cost]:
    """What a backbone makes of the images of all parts; the phase `features`.

    Returns:
        The parts with features, float32 arrays of shape (n, height, width, channels), and what it costs to
        make them.
    """
    with phase(observer, "features") as figures:
        prepare, timer = preprocessing_of(specification), BatchTimer()
        features = {}
        for name, part in parts.items():
            extracted = predict(
                backbone, part.inputs, specification.batch_size, prepare, observer, timer, distribution
            )
            features[name] = replace(part, inputs=extracted)
        figures["images"] = sum(len(part) for part in parts.values())
        figures["bytes"] = sum(part.inputs.nbytes for part in features.values())
    return features, timer.cost(float32_bytes(backbone))


def as_is(batch: np.ndarray) -> np.ndarray:
    """Features need no preparing."""
    return batch
