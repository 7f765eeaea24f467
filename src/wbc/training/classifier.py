"""A trained Keras model that predicts."""

from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from wbc.data.loading import Split as Part
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.observer import Observer
from wbc.specification import Specification
from wbc.training.batches import Prepare
from wbc.training.distribution import Distribution
from wbc.training.footprint import Footprint
from wbc.training.tracing import profile


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
        footprint: What training took of memory; None where an earlier attempt did all of it.
        timer: Times its predictions.
        extractor: The backbone that made what the parts hold, where the whole is to be saved; else None.
    """

    model: keras.Model
    parts: dict[str, Part]
    batch_size: int
    prepare: Prepare
    distribution: Distribution
    backbone: Cost | None = None
    footprint: Footprint | None = None
    timer: BatchTimer = field(default_factory=BatchTimer)
    extractor: keras.Model | None = None

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

    def save(self, path: Path) -> dict:
        """See `wbc.experiment.Trained`: a `.keras` file, from prepared pixels to probabilities.

        Without the state of the optimiser, which those who only predict need not carry.
        """
        with self.distribution.scope():
            if self.extractor is None:
                whole = keras.Model(self.model.inputs, self.model.outputs, name=self.model.name)
            else:
                pixels = keras.Input(self.extractor.input_shape[1:])
                whole = keras.Model(
                    pixels, self.model(self.extractor(pixels, training=False)), name="transfer"
                )
        # Keras insists on the ending, so the half-written file needs a folder of its own.
        partial = path.with_suffix(".partial")
        partial.mkdir(exist_ok=True)
        whole.save(partial / path.name)
        (partial / path.name).replace(path)
        partial.rmdir()
        return {
            "input": {"shape": [-1, *whole.input_shape[1:]], "dtype": str(whole.inputs[0].dtype)},
            "output": {"shape": [-1, *whole.output_shape[1:]], "dtype": str(whole.outputs[0].dtype)},
        }

    def profile(self, specification: Specification) -> dict:
        """See `wbc.experiment.Trained`."""
        return profile(self.model, self.parts["train"], self.prepare, self.distribution, specification)

    def memory(self) -> dict:
        """See `wbc.experiment.Trained`."""
        if self.footprint is None:
            return {"unavailable": "nothing was trained here: an earlier attempt did all of it"}
        return self.footprint.figures()


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
