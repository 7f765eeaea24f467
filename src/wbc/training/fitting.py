"""Compile and train: what all modes share."""

from dataclasses import dataclass

import keras

from wbc.data.loading import Split as Part
from wbc.observer import Observer
from wbc.optimizer import OptimizerSpecification
from wbc.regularization import EarlyStopping
from wbc.specification import Specification
from wbc.training.augmentation import Augmenter
from wbc.training.batches import OrderedBatches, Prepare, steps_per_epoch, training_batches
from wbc.training.blocks import steps_a_piece
from wbc.training.checkpoint import Checkpoints
from wbc.training.dispatch import can_wait, dispatch_figures, runs_ahead, wait_for_device
from wbc.training.distribution import Distribution
from wbc.training.early_stopping import EarlyStoppingCallback
from wbc.training.footprint import Footprint
from wbc.training.metrics import metrics_of
from wbc.training.optimizers import build_optimizer
from wbc.training.reporting import ReportingCallback
from wbc.training.waits import InputClock


@dataclass(frozen=True)
class Stage:
    """A stretch of training with an optimiser of its own.

    Attributes:
        first_epoch: Epochs done before it.
        last_epoch: Epochs done after it.
        optimizer: The optimiser and its rate.
        number: 0 for the first stage.
        early_stopping: When to stop before the last epoch; None: never.
    """

    first_epoch: int
    last_epoch: int
    optimizer: OptimizerSpecification
    number: int = 0
    early_stopping: EarlyStopping | None = None


class Fitting:
    """Training in one stage or more; the phases `compile` and `train`, once each.

    `compile` takes the trace of the validation step as well as the first training step; the traces of later
    stages are seconds within `train`. Training goes on from the checkpoint of an earlier attempt where there
    is one.

    Args:
        specification: The experiment.
        distribution: The devices that share each batch; the model was built in its scope.
        images: Number of training images.
        epochs: Of all stages together.
        observer: Is told what happens.
        beside: A model that is in memory without being trained, such as a frozen backbone.

    Attributes:
        footprint: Memory of the last stage that was trained here.
    """

    def __init__(
        self,
        specification: Specification,
        distribution: Distribution,
        images: int,
        epochs: int,
        observer: Observer,
        beside: keras.Model | None = None,
    ):
        self.specification, self.distribution, self.observer = specification, distribution, observer
        self.checkpoints = Checkpoints(specification, observer)
        remaining = epochs - self.checkpoints.epoch
        self.reporting = ReportingCallback(observer, images, specification.batch_size, remaining)
        self.checkpoint_s = 0.0
        self.stopping: EarlyStoppingCallback | None = None
        self.footprint: Footprint | None = None
        self._beside = beside

    def begin(self) -> None:
        """Report the beginning of the first stage."""
        self.observer.phase_started("compile")

    def train(self, stage: Stage, model: keras.Model, parts: dict[str, Part], prepare: Prepare) -> None:
        """Compile and train a model in one stage: all of its epochs that are not done yet.

        Loss and metrics as specified; training images come in an order of `seed` and epoch; validation
        follows every epoch.

        Raises:
            TrainingDivergedError: The loss is no longer a number.
        """
        self.reporting.begin_stage(stage.number)
        self.stopping = EarlyStoppingCallback(stage.early_stopping) if stage.early_stopping else None
        companions = [self.stopping] if self.stopping else []
        with self.distribution.scope():
            self._compile(model, stage)
            before = self.checkpoints.restore(model, stage.number, companions)
        done = before["epoch"] if before else stage.first_epoch
        if done < stage.last_epoch and not (before and before["finished"]):
            writing = self.checkpoints.callback(stage.number, companions)
            images = min(self.specification.batch_size, len(parts["train"]))
            self.footprint = Footprint(model, images, self.distribution.replicas, self._beside)
            watching = [self.reporting, self.footprint.callback()]
            callbacks = [*watching, *companions, *([writing] if writing else [])]
            self._fit(model, parts, prepare, done, stage.last_epoch, callbacks)
            self.checkpoint_s += writing.seconds if writing else 0.0
            self.reporting.end_stage()
        if self.stopping:
            with self.distribution.scope():
                self.stopping.restore_best(model)

    def _fit(
        self,
        model: keras.Model,
        parts: dict[str, Part],
        prepare: Prepare,
        done: int,
        last_epoch: int,
        callbacks: list[keras.callbacks.Callback],
    ) -> None:
        train, validation = parts["train"], parts["validation"]
        batch_size, replicas = self.specification.batch_size, self.distribution.replicas
        seed, augmentation = self.specification.seed, self.specification.augmentation
        augment = Augmenter(augmentation, seed) if augmentation else None
        waits = self._time(model, steps_per_epoch(len(train), batch_size), last_epoch - done, callbacks)
        validation_batches = OrderedBatches(
            validation.inputs, validation.targets, batch_size, prepare, replicas
        )
        model.evaluate(validation_batches.first(), verbose=0)
        inputs, targets = train.inputs, train.targets
        model.fit(
            self.distribution.feed(
                lambda: waits.watch(
                    training_batches(inputs, targets, batch_size, seed, prepare, done, replicas, augment)
                )
            ),
            steps_per_epoch=steps_per_epoch(len(inputs), batch_size),
            initial_epoch=done,
            epochs=last_epoch,
            validation_data=validation_batches,
            callbacks=callbacks,
            verbose=0,
        )

    def end(self) -> None:
        """Report the end of training, also where everything was done before."""
        self.reporting.end()
        figures = self.reporting.figures(self.checkpoint_s)
        self.observer.phase_ended("train", **figures, **(self.stopping.figures() if self.stopping else {}))

    def _compile(self, model: keras.Model, stage: Stage) -> None:
        # Where batches are filled up, metrics must know which images count.
        weighing = "weighted_metrics" if self.distribution.replicas > 1 else "metrics"
        model.compile(
            optimizer=build_optimizer(stage.optimizer),
            loss=self.specification.loss,
            jit_compile=self.specification.jit_compile,
            **{weighing: metrics_of(self.specification)},
        )
        self.reporting.compile_figures = dispatch_figures(model, [self.reporting])

    def _time(
        self, model: keras.Model, steps: int, epochs: int, callbacks: list[keras.callbacks.Callback]
    ) -> InputClock:
        """Prepare for timing the steps of a stage."""
        self.reporting.compile_figures = dispatch_figures(model, callbacks)
        waits, ahead = InputClock(), runs_ahead()
        self.reporting.timer.stage_begins(
            waits,
            steps_a_piece(steps, epochs, synchronous=not ahead, divisible=can_wait()),
            wait_for_device if ahead and can_wait() else None,
        )
        return waits


def fit(
    model: keras.Model,
    parts: dict[str, Part],
    specification: Specification,
    prepare: Prepare,
    observer: Observer,
    distribution: Distribution,
    beside: keras.Model | None = None,
) -> Footprint | None:
    """Train a classifier in a single stage.

    Returns:
        The memory that it took; None where an earlier attempt did all of it.

    Raises:
        TrainingDivergedError: The loss is no longer a number.
    """
    epochs = specification.epochs
    fitting = Fitting(specification, distribution, len(parts["train"]), epochs, observer, beside)
    fitting.begin()
    stage = Stage(0, epochs, specification.optimizer, early_stopping=specification.early_stopping)
    fitting.train(stage, model, parts, prepare)
    fitting.end()
    return fitting.footprint
