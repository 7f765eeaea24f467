"""A Keras callback that tells the observer where training stands."""

import math
import time
from dataclasses import asdict

import keras

from wbc.observer import Observer
from wbc.training.timing import BETWEEN, ENDING, RECOMPILE, STEPS, VALIDATION, TrainingTimer

HEARTBEAT_S = 1.0
"""A step is reported only when the last report is this old: reports cost time too."""


class TrainingDivergedError(ArithmeticError):
    """The loss is no longer a number."""


class ReportingCallback(keras.callbacks.Callback):
    """Splits `fit` into its first step (`compile`) and the rest (`train`), and reports epochs.

    The first step is over when the next one begins, or validation, or the epoch ends. The callback has
    no `on_train_batch_end`, because Keras gives up asynchronous dispatch where one is defined.
    """

    def __init__(self, observer: Observer, images: int, batch_size: int, epochs: int, clock=time.monotonic):
        super().__init__()
        self.observer, self.clock = observer, clock
        self.images, self.batch_size, self.epochs = images, batch_size, epochs  # epochs: at most, here
        self.timer = TrainingTimer(images, batch_size, clock)
        self.epochs_done = 0
        self.compile_figures: dict = {}
        self.first_steps = self.stage = 0
        self.last_heartbeat = clock()

    def begin_stage(self, number: int = 0) -> None:
        """A model is about to be compiled and trained."""
        self.stage = number
        self.timer.stage_prepares()

    def end_stage(self) -> None:
        """Report the steps of the stage in blocks."""
        if blocks := self.timer.blocks():
            self.observer.blocks_timed(self.stage, [block.to_json() for block in blocks])

    def _first_step_done(self) -> None:
        self.first_steps += 1
        if self.first_steps == 1:
            self._compile_done()

    def _compile_done(self) -> None:
        first_step = {"first_step_s": self.timer.first_step_s} if self.first_steps else {}
        self.observer.phase_ended("compile", **self.compile_figures, **first_step)
        self.observer.phase_started("train")

    def on_epoch_begin(self, epoch, logs=None):
        """Its batches are asked for next."""
        self.timer.epoch_begins()

    def on_train_batch_begin(self, batch, logs=None):
        """A step begins; the one before is done, or under way on the device."""
        if self.timer.step_begins():
            self._first_step_done()
        now = self.clock()
        if now - self.last_heartbeat >= HEARTBEAT_S:
            self.last_heartbeat = now
            self.observer.heartbeat(self.timer.steps_begun - 1, self.timer.steps * self.epochs)

    def _steps_end(self) -> None:
        if self.timer.steps_end():
            self._first_step_done()

    def on_test_begin(self, logs=None):
        """Validation begins; the metrics of training are on the host, so all steps are done."""
        self._steps_end()
        self.timer.validation_begins()

    def on_test_end(self, logs=None):
        """Validation is over."""
        self.timer.validation_ends()

    def on_epoch_end(self, epoch, logs=None):
        """Report the epoch; stop where the loss is no number any more."""
        self._steps_end()
        self.epochs_done += 1
        metrics = {name.replace("val_", "validation_"): float(value) for name, value in (logs or {}).items()}
        pace = {"stage": self.stage, **asdict(self.timer.pace)}
        self.observer.epoch_ended(epoch + 1, metrics, self.timer.validation_s, **pace)
        self.last_heartbeat = self.clock()
        if not math.isfinite(metrics["loss"]):
            raise TrainingDivergedError(f"the loss is {metrics['loss']} after epoch {epoch + 1}")

    def on_train_end(self, logs=None):
        """All epochs are over; `fit` takes down what it built."""
        self.timer.stage_ends()

    def end(self) -> None:
        """Training is over; without a single step where everything was done before."""
        if not self.first_steps:
            self._compile_done()
        self.timer.ends()

    def figures(self, checkpoint_s: float = 0.0) -> dict:
        """What the `train` phase holds: images trained on, without first steps, and where the seconds went.

        Only what this process did counts, not what an interrupted one did before. `steps_s` are the seconds
        of steps without `data_wait_s`, in which they waited for their batches; `recompile_s` are seconds that
        later stages took until their first step was done; `ending_s` is the end of `fit` after the last
        epoch; `between_s` is what lies between steps, validation and checkpoints. All `..._s` together are
        the phase.

        Args:
            checkpoint_s: Seconds that checkpoints took.
        """
        in_first_step = min(self.batch_size, self.images)
        seconds, wait = self.timer.seconds, self.timer.data_wait_s
        return {
            "images": self.images * self.epochs_done - in_first_step * self.first_steps,
            "steps": self.timer.steps * self.epochs_done - self.first_steps,
            "steps_s": seconds[STEPS] - wait,
            "data_wait_s": wait,
            "validation_s": seconds[VALIDATION],
            "checkpoint_s": checkpoint_s,
            "recompile_s": seconds[RECOMPILE],
            "between_s": seconds[BETWEEN] - checkpoint_s,
            "ending_s": seconds[ENDING],
        }
