"""Mode `scratch`: the whole network, from random weights."""

from wbc.data.loading import Split
from wbc.networks.build import build_classifier
from wbc.networks.complexity import size_figures
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.classifier import Classifier
from wbc.training.fitting import fit, penalize_kernels
from wbc.training.session import open_session


def train(specification: Specification, splits: dict[str, Split], observer: Observer) -> Classifier:
    """Train the whole network; see `wbc.experiment.Train`."""
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.building():
        model = build_classifier(
            specification.network,
            specification.options,
            specification.image_size,
            len(splits["train"].classes),
        )
        penalize_kernels(model, specification)
        figures.update(size_figures(model))
    prepare = preprocessing_of(specification)
    footprint = fit(model, splits, specification, prepare, observer, distribution)
    return Classifier.of_pixels(model, splits, specification, distribution, footprint)
