"""Compile and train a model: what all modes share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import keras

from wbc.backends import can_wait, runs_ahead, wait_for_device
from wbc.data.loading import Split
from wbc.errors import TrainingDivergedError
from wbc.memory import Footprint
from wbc.observer import Figures, Observer, phase
from wbc.optimizer import SEARCH, OptimizerSpecification
from wbc.specification import EarlyStopping, Specification
from wbc.training.augmentation import Augmenter
from wbc.training.batches import OrderedBatches, Prepare, class_weights, steps_per_epoch, training_batches
from wbc.training.callbacks import EarlyStoppingCallback, ReportingCallback
from wbc.training.checkpoint import Checkpoints
from wbc.training.compiled import Arrays, CompiledEpochs
from wbc.training.rate_search import LOWEST, STEPS, RangeTest, best_rate
from wbc.training.rmsprop import Keras2RMSprop
from wbc.training.session import Batch, Distribution, compiles_shapes
from wbc.training.timing import steps_a_piece
from wbc.training.waits import InputClock, NothingWaits


@dataclass(frozen=True)
class Stage:
    """A range of epochs with an optimizer of its own."""

    first_epoch: int
    """Number of epochs done before it."""
    last_epoch: int
    """Number of epochs done after it."""
    optimizer: OptimizerSpecification
    """The optimizer and its learning rate."""
    number: int = 0
    """0 for the first stage."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; None: never."""


class Fitting:
    """Training in one or more stages; the phases `compile` and `train`, once each.

    `compile` includes the tracing of the validation step and the first training step. The tracing of later
    stages counts within `train`. Training resumes from the checkpoint of an earlier attempt, if there is one.

    Args:
        specification: The experiment.
        distribution: The devices that share each batch. The model must be built in its scope.
        images: Number of training images.
        epochs: Number of epochs of all stages together.
        observer: Receives the reports.
        beside: A model that is in memory without being trained, such as a frozen backbone.
    """

    def __init__(
        self,
        specification: Specification,
        distribution: Distribution,
        images: int,
        epochs: int,
        observer: Observer,
        beside: keras.Model | None = None,
    ) -> None:
        self.specification, self.distribution, self.observer = specification, distribution, observer
        self.checkpoints = Checkpoints(specification, observer)
        remaining = epochs - self.checkpoints.epoch
        steps = steps_per_epoch(images, specification.batch_size)
        self.stride = next(n for n in range(specification.steps_per_execution, 0, -1) if steps % n == 0)
        """Steps of training in one call. Keras would go on into the next epoch if it did not divide the steps."""
        self.reporting = ReportingCallback(
            observer, images, specification.batch_size, remaining, stride=self.stride
        )
        self.checkpoint_s = self.checkpoint_cpu_s = 0.0
        """Seconds that checkpoints took, by the wall and of the processor."""
        self.stopping: EarlyStoppingCallback | None = None
        """The early stopping of the current stage."""
        self.footprint: Footprint | None = None
        """Memory of the last stage that this process trained."""
        self.learning_rate: float | None = None
        """The one that `search` found."""
        self._beside = beside

    def search(self, stage: Stage, model: keras.Model, splits: dict[str, Split], prepare: Prepare) -> None:
        """The phase `search`, if the optimizer of the first stage asks for it. It leaves the model as it was.

        Training that resumes takes the rate that the earlier attempt found.

        Raises:
            TrainingDivergedError: The loss of no step is a finite number.
        """
        if stage.optimizer.learning_rate != SEARCH:
            return
        if self.checkpoints.found:
            self.learning_rate = self.checkpoints.found.learning_rate
            return
        with phase(self.observer, "search") as figures, self.distribution.scope():
            before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
            constant = replace(stage.optimizer, learning_rate=LOWEST, decay=0.0)
            self._compile(model, replace(stage, optimizer=constant), stride=1)
            test = RangeTest()
            batches = self._batches(model, splits["train"], prepare)
            model.fit(self.distribution.feed(batches), steps_per_epoch=STEPS, callbacks=[test], verbose=0)
            for variable, array in zip(model.variables, before, strict=True):
                variable.assign(array)
            if not test.curve:
                raise TrainingDivergedError("the loss is no finite number at any learning rate")
            self.learning_rate = best_rate(test.curve)
            figures.update(
                learning_rate=self.learning_rate,
                steps=len(test.curve),
                curve=[[float(f"{one:.5g}") for one in point] for point in test.curve],
            )

    def begin(self) -> None:
        """Report the start of the first stage."""
        self.observer.phase_started("compile")

    def train(self, stage: Stage, model: keras.Model, splits: dict[str, Split], prepare: Prepare) -> None:
        """Compile a model and train the epochs of a stage that are not done yet.

        Loss and metrics are as specified. The order of the training images depends on `seed` and epoch. Every
        epoch ends with validation.

        Raises:
            TrainingDivergedError: The loss is no longer a finite number.
        """
        self.reporting.begin_stage(stage.number)
        self.stopping = EarlyStoppingCallback(stage.early_stopping) if stage.early_stopping else None
        companions = [self.stopping] if self.stopping else []
        with self.distribution.scope():
            self._compile(model, stage, self.stride)
            before = self.checkpoints.restore(model, stage.number, companions)
        done = before.epoch if before else stage.first_epoch
        if done < stage.last_epoch and not (before and before.finished):
            writing = self.checkpoints.callback(stage.number, companions, self.learning_rate)
            images = min(self.specification.batch_size, len(splits["train"]))
            self.footprint = Footprint(model, images, self.distribution.replicas, self._beside)
            observing = [self.reporting, self.footprint.callback()]
            callbacks = [*observing, *companions, *([writing] if writing else [])]
            self._fit(model, splits, prepare, done, stage.last_epoch, callbacks)
            if writing:
                self.checkpoint_s += writing.seconds
                self.checkpoint_cpu_s += writing.cpu_s
            self.reporting.end_stage()
        if self.stopping:
            with self.distribution.scope():
                self.stopping.restore_best(model)

    def _fit(
        self,
        model: keras.Model,
        splits: dict[str, Split],
        prepare: Prepare,
        done: int,
        last_epoch: int,
        callbacks: list[keras.callbacks.Callback],
    ) -> None:
        train, validation = splits["train"], splits["validation"]
        batch_size, replicas = self.specification.batch_size, self.distribution.replicas
        self.reporting.compile_figures = _dispatch_figures(model, callbacks)
        if self.specification.loop == "compiled":
            self._fit_compiled(model, splits, done, last_epoch, callbacks)
            return
        steps = steps_per_epoch(len(train), batch_size)
        waits = self._time_steps(steps, last_epoch - done)
        fill = compiles_shapes(model)
        validation_batches = OrderedBatches(
            validation.inputs, validation.targets, batch_size, prepare, replicas, fill
        )
        model.evaluate(validation_batches.first(), verbose=0)
        batches = self._batches(model, train, prepare, done)
        model.fit(
            self.distribution.feed(lambda: waits.watch(batches())),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=last_epoch,
            validation_data=validation_batches,
            callbacks=callbacks,
            verbose=0,
        )

    def _fit_compiled(
        self,
        model: keras.Model,
        splits: dict[str, Split],
        done: int,
        last_epoch: int,
        callbacks: list[keras.callbacks.Callback],
    ) -> None:
        """Train over arrays on the device. Nothing waits for batches, and the host waits for every piece."""
        specification, train, validation = self.specification, splits["train"], splits["validation"]
        steps = steps_per_epoch(len(train), specification.batch_size)
        piece = steps_a_piece(steps, last_epoch - done, synchronous=False)
        self.reporting.timer.stage_begins(NothingWaits(), piece)
        arrays: Arrays = (train.inputs, train.targets)
        if specification.class_weight:
            of_classes = class_weights(specification.class_weight, train.targets, train.classes)
            arrays = (*arrays, train.targets @ of_classes)
        epochs = CompiledEpochs(
            model,
            arrays,
            (validation.inputs, validation.targets),
            specification.batch_size,
            specification.seed,
            jit=specification.jit_compile is not False,
        )
        figures = self.reporting.compile_figures
        self.reporting.compile_figures = {**figures, "jit_compile": epochs.jit, "steps_per_execution": piece}
        epochs.evaluate()
        epochs.fit(done, last_epoch, piece, callbacks)

    def _batches(
        self, model: keras.Model, train: Split, prepare: Prepare, done: int = 0
    ) -> Callable[[], Iterator[Batch]]:
        """Starts a generator of training batches after some epochs."""
        specification = self.specification
        inputs, targets, asked = train.inputs, train.targets, specification.class_weight
        weights = class_weights(asked, targets, train.classes) if asked else None
        augmentation = specification.augmentation
        augment = Augmenter(augmentation, specification.seed) if augmentation else None
        fill, replicas = compiles_shapes(model), self.distribution.replicas
        return lambda: training_batches(
            inputs,
            targets,
            specification.batch_size,
            specification.seed,
            prepare,
            done,
            replicas,
            augment,
            fill,
            weights,
        )

    def end(self) -> None:
        """Report the end of training, even if an earlier attempt did all of it."""
        self.reporting.end()
        figures = self.reporting.figures(self.checkpoint_s)
        figures["checkpoint_cpu_s"] = self.checkpoint_cpu_s
        self.observer.phase_ended("train", **figures, **(self.stopping.figures() if self.stopping else {}))

    def _compile(self, model: keras.Model, stage: Stage, stride: int) -> None:
        optimizer = build_optimizer(self._with_rate(stage))

        def compile_with(metrics: str) -> None:
            model.compile(
                optimizer=optimizer,
                loss=self.specification.loss,
                jit_compile=self.specification.jit_compile,
                steps_per_execution=stride,
                **{metrics: _metrics(self.specification)},
            )

        # If batches are padded, the metrics must know which images count. Keras says after compiling whether
        # "auto" means XLA.
        compile_with("weighted_metrics" if self.distribution.replicas > 1 else "metrics")
        if self.distribution.replicas == 1 and compiles_shapes(model):
            compile_with("weighted_metrics")
        # A step that made the optimizer's variables itself would be traced twice.
        model.optimizer.build(model.trainable_variables)
        self.reporting.compile_figures = _dispatch_figures(model, [self.reporting])

    def _with_rate(self, stage: Stage) -> OptimizerSpecification:
        """The optimizer with the rate that was found, where it was searched; in the second stage a tenth of it."""
        if self.learning_rate is None or stage.optimizer.learning_rate != SEARCH:
            return stage.optimizer
        found = replace(stage.optimizer, learning_rate=self.learning_rate)
        return found.slower() if stage.number else found

    def _time_steps(self, steps: int, epochs: int) -> InputClock:
        """Prepare the timing of a stage's steps."""
        backend = keras.backend.backend()
        waits, ahead, waitable = InputClock(stride=self.stride), runs_ahead(backend), can_wait(backend)
        self.reporting.timer.stage_begins(
            waits,
            steps_a_piece(steps, epochs, synchronous=not ahead, divisible=waitable),
            wait_for_device if ahead and waitable else None,
        )
        return waits


def fit(
    model: keras.Model,
    splits: dict[str, Split],
    specification: Specification,
    prepare: Prepare,
    observer: Observer,
    distribution: Distribution,
    beside: keras.Model | None = None,
) -> Footprint | None:
    """Train a classifier in a single stage.

    Returns:
        The memory that it took; None if an earlier attempt did all of the training.

    Raises:
        TrainingDivergedError: The loss is no longer a finite number.
    """
    epochs = specification.epochs
    fitting = Fitting(specification, distribution, len(splits["train"]), epochs, observer, beside)
    stage = Stage(0, epochs, specification.optimizer, early_stopping=specification.early_stopping)
    fitting.search(stage, model, splits, prepare)
    fitting.begin()
    fitting.train(stage, model, splits, prepare)
    fitting.end()
    return fitting.footprint


def build_optimizer(specification: OptimizerSpecification) -> keras.optimizers.Optimizer:
    """The optimizer with the learning rate `learning_rate / (1 + decay * step)`.

    The Keras of the thesis had an argument `decay` for this; Keras 3 does not.

    Raises:
        InputError: The optimizer lacks an argument, or the arguments contradict each other.
    """
    arguments = specification.resolved()
    name, rate, decay = (arguments.pop(key) for key in ("name", "learning_rate", "decay"))
    if decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay)
    if not arguments["weight_decay"] and name != "AdamW":
        del arguments["weight_decay"]  # saves a pass over the weights; AdamW requires a number
    if arguments.pop("epsilon_outside", False):
        del arguments["momentum"]  # 0
        return Keras2RMSprop(learning_rate=rate, **arguments)
    return getattr(keras.optimizers, name)(learning_rate=rate, **arguments)


def penalize_kernels(model: keras.Model, specification: Specification) -> None:
    """Add L1 and L2 penalties of all trainable kernels, of convolutions and dense layers, to a model's loss.

    Biases and the parameters of normalization have no penalty. Frozen kernels have none while they are
    frozen. Call this before the model is compiled.
    """
    if not (specification.l1 or specification.l2):
        return
    penalty = keras.regularizers.L1L2(l1=specification.l1, l2=specification.l2)
    for variable in model.trainable_variables:
        # Keras asks each variable for its penalty when it computes the loss, so this works after the build.
        if "kernel" in variable.name:
            variable.regularizer = penalty


def _metrics(specification: Specification) -> list[keras.metrics.Metric]:
    """Categorical accuracy as `accuracy`, and `binary_accuracy` on request.

    The classes are explicit, because the meaning of `metrics=["accuracy"]` depends on the version. The Keras
    of the thesis took binary accuracy for binary cross-entropy; Keras 3 decides by the shape of the targets.
    """
    metrics: list[keras.metrics.Metric] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if specification.binary_accuracy:
        metrics.append(keras.metrics.BinaryAccuracy(name="binary_accuracy"))
    return metrics


def _dispatch_figures(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> Figures:
    """How Keras dispatches the steps of a compiled model, for the phase `compile`.

    Versions of Keras differ in this: some dispatch callbacks asynchronously if none of them needs the end of
    a batch.

    Returns:
        `jit_compile`, `steps_per_execution`, and `asynchronous_callbacks` (None if Keras does not say).
    """
    made = keras.callbacks.CallbackList(list(callbacks))
    return {
        "jit_compile": bool(model.jit_compile),
        "steps_per_execution": int(model.steps_per_execution),
        "asynchronous_callbacks": getattr(made, "_async_train", None),
    }
