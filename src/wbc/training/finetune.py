"""Mode `finetune`: first a head on a frozen pretrained backbone, then both together at a lower learning rate.

Section 3.11 of the thesis describes it as a middle way between transfer learning and training from scratch.
"""

from typing import Literal

import keras

from wbc.data.loading import Split
from wbc.errors import InputError
from wbc.networks.build import build_backbone
from wbc.networks.complexity import leaves, size_figures
from wbc.networks.preprocessing import preprocessing_of
from wbc.observer import Observer, phase
from wbc.specification import Specification
from wbc.training.classifier import Classifier
from wbc.training.fitting import Fitting, Stage, penalize_kernels
from wbc.training.session import Distribution, open_session
from wbc.training.transfer import as_is, build_head, extract_features

HEAD, WHOLE = 0, 1
"""Numbers of the two stages."""


def train(specification: Specification, splits: dict[str, Split], observer: Observer) -> Classifier:
    """Train the head alone, then the head and the unfrozen layers; see `wbc.experiment.Train`.

    Epochs are numbered across both stages. The head sees features that are extracted once. If training images
    are augmented, they pass through the backbone in every epoch instead.

    Raises:
        InputError: The backbone has fewer layers than are to be unfrozen.
    """
    distribution = open_session(specification)
    with phase(observer, "build") as figures, distribution.building():
        backbone = build_backbone(
            specification.network, specification.options, specification.image_size, specification.weights
        )
        head = build_head(backbone.output_shape[1:], len(splits["train"].classes), specification.dropout)
        inputs = keras.Input(backbone.input_shape[1:])
        unfreeze(backbone, specification.unfreeze, specification.freeze_batch_norm)
        model = keras.Model(inputs, head(backbone(inputs)), name="finetuned")
        figures.update(size_figures(model))

    head_epochs = specification.head_epochs
    epochs = head_epochs + specification.epochs
    prepare = preprocessing_of(specification)
    fitting = Fitting(specification, distribution, len(splits["train"]), epochs, observer)
    if head_epochs and fitting.checkpoints.stage == HEAD:
        backbone.trainable = False
        _train_head(backbone, head, splits, fitting, observer, distribution)
        unfreeze(backbone, specification.unfreeze, specification.freeze_batch_norm)
        penalize_kernels(model, specification)
    else:
        penalize_kernels(model, specification)
        # Without a head of its own to search with; the second stage takes a tenth of what is found.
        fitting.search(Stage(0, 0, specification.optimizer), model, splits, prepare)
        fitting.begin()
    stage = Stage(head_epochs, epochs, specification.second_optimizer, WHOLE, specification.early_stopping)
    fitting.train(stage, model, splits, prepare)
    fitting.end()
    return Classifier.of_pixels(model, splits, specification, distribution, fitting.footprint)


def _train_head(
    backbone: keras.Model,
    head: keras.Model,
    splits: dict[str, Split],
    fitting: Fitting,
    observer: Observer,
    distribution: Distribution,
) -> None:
    """The first stage."""
    specification = fitting.specification
    stage = Stage(0, specification.head_epochs, specification.optimizer, HEAD)
    penalize_kernels(head, specification)
    if specification.augmentation is None:
        features, _ = extract_features(backbone, splits, specification, observer, distribution)
        fitting.search(stage, head, features, as_is)
        fitting.begin()
        fitting.train(stage, head, features, as_is)
        # Keras 3.3 would count the metrics of this inner model and hide those of the whole one.
        head.compiled = False
        return
    with distribution.building():
        inputs = keras.Input(backbone.input_shape[1:])
        frozen = keras.Model(inputs, head(backbone(inputs, training=False)), name="frozen")
    fitting.search(stage, frozen, splits, preprocessing_of(specification))
    fitting.begin()
    fitting.train(stage, frozen, splits, preprocessing_of(specification))


def unfreeze(backbone: keras.Model, count: int | Literal["all"], freeze_batch_norm: bool) -> None:
    """Make the last layers of a backbone trainable, and freeze the others.

    Args:
        backbone: The network without its top.
        count: Number of layers with weights, counted from the output, or `all`. Frozen batch normalization
            does not count.
        freeze_batch_norm: Batch normalization keeps its weights and statistics, and uses the statistics
            during training. Few images would spoil them.

    Raises:
        InputError: There are fewer layers.
    """
    backbone.trainable = True
    if freeze_batch_norm:
        for layer in backbone._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    candidates = [layer for layer in leaves(backbone) if layer.trainable_weights]
    if count == "all":
        return
    if count > len(candidates):
        raise InputError(
            f"unfreeze is {count}, but {backbone.name} has {len(candidates)} layers with weights to train",
            'Set a smaller number, or "all".',
        )
    for layer in candidates[:-count]:
        layer.trainable = False
