"""Mode `scratch`: every weight of the network from random values."""

from wbc.data.loading import Split as Part
from wbc.networks.build import build_classifier
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.classifier import Classifier
from wbc.training.fitting import fit
from wbc.training.penalties import penalise_kernels
from wbc.training.session import open_session
from wbc.training.work import size_figures


def train(specification: Specification, parts: dict[str, Part], observer: Observer) -> Classifier:
    """Train the whole network; see `wbc.experiment.Train`."""
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.scope():
        model = build_classifier(
            specification.network,
            specification.options,
            specification.image_size,
            len(parts["train"].classes),
        )
        penalise_kernels(model, specification)
        figures.update(size_figures(model))
    prepare = preprocessing_of(specification)
    footprint = fit(model, parts, specification, prepare, observer, distribution)
    return Classifier(model, parts, specification.batch_size, prepare, distribution, footprint=footprint)
