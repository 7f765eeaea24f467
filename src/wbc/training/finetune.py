"""Mode `finetune`: first a head on a frozen pretrained backbone, then both together at a lower rate.

Section 3.11 of the thesis describes it as the way between transfer learning and training from scratch.
"""

import keras

from wbc.data.loading import Split as Part
from wbc.errors import InputError
from wbc.networks.build import build_backbone
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.classifier import Classifier
from wbc.training.distribution import Distribution
from wbc.training.features import as_is, extract_features
from wbc.training.fitting import Fitting, Stage
from wbc.training.head import build_head
from wbc.training.penalties import penalise_kernels
from wbc.training.session import open_session
from wbc.training.work import size_figures

HEAD, WHOLE = 0, 1
"""Numbers of the two stages."""


def train(specification: Specification, parts: dict[str, Part], observer: Observer) -> Classifier:
    """Train the head alone, then head and unfrozen layers together; see `wbc.experiment.Train`.

    Epochs are numbered through. The head sees features that are extracted once, unless training images are
    augmented: then they go through the backbone each time.

    Raises:
        InputError: The backbone has fewer layers than are to be unfrozen.
    """
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.scope():
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        head = build_head(backbone.output_shape[1:], len(parts["train"].classes), specification.dropout)
        inputs = keras.Input(backbone.input_shape[1:])
        unfreeze(backbone, specification.unfreeze, specification.freeze_batch_norm)
        model = keras.Model(inputs, head(backbone(inputs)), name="finetuned")
        figures.update(size_figures(model))

    head_epochs = specification.head_epochs
    epochs = head_epochs + specification.epochs
    prepare = preprocessing_of(specification)
    fitting = Fitting(specification, distribution, len(parts["train"]), epochs, observer)
    if head_epochs and fitting.checkpoints.stage == HEAD:
        backbone.trainable = False
        _train_head(backbone, head, parts, fitting, observer, distribution)
        unfreeze(backbone, specification.unfreeze, specification.freeze_batch_norm)
    else:
        fitting.begin()
    penalise_kernels(model, specification)
    stage = Stage(head_epochs, epochs, specification.second_optimizer, WHOLE, specification.early_stopping)
    fitting.train(stage, model, parts, prepare)
    fitting.end()
    footprint = fitting.footprint
    return Classifier(model, parts, specification.batch_size, prepare, distribution, footprint=footprint)


def _train_head(
    backbone: keras.Model,
    head: keras.Model,
    parts: dict[str, Part],
    fitting: Fitting,
    observer: Observer,
    distribution: Distribution,
) -> None:
    """The first stage."""
    specification = fitting.specification
    stage = Stage(0, specification.head_epochs, specification.optimizer, HEAD)
    penalise_kernels(head, specification)
    if specification.augmentation is None:
        features, _ = extract_features(backbone, parts, specification, observer, distribution)
        fitting.begin()
        fitting.train(stage, head, features, as_is)
        # Keras 3.3 counts the metrics of a model within a model, which would hide those of the whole.
        head.compiled = False
        return
    with distribution.scope():
        inputs = keras.Input(backbone.input_shape[1:])
        frozen = keras.Model(inputs, head(backbone(inputs, training=False)), name="frozen")
    fitting.begin()
    fitting.train(stage, frozen, parts, preprocessing_of(specification))


def unfreeze(backbone: keras.Model, count: int | str, freeze_batch_norm: bool) -> None:
    """Make the last layers of a backbone trainable, and no others.

    Args:
        backbone: The network without its top.
        count: How many of the layers that have weights, from the output; or `all`. Frozen batch
            normalisation does not count.
        freeze_batch_norm: Batch normalisation keeps its weights and statistics, and uses the latter also
            while the rest is trained: few images would spoil them.

    Raises:
        InputError: There are fewer layers.
    """
    backbone.trainable = True
    if freeze_batch_norm:
        for layer in backbone._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    candidates = [layer for layer in _layers(backbone) if layer.trainable_weights]
    if count == "all":
        return
    if count > len(candidates):
        raise InputError(
            f"unfreeze is {count}, but {backbone.name} has {len(candidates)} layers with weights to train",
            'Set a smaller number, or "all".',
        )
    for layer in candidates[:-count]:
        layer.trainable = False


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model from input to output, those of models within it one by one."""
    layers = []
    for layer in model.layers:
        layers += _layers(layer) if isinstance(layer, keras.Model) else [layer]
    return layers
