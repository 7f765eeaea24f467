"""Steps of training under TensorFlow's profiler, on a model that is needed no more.

The profiler shows steps only where they are marked as such, and Keras' callback does not mark them; so these
go through a loop of our own, over the same function that Keras trains with, and the same queue of batches.
"""

import keras
import numpy as np

from wbc.data.loading import Split as Part
from wbc.profiling.kinds import kind_of_layer
from wbc.profiling.summary import STEP, summarise
from wbc.profiling.xspace import read_trace
from wbc.specification import Specification
from wbc.training.augmentation import Augmenter
from wbc.training.batches import Prepare, training_batches
from wbc.training.distribution import Distribution, dataset_of

WARM_UP = 3
"""Steps before the traced ones: a queue of batches fills, and what must be traced anew is."""

_TRACE = "*.xplane.pb"


def profile(
    model: keras.Model,
    part: Part,
    prepare: Prepare,
    distribution: Distribution,
    specification: Specification,
) -> dict:
    """Train some more steps and trace them; see `wbc.experiment.Trained`.

    Whatever goes wrong is a reason: everything else of the experiment is done.
    """
    if specification.backend != "tensorflow":
        return {"unavailable": f"only TensorFlow's steps are traced, not those of {specification.backend}"}
    try:
        return _profile(model, part, prepare, distribution, specification)
    except Exception as error:
        return {"unavailable": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def _profile(
    model: keras.Model,
    part: Part,
    prepare: Prepare,
    distribution: Distribution,
    specification: Specification,
) -> dict:
    import tensorflow as tf

    settings = specification.profile
    augmentation, seed = specification.augmentation, specification.seed
    augment = Augmenter(augmentation, seed) if augmentation else None
    batches = dataset_of(
        lambda: training_batches(
            part.inputs,
            part.targets,
            specification.batch_size,
            seed,
            prepare,
            replicas=distribution.replicas,
            augment=augment,
        )
    )
    if distribution.strategy is not None:
        batches = distribution.strategy.experimental_distribute_dataset(batches)
    iterator = iter(batches)
    with distribution.scope():
        model.make_train_function()
        for _ in range(WARM_UP):
            _finish(model.train_function(iterator))
        tf.profiler.experimental.start(str(settings.folder))
        try:
            for step in range(settings.steps):
                with tf.profiler.experimental.Trace(STEP, step_num=step, _r=1):
                    logs = model.train_function(iterator)
                    if step == settings.steps - 1:
                        _finish(logs)  # what the device has not done yet belongs to the window
        finally:
            tf.profiler.experimental.stop()
    (path,) = settings.folder.rglob(_TRACE)
    layers = {layer.name: kind_of_layer(type(layer).__name__) for layer in _layers(model)}
    layers = {name: kind for name, kind in layers.items() if kind}
    summary = summarise(read_trace(path), layers, model.optimizer.name)
    return {**summary, "trace": str(path.relative_to(settings.folder.parent))}


def _finish(logs: dict) -> None:
    """Wait until a step is done on the device: its metrics come to the host."""
    for value in logs.values():
        np.asarray(value)


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers, those of models within it too."""
    return list(model._flatten_layers(include_self=False))
