"""Mode `transfer`: the features of a frozen backbone, extracted once, and a head trained on them."""

from wbc.data.loading import Split as Part
from wbc.errors import InputError
from wbc.networks.build import build_backbone
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.classifier import Classifier
from wbc.training.features import as_is, extract_features
from wbc.training.fitting import fit
from wbc.training.head import build_head
from wbc.training.penalties import penalise_kernels
from wbc.training.session import open_session
from wbc.training.work import size_figures


def train(specification: Specification, parts: dict[str, Part], observer: Observer) -> Classifier:
    """Train the head of the thesis on the backbone's features; see `wbc.experiment.Train`.

    Raises:
        InputError: Images are to be augmented, but the head never sees them.
    """
    if specification.augmentation is not None:
        raise InputError("features are extracted once, so training images cannot be augmented")
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.scope():
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        backbone.trainable = False
        head = build_head(backbone.output_shape[1:], len(parts["train"].classes), specification.dropout)
        penalise_kernels(head, specification)
        figures.update(size_figures(head, frozen=backbone))
    features, cost = extract_features(backbone, parts, specification, observer, distribution)
    parts.clear()  # the pixels are not needed any more
    footprint = fit(head, features, specification, as_is, observer, distribution, beside=backbone)
    extractor = backbone if specification.save_model else None
    return Classifier(
        head, features, specification.batch_size, as_is, distribution, cost, footprint, extractor=extractor
    )
