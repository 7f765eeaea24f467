"""A Keras callback that tells the observer where training stands."""

import math
import time

import keras

from wbc.observer import Observer

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
        self.steps = -(-images // batch_size)
        self.steps_begun = 0
        self.epochs_done = 0
        self.steps_before = 0
        self.compile_figures: dict = {}
        self.first_step, self.first_steps = True, 0
        self.stage_began = self.recompile_s = 0.0
        self.last_heartbeat = clock()
        self.validation_began = clock()
        self.validation_s = 0.0
        self.validation_total_s = 0.0

    def begin_stage(self) -> None:
        """A model is about to be compiled and trained."""
        self.first_step = True
        self.stage_began = self.clock()

    def _first_step_done(self) -> None:
        if not self.first_step:
            return
        self.first_step = False
        self.first_steps += 1
        if self.first_steps == 1:
            self._compile_done()
        else:
            self.recompile_s += self.clock() - self.stage_began

    def _compile_done(self) -> None:
        self.observer.phase_ended("compile", **self.compile_figures)
        self.observer.phase_started("train")

    def on_train_begin(self, logs=None):
        """The stage's first step comes next."""
        self.steps_before = self.steps_begun

    def on_train_batch_begin(self, batch, logs=None):
        """A step begins; the one before is done, or under way on the device."""
        self.steps_begun += 1
        if self.steps_begun > self.steps_before + 1:
            self._first_step_done()
        now = self.clock()
        if now - self.last_heartbeat >= HEARTBEAT_S:
            self.last_heartbeat = now
            self.observer.heartbeat(self.steps_begun - 1, self.steps * self.epochs)

    def on_test_begin(self, logs=None):
        """Validation begins."""
        self._first_step_done()
        self.validation_began = self.clock()

    def on_test_end(self, logs=None):
        """Validation is over."""
        self.validation_s = self.clock() - self.validation_began
        self.validation_total_s += self.validation_s

    def on_epoch_end(self, epoch, logs=None):
        """Report the epoch; stop where the loss is no number any more."""
        self._first_step_done()
        self.epochs_done += 1
        metrics = {name.replace("val_", "validation_"): float(value) for name, value in (logs or {}).items()}
        self.observer.epoch_ended(epoch + 1, metrics, self.validation_s)
        self.last_heartbeat = self.clock()
        if not math.isfinite(metrics["loss"]):
            raise TrainingDivergedError(f"the loss is {metrics['loss']} after epoch {epoch + 1}")

    def end(self) -> None:
        """Training is over; without a single step where everything was done before."""
        if not self.first_steps:
            self._compile_done()

    def figures(self) -> dict:
        """What the `train` phase holds: images trained on, without first steps, and seconds apart from that.

        Only what this process did counts, not what an interrupted one did before. `recompile_s` are seconds
        that later stages took until their first step was done.
        """
        in_first_step = min(self.batch_size, self.images)
        return {
            "images": self.images * self.epochs_done - in_first_step * self.first_steps,
            "steps": self.steps * self.epochs_done - self.first_steps,
            "validation_s": self.validation_total_s,
            "recompile_s": self.recompile_s,
        }
