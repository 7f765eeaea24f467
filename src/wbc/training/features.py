"""Mode `features`: features of a frozen backbone, extracted once, and a method of scikit-learn fitted to them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.classical.methods import fit_method, network_parameters
from wbc.classical.train import ClassicalClassifier
from wbc.data.loading import Split
from wbc.networks.build import build_backbone
from wbc.networks.complexity import size_figures
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import FittedClassifier, Specification
from wbc.training.classifier import examples_of
from wbc.training.session import open_session
from wbc.training.transfer import extract_features


def train(specification: Specification, splits: dict[str, Split], observer: Observer) -> ClassicalClassifier:
    """Extract what the head of transfer learning would get, and fit the method to it; see `wbc.experiment.Train`.

    Validation images are not used, because nothing is chosen by them.
    """
    fitted = specification.classifier or FittedClassifier()
    labels, classes = splits["train"].labels, len(splits["train"].classes)
    sources = [image.source for image in splits["train"].images]
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.building():
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        backbone.trainable = False
        size = size_figures(backbone)
        for of_training in ("trained_forward_flops", "training_flops"):
            size.pop(of_training, None)
        count = int(np.prod(backbone.output_shape[1:]))
        own = network_parameters(fitted.name, fitted.options, count, classes) or 0
        figures.update(
            {**size, "parameters": int(backbone.count_params()) + own, "trainable_parameters": own}
        )
    examples = examples_of(splits, specification)
    splits.pop("validation", None)
    extracted, cost = extract_features(backbone, splits, specification, observer, distribution)
    splits.clear()  # frees the pixels
    features = {name: _flat(split.inputs) for name, split in extracted.items()}
    with phase(observer, "train"):
        pipeline = fit_method(
            fitted.name,
            fitted.options,
            features["train"],
            labels,
            sources,
            specification.seed,
        )
    scale, extract = preprocessing_of(specification), distribution.exact_predictor(backbone)

    def measure(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _flat(extract(scale(images)))

    return ClassicalClassifier(pipeline, features, classes, cost, examples=examples, measure=measure)


def _flat(features: NDArray[Any]) -> NDArray[np.float32]:
    """A row for each image, in the order of the head's Flatten."""
    return features.reshape(len(features), -1)
