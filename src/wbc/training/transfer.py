"""Mode `transfer`: the features of a frozen backbone, extracted once, and a head trained on them."""

from dataclasses import replace

import numpy as np

from wbc.data.part import Part
from wbc.evaluation.cost import BatchTimer
from wbc.networks.build import build_backbone
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.fitting import Classifier, fit, float32_bytes, predict
from wbc.training.head import build_head
from wbc.training.session import open_session, trainable_parameters


def train(specification: Specification, parts: dict[str, Part], observer: Observer) -> Classifier:
    """Train the head of the thesis on the backbone's features; see `wbc.experiment.Train`."""
    open_session(specification)
    with phase(observer, "build") as figures:
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        backbone.trainable = False
        head = build_head(backbone.output_shape[1:], len(parts["train"].classes))
        figures["parameters"] = backbone.count_params() + head.count_params()
        figures["trainable_parameters"] = trainable_parameters(head)

    with phase(observer, "features") as figures:
        prepare, timer = preprocessing_of(specification), BatchTimer()
        features = {
            name: replace(
                part,
                inputs=predict(backbone, part.inputs, specification.batch_size, prepare, observer, timer),
            )
            for name, part in parts.items()
        }
        figures["images"] = sum(len(part) for part in parts.values())
        figures["bytes"] = sum(part.inputs.nbytes for part in features.values())
    parts.clear()  # the pixels are not needed any more

    fit(head, features, specification, _as_is, observer)
    return Classifier(head, features, specification.batch_size, _as_is, timer.cost(float32_bytes(backbone)))


def _as_is(batch: np.ndarray) -> np.ndarray:
    return batch
