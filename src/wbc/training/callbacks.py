"""Keras callbacks that report progress and stop training early."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.backends import memory_in_use
from wbc.errors import TrainingDivergedError
from wbc.observer import Figures, Observer
from wbc.specification import EarlyStopping
from wbc.training.timing import Part, TrainingTimer

HEARTBEAT_S = 1.0
"""A step is reported only if the last report is this old, in seconds, because reports take time too."""

Logs = Mapping[str, float] | None
"""The metrics that Keras passes to a callback."""


class ReportingCallback(keras.callbacks.Callback):
    """Splits `fit` into its first step (phase `compile`) and the rest (phase `train`), and reports epochs.

    The first step is over when the next step or validation begins, or the epoch ends. There is no
    `on_train_batch_end`, because Keras turns asynchronous dispatch off where one is defined.

    Args:
        observer: Receives the reports.
        images: Number of training images.
        batch_size: Images per step.
        epochs: Most epochs that this process trains.
        clock: Returns seconds, monotonic.
        stride: See `TrainingTimer`.
    """

    def __init__(
        self,
        observer: Observer,
        images: int,
        batch_size: int,
        epochs: int,
        clock: Callable[[], float] = time.monotonic,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.observer, self.clock = observer, clock
        self.images, self.batch_size, self.epochs = images, batch_size, epochs
        self.timer = TrainingTimer(images, batch_size, clock, stride)
        self.epochs_done = 0
        self.compile_figures: Figures = {}
        self.first_steps = self.stage = 0
        self.last_heartbeat = clock()

    def begin_stage(self, number: int = 0) -> None:
        """A model is about to be compiled and trained."""
        self.stage = number
        self.timer.stage_prepares()

    def end_stage(self) -> None:
        """Report the steps of the stage in blocks."""
        if blocks := self.timer.blocks():
            self.observer.blocks_timed(self.stage, blocks)

    def _first_step_done(self) -> None:
        self.first_steps += 1
        if self.first_steps == 1:
            self._compile_done()

    def _compile_done(self) -> None:
        first_step: Figures = {"batch_size": self.batch_size}
        first_step |= {"first_step_s": self.timer.first_step_s} if self.first_steps else {}
        self.observer.phase_ended("compile", **self.compile_figures, **first_step)
        self.observer.phase_started("train")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """The batches of an epoch are requested next."""
        self.timer.leave_out(self.observer.pause())
        self.timer.epoch_begins()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """A step begins. The one before it is done, or runs on the device."""
        if self.timer.step_begins():
            self._first_step_done()
        now = self.clock()
        if now - self.last_heartbeat >= HEARTBEAT_S:
            self.last_heartbeat = now
            self.observer.heartbeat(
                self.timer.steps_begun - self.timer.stride, self.timer.steps * self.epochs
            )

    def _steps_end(self) -> None:
        if not self.timer.within_steps:
            return
        # The host may be ahead of the device here. A number of the last step is there once the step is done.
        for variable in getattr(self.model, "metrics_variables", ())[:1]:
            keras.ops.convert_to_numpy(variable)
        if self.timer.steps_end():
            self._first_step_done()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Validation begins. The steps are done before it."""
        self._steps_end()
        self.timer.validation_begins()

    def on_test_end(self, logs: Logs = None) -> None:
        """Validation is over."""
        self.timer.validation_ends()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Report the epoch, and raise TrainingDivergedError if the loss is no longer finite."""
        self._steps_end()
        self.epochs_done += 1
        metrics = {name.replace("val_", "validation_"): float(value) for name, value in (logs or {}).items()}
        pace = {"stage": self.stage, **asdict(self.timer.pace)}
        if (used := memory_in_use(keras.backend.backend())) is not None:
            pace["device"] = used
        self.observer.epoch_ended(epoch + 1, metrics, self.timer.validation_s, **pace)
        self.last_heartbeat = self.clock()
        if not math.isfinite(metrics["loss"]):
            raise TrainingDivergedError(f"the loss is {metrics['loss']} after epoch {epoch + 1}")

    def on_train_end(self, logs: Logs = None) -> None:
        """All epochs are over, and `fit` cleans up."""
        self.timer.stage_ends()

    def end(self) -> None:
        """Training is over; possibly without a single step, if an earlier attempt did all of them."""
        if not self.first_steps:
            self._compile_done()
        self.timer.ends()

    def figures(self, checkpoint_s: float = 0.0) -> Figures:
        """The figures of the phase `train`: images trained on, without first steps, and seconds by part.

        They count the work of this process only, not that of an interrupted attempt before it. All `..._s`
        together are the duration of the phase:

        - `steps_s`: steps, without `data_wait_s`
        - `data_wait_s`: waiting of steps for their batches
        - `validation_s` and `checkpoint_s`
        - `recompile_s`: later stages, until their first step is done
        - `ending_s`: the end of `fit` after the last epoch
        - `between_s`: between steps, validation and checkpoints

        Args:
            checkpoint_s: Seconds that checkpoints took.
        """
        in_first_step = min(self.batch_size * self.timer.stride, self.images)
        seconds, wait = self.timer.seconds, self.timer.data_wait_s
        return {
            "images": self.images * self.epochs_done - in_first_step * self.first_steps,
            "steps": self.timer.steps * self.epochs_done - self.timer.stride * self.first_steps,
            "steps_s": seconds[Part.STEPS] - wait,
            "data_wait_s": wait,
            "validation_s": seconds[Part.VALIDATION],
            "checkpoint_s": checkpoint_s,
            "recompile_s": seconds[Part.RECOMPILE],
            "between_s": seconds[Part.BETWEEN] - checkpoint_s,
            "ending_s": seconds[Part.ENDING],
        }


class EarlyStoppingCallback(keras.callbacks.Callback):
    """Stops training if the monitored value has not improved for `patience` epochs.

    A `wbc.training.checkpoint.Stateful`: its state is saved in checkpoints, which Keras' own does not allow.
    """

    def __init__(self, settings: EarlyStopping) -> None:
        super().__init__()
        self.settings = settings
        self.name = settings.monitor.replace("validation_", "val_")
        self.sign = -1 if settings.monitor.endswith("loss") else 1
        self.best: float | None = None
        self.best_epoch = self.waited = 0
        self.best_weights: list[NDArray[Any]] = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Keep the weights if they are the best so far; otherwise wait, or stop."""
        value = float((logs or {})[self.name])
        if self.best is None or self.sign * value > self.sign * self.best:
            self.best, self.best_epoch, self.waited = value, epoch + 1, 0
            if self.settings.restore_best:
                self.best_weights = [np.array(weight) for weight in self.model.get_weights()]
        else:
            self.waited += 1
            if self.waited >= self.settings.patience:
                self.model.stop_training = True

    def restore_best(self, model: keras.Model) -> None:
        """Give the model the weights of its best epoch, if the settings ask for that."""
        if self.best_weights:
            model.set_weights(self.best_weights)

    def figures(self) -> Figures:
        """Figures for the phase `train`; the best epoch counts from 1."""
        return {"best_epoch": self.best_epoch, "stopped_early": self.waited >= self.settings.patience}

    def get_state(self) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """See `wbc.training.checkpoint.Stateful`."""
        values = {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}
        return values, self.best_weights

    def set_state(self, values: Mapping[str, Any], arrays: list[NDArray[Any]]) -> None:
        """See `wbc.training.checkpoint.Stateful`."""
        self.best, self.best_epoch, self.waited = values["best"], values["best_epoch"], values["waited"]
        self.best_weights = arrays
