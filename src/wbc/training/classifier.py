"""A trained Keras model that predicts."""

from dataclasses import dataclass, field

import keras
import numpy as np

from wbc.data.part import Part
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.observer import Observer
from wbc.training.batches import Prepare
from wbc.training.distribution import Distribution


@dataclass(frozen=True)
class Classifier:
    """A Keras model with the data that it was trained for; a `wbc.experiment.Trained`.

    Attributes:
        model: The model.
        parts: The parts in the form that `prepare` takes.
        batch_size: Images a batch of predictions.
        prepare: From a batch as it is stored to the model's input.
        distribution: The devices that share each batch.
        backbone: What it costs to come from pixels to what the parts hold; None where they hold pixels.
        timer: Times its predictions.
    """

    model: keras.Model
    parts: dict[str, Part]
    batch_size: int
    prepare: Prepare
    distribution: Distribution
    backbone: Cost | None = None
    timer: BatchTimer = field(default_factory=BatchTimer)

    def predict(self, part: str, observer: Observer) -> np.ndarray:
        """See `wbc.experiment.Trained`."""
        inputs = self.parts[part].inputs
        return predict(
            self.model, inputs, self.batch_size, self.prepare, observer, self.timer, self.distribution
        )

    def cost(self) -> Cost:
        """See `wbc.experiment.Trained`."""
        own = self.timer.cost(float32_bytes(self.model))
        return own + self.backbone if self.backbone else own


def predict(
    model: keras.Model,
    inputs: np.ndarray,
    batch_size: int,
    prepare: Prepare,
    observer: Observer,
    timer: BatchTimer,
    distribution: Distribution,
) -> np.ndarray:
    """Outputs of the model for every input, in order; where too few batches were timed, the first one again.

    Returns:
        float32 array of shape (n, ...): probabilities, or a backbone's features.
    """
    predict_batch = distribution.predictor(model)
    starts = range(0, len(inputs), batch_size)
    outputs: np.ndarray | None = None
    for done, start in enumerate(starts, start=1):
        batch = inputs[start : start + batch_size]
        with timer.batch(len(batch)):
            output = predict_batch(prepare(batch))
        if outputs is None:
            outputs = np.empty((len(inputs), *output.shape[1:]), np.float32)
        outputs[start : start + len(batch)] = output
        observer.heartbeat(done, len(starts))
    assert outputs is not None, "a part is never empty"
    while timer.wants_more:
        batch = inputs[:batch_size]
        with timer.batch(len(batch)):
            predict_batch(prepare(batch))
    return outputs


def float32_bytes(model: keras.Model) -> int:
    """Bytes of a model's weights in float32, as Keras saves them."""
    return 4 * model.count_params()
