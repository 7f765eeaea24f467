"""Fit a classifier and predict with it: what all modes share."""

from dataclasses import dataclass

import keras
import numpy as np

from wbc.observer import Observer
from wbc.specification import Specification
from wbc.training.batches import OrderedBatches, Prepare, steps_per_epoch, training_batches
from wbc.training.optimizers import build_optimizer
from wbc.training.reporting import ReportingCallback


@dataclass(frozen=True)
class Part:
    """One part of the data as arrays: inputs of shape (n, ...) and one-hot targets of shape (n, classes)."""

    inputs: np.ndarray
    targets: np.ndarray

    def batches(self, batch_size: int, prepare: Prepare) -> OrderedBatches:
        """The part in file order."""
        return OrderedBatches(self.inputs, self.targets, batch_size, prepare)


def fit(
    model: keras.Model,
    train: Part,
    validation: Part,
    specification: Specification,
    prepare: Prepare,
    observer: Observer,
) -> None:
    """Compile and train a classifier; the phases `compile` and `train`.

    Categorical cross-entropy and accuracy; training images in an order of `seed` and epoch, validation
    after every epoch. `compile` takes the trace of the validation step as well as the first training step.

    Raises:
        TrainingDivergedError: The loss is no longer a number.
    """
    batch_size, epochs = specification.batch_size, specification.epochs
    observer.phase_started("compile")
    model.compile(
        optimizer=build_optimizer(specification.optimizer),
        loss="categorical_crossentropy",
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    validation_batches = validation.batches(batch_size, prepare)
    model.evaluate(validation_batches.first(), verbose=0)
    reporting = ReportingCallback(observer, len(train.inputs), batch_size, epochs)
    model.fit(
        training_batches(train.inputs, train.targets, batch_size, specification.seed, prepare),
        steps_per_epoch=steps_per_epoch(len(train.inputs), batch_size),
        epochs=epochs,
        validation_data=validation_batches,
        callbacks=[reporting],
        verbose=0,
    )
    observer.phase_ended("train", **reporting.figures())


def predict(
    model: keras.Model, part: Part, batch_size: int, prepare: Prepare, observer: Observer
) -> np.ndarray:
    """Outputs of the model for every image of a part, in file order.

    Returns:
        float32 array of shape (n, ...): probabilities, or a backbone's features.
    """
    batches = part.batches(batch_size, prepare)
    outputs: np.ndarray | None = None
    for index in range(len(batches)):
        inputs, _ = batches[index]
        output = np.asarray(model.predict_on_batch(inputs))
        if outputs is None:
            outputs = np.empty((len(part.inputs), *output.shape[1:]), np.float32)
        outputs[index * batch_size : index * batch_size + len(output)] = output
        observer.heartbeat(index + 1, len(batches))
    assert outputs is not None, "a part is never empty"
    return outputs
