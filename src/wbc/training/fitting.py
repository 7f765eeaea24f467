"""Fit a classifier and predict with it: what all modes share."""

from dataclasses import dataclass, field

import keras
import numpy as np

from wbc.data.part import Part
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.observer import Observer
from wbc.specification import Specification
from wbc.training.batches import OrderedBatches, Prepare, steps_per_epoch, training_batches
from wbc.training.checkpoint import Checkpoints
from wbc.training.metrics import metrics_of
from wbc.training.optimizers import build_optimizer
from wbc.training.reporting import ReportingCallback


@dataclass(frozen=True)
class Classifier:
    """A Keras model with the data that it was trained for; a `wbc.experiment.Trained`.

    Attributes:
        model: The model.
        parts: The parts in the form that `prepare` takes.
        batch_size: Images a batch of predictions.
        prepare: From a batch as it is stored to the model's input.
        backbone: What it costs to come from pixels to what the parts hold; None where they hold pixels.
        timer: Times its predictions.
    """

    model: keras.Model
    parts: dict[str, Part]
    batch_size: int
    prepare: Prepare
    backbone: Cost | None = None
    timer: BatchTimer = field(default_factory=BatchTimer)

    def predict(self, part: str, observer: Observer) -> np.ndarray:
        """See `wbc.experiment.Trained`."""
        return predict(
            self.model, self.parts[part].inputs, self.batch_size, self.prepare, observer, self.timer
        )

    def cost(self) -> Cost:
        """See `wbc.experiment.Trained`."""
        own = self.timer.cost(float32_bytes(self.model))
        return own + self.backbone if self.backbone else own


def fit(
    model: keras.Model,
    parts: dict[str, Part],
    specification: Specification,
    prepare: Prepare,
    observer: Observer,
) -> None:
    """Compile and train a classifier; the phases `compile` and `train`.

    Loss and metrics as specified; training images in an order of `seed` and epoch, validation after every
    epoch. `compile` takes the trace of the validation step as well as the first training step.
    Training goes on from the checkpoint of an earlier attempt where there is one.

    Raises:
        TrainingDivergedError: The loss is no longer a number.
    """
    train, validation = parts["train"], parts["validation"]
    batch_size, epochs = specification.batch_size, specification.epochs
    observer.phase_started("compile")
    model.compile(
        optimizer=build_optimizer(specification.optimizer),
        loss=specification.loss,
        metrics=metrics_of(specification),
    )
    checkpoints = Checkpoints(specification, observer)
    before = checkpoints.restore(model)
    done = before["epoch"] if before else 0
    if before and before["finished"]:
        epochs = done
    validation_batches = OrderedBatches(validation.inputs, validation.targets, batch_size, prepare)
    reporting = ReportingCallback(observer, len(train.inputs), batch_size, epochs - done)
    writing = checkpoints.callback()
    if done < epochs:
        model.evaluate(validation_batches.first(), verbose=0)
        model.fit(
            training_batches(train.inputs, train.targets, batch_size, specification.seed, prepare, done),
            steps_per_epoch=steps_per_epoch(len(train.inputs), batch_size),
            initial_epoch=done,
            epochs=epochs,
            validation_data=validation_batches,
            callbacks=[callback for callback in (reporting, writing) if callback],
            verbose=0,
        )
    else:
        reporting.on_train_end()
    checkpoint_s = writing.seconds if writing else 0.0
    observer.phase_ended("train", **reporting.figures(), checkpoint_s=checkpoint_s)


def predict(
    model: keras.Model,
    inputs: np.ndarray,
    batch_size: int,
    prepare: Prepare,
    observer: Observer,
    timer: BatchTimer,
) -> np.ndarray:
    """Outputs of the model for every input, in order; where too few batches were timed, the first one again.

    Returns:
        float32 array of shape (n, ...): probabilities, or a backbone's features.
    """
    starts = range(0, len(inputs), batch_size)
    outputs: np.ndarray | None = None
    for done, start in enumerate(starts, start=1):
        batch = inputs[start : start + batch_size]
        with timer.batch(len(batch)):
            output = np.asarray(model.predict_on_batch(prepare(batch)))
        if outputs is None:
            outputs = np.empty((len(inputs), *output.shape[1:]), np.float32)
        outputs[start : start + len(batch)] = output
        observer.heartbeat(done, len(starts))
    assert outputs is not None, "a part is never empty"
    while timer.wants_more:
        batch = inputs[:batch_size]
        with timer.batch(len(batch)):
            np.asarray(model.predict_on_batch(prepare(batch)))
    return outputs


def float32_bytes(model: keras.Model) -> int:
    """Bytes of a model's weights in float32, as Keras saves them."""
    return 4 * model.count_params()
