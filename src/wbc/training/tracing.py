"""Training steps under TensorFlow's profiler, on a model that is not needed afterwards.

The profiler shows steps only if they are marked, and the callback of Keras does not mark them. So this module
has a loop of its own, which calls the training function of Keras with the same queue of batches.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from wbc.backends import has_gpu
from wbc.data.loading import Split
from wbc.errors import reason_of
from wbc.observer import Figures
from wbc.profiling.kinds import kind_of_layer
from wbc.profiling.summary import STEP, summarize
from wbc.profiling.xspace import read_trace
from wbc.specification import Profiling, Specification
from wbc.training.augmentation import Augmenter
from wbc.training.batches import Prepare, training_batches
from wbc.training.session import Distribution, compiles_shapes, dataset_of

WARM_UP = 3
"""Steps before the traced ones. They fill the queue of batches, and trace functions again if necessary."""

_TRACE = "*.xplane.pb"


def profile(
    model: keras.Model,
    split: Split,
    prepare: Prepare,
    distribution: Distribution,
    specification: Specification,
) -> Figures:
    """Train more steps and trace them; see `wbc.observer.Trained`.

    A failure becomes a reason, because the experiment itself is already done.
    """
    if specification.profile is None:
        return {"unavailable": "no steps were to be traced"}
    if specification.backend != "tensorflow":
        return {"unavailable": f"only steps of TensorFlow are traced, not those of {specification.backend}"}
    try:
        return _profile(model, split, prepare, distribution, specification, specification.profile)
    except Exception as error:
        return {"unavailable": reason_of(error)}


def _profile(
    model: keras.Model,
    split: Split,
    prepare: Prepare,
    distribution: Distribution,
    specification: Specification,
    settings: Profiling,
) -> Figures:
    import tensorflow as tf

    augmentation, seed = specification.augmentation, specification.seed
    augment = Augmenter(augmentation, seed) if augmentation else None
    batches = dataset_of(
        lambda: training_batches(
            split.inputs,
            split.targets,
            specification.batch_size,
            seed,
            prepare,
            replicas=distribution.replicas,
            augment=augment,
            fill=compiles_shapes(model),
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
                        _finish(logs)  # pending work of the device belongs to the traced steps
        finally:
            tf.profiler.experimental.stop()
    (path,) = settings.folder.rglob(_TRACE)
    kinds = {
        layer.name: kind_of_layer(type(layer).__name__) for layer in model._flatten_layers(include_self=False)
    }
    layers = {name: kind for name, kind in kinds.items() if kind}
    summary = summarize(read_trace(path), layers, model.optimizer.name, has_gpu("tensorflow"))
    return {**summary, "trace": str(path.relative_to(settings.folder.parent))}


def _finish(logs: Mapping[str, Any]) -> None:
    """Wait until a step is done on the device, which is when its metrics are on the host."""
    for value in logs.values():
        np.asarray(value)
