"""A trained Keras model that predicts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.data.loading import Empty, Split
from wbc.errors import InputError
from wbc.evaluation.cost import BatchTimer, Cost
from wbc.evaluation.latency import BATCHES
from wbc.files import sync
from wbc.memory import Footprint
from wbc.networks.penultimate import features_and_outputs
from wbc.networks.preprocessing import preprocessing_of
from wbc.networks.stock import raw_pixel_model
from wbc.observer import RAW, Figures, Observer
from wbc.specification import Explaining, Exporting, Specification
from wbc.training.batches import InputBatches, Prepare, steps_per_epoch
from wbc.training.explain import explain
from wbc.training.export import Images, export
from wbc.training.session import Distribution
from wbc.training.tracing import profile

TIMED = 21
"""Batches of a split that are timed one by one on a device that works on its own; the first one compiles."""

HELD_BYTES = 256 << 20
"""Outputs that may wait on the device until they are fetched."""


@dataclass(frozen=True)
class Classifier:
    """A Keras model with the data that it was trained for; a `wbc.observer.Trained`."""

    model: keras.Model
    """The model."""
    splits: dict[str, Split]
    """The splits, in the form that `prepare` takes."""
    batch_size: int
    """Images per batch of predictions."""
    prepare: Prepare
    """From a batch as it is stored to the model's input."""
    distribution: Distribution
    """The devices that share each batch."""
    backbone: Cost | None = None
    """The cost of making the features that the splits hold; None if they hold pixels."""
    footprint: Footprint | None = None
    """The memory of training; None if an earlier attempt did all of it."""
    timer: BatchTimer = field(default_factory=BatchTimer)
    """Times the predictions."""
    extractor: keras.Model | None = None
    """The backbone that made the features, if the whole model is to be saved."""
    scale: Prepare | None = None
    """From pixels to the input of the whole model; None: `prepare`."""
    examples: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 0, 3), np.uint8))
    """See `wbc.observer.Trained`."""

    @classmethod
    def of_pixels(
        cls,
        model: keras.Model,
        splits: dict[str, Split],
        specification: Specification,
        distribution: Distribution,
        footprint: Footprint | None,
    ) -> "Classifier":
        """A model that takes the pixels themselves, scaled as the specification says."""
        return cls(
            model,
            splits,
            specification.batch_size,
            preprocessing_of(specification),
            distribution,
            footprint=footprint,
            examples=examples_of(splits, specification),
        )

    def predict(self, split: str, observer: Observer) -> NDArray[np.float32]:
        """See `wbc.observer.Trained`."""
        inputs = self.splits[split].inputs
        return predict(
            self.model, inputs, self.batch_size, self.prepare, observer, self.timer, self.distribution
        )

    def answer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `wbc.observer.Trained`."""
        return self._answer(images)

    @cached_property
    def _answer(self) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        last = self.distribution.exact_predictor(self.model)
        if self.extractor is None:
            return lambda images: last(self.prepare(images))
        first, scale = self.distribution.exact_predictor(self.extractor), self.scale or self.prepare
        return lambda images: last(first(scale(images)))

    def cost(self) -> Cost:
        """See `wbc.observer.Trained`."""
        own = self.timer.cost(float32_bytes(self.model))
        return own + self.backbone if self.backbone else own

    def save(self, path: Path, fit: str) -> Figures:
        """See `wbc.observer.Trained`: a `.keras` file, from uint8 images of any size to probabilities.

        It does not include the state of the optimizer, which predictions do not need. Where no layers compute
        the user's own scaling, it takes scaled pixels, and `takes` says why.
        """
        with self.distribution.scope():
            whole = self._whole()
            takes = RAW
            try:
                whole = raw_pixel_model(whole, self.scale or self.prepare, int(whole.input_shape[1]), fit)
            except InputError as error:
                takes = f"scaled pixels: {error.what}"
        # Keras requires the suffix of the file, so the incomplete file needs a folder of its own.
        partial = path.with_suffix(".partial")
        partial.mkdir(exist_ok=True)
        whole.save(partial / path.name)
        sync(partial / path.name)
        (partial / path.name).replace(path)
        sync(path.parent)
        partial.rmdir()
        return {
            "input": {
                "shape": [-1 if side is None else side for side in whole.input_shape],
                "dtype": str(whole.inputs[0].dtype),
            },
            "takes": takes,
            "output": {"shape": [-1, *whole.output_shape[1:]], "dtype": str(whole.outputs[0].dtype)},
        }

    def _whole(self) -> keras.Model:
        """From scaled pixels to probabilities."""
        if self.extractor is None:
            return keras.Model(self.model.inputs, self.model.outputs, name=self.model.name)
        pixels = keras.Input(self.extractor.input_shape[1:])
        return keras.Model(pixels, self.model(self.extractor(pixels, training=False)), name="transfer")

    def export(
        self,
        settings: Exporting,
        calibration: NDArray[np.uint8],
        test: NDArray[np.uint8],
        labels: NDArray[np.int64],
    ) -> Figures:
        """See `wbc.observer.Trained`."""
        with self.distribution.scope():
            whole = self._whole()
            side = int(whole.input_shape[1])
            whole = raw_pixel_model(whole, self.scale or self.prepare, side, any_size=False)
            return export(whole, settings, Images(calibration, test, labels))

    def last_features(self, split: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """See `wbc.observer.Trained`."""
        inputs = self.splits[split].inputs
        batches = [rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size)]
        with self.distribution.scope():
            return np.concatenate(
                [features_and_outputs(self.model, self.prepare(inputs[batch]))[0] for batch in batches]
            )

    def explain(
        self, settings: Explaining, pixels: NDArray[np.uint8], files: list[str], predicted: list[int]
    ) -> Figures:
        """See `wbc.observer.Trained`."""
        chain = (self.model,) if self.extractor is None else (self.extractor, self.model)
        return explain(chain, self.scale or self.prepare, settings, pixels, files, predicted)

    def profile(self, specification: Specification) -> Figures:
        """See `wbc.observer.Trained`."""
        return profile(self.model, self.splits["train"], self.prepare, self.distribution, specification)

    def memory(self) -> Figures:
        """See `wbc.observer.Trained`."""
        if self.footprint is None:
            return {"unavailable": "nothing was trained here: an earlier attempt did all of it"}
        return self.footprint.figures()


def examples_of(splits: dict[str, Split], specification: Specification) -> NDArray[np.uint8]:
    """Test images to ask a classifier for, as many as the largest batch; none where nobody asks."""
    count = max(BATCHES) if specification.latency else 0
    examples: NDArray[np.uint8] = splits["test"].inputs[:count].copy()
    return examples


def predict(
    model: keras.Model,
    inputs: NDArray[Any],
    batch_size: int,
    prepare: Prepare,
    observer: Observer,
    timer: BatchTimer,
    distribution: Distribution,
    empty: Empty = np.empty,
) -> NDArray[np.float32]:
    """Outputs of the model for every input, in order.

    If too few batches were timed, the first one is predicted again. Where the device works on its own, only the
    first `TIMED` batches are waited for one by one: it would stand still after each.

    Returns:
        Probabilities or features; shape (images, ...).
    """
    predict_batch = distribution.predictor(model)
    total = steps_per_epoch(len(inputs), batch_size)
    one_by_one = TIMED if distribution.ahead else total
    outputs: NDArray[np.float32] | None = None
    for done, start in enumerate(range(0, len(inputs), batch_size)[:one_by_one], start=1):
        batch = inputs[start : start + batch_size]
        with timer.batch(len(batch)):
            output = predict_batch(prepare(batch))
        if outputs is None:
            outputs = empty((len(inputs), *output.shape[1:]), np.float32)
        outputs[start : start + len(batch)] = output
        observer.heartbeat(done, total)
        observer.pause()
    assert outputs is not None, "a split is never empty"
    while timer.wants_more:
        batch = inputs[:batch_size]
        with timer.batch(len(batch)):
            predict_batch(prepare(batch))
    at_once = batch_size * max(1, HELD_BYTES // (batch_size * outputs[0].nbytes))
    for start in range(one_by_one * batch_size, len(inputs), at_once):
        part, done = inputs[start : start + at_once], start // batch_size

        def told(batch: int, done: int = done) -> None:
            observer.heartbeat(done + batch, total)

        # Padded as before: a batch of another size would be compiled anew.
        batches = InputBatches(part, batch_size, prepare, batch_size, told)
        outputs[start : start + len(part)] = model.predict(batches, verbose=0)[: len(part)]
    return outputs


def float32_bytes(model: keras.Model) -> int:
    """Bytes of a model's weights in float32, as Keras saves them."""
    return 4 * int(model.count_params())
