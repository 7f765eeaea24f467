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
        self.compiled = False
        self.last_heartbeat = clock()
        self.validation_began = clock()
        self.validation_s = 0.0
        self.validation_total_s = 0.0

    def _first_step_done(self) -> None:
        if not self.compiled:
            self.compiled = True
            self.observer.phase_ended("compile")
            self.observer.phase_started("train")

    def on_train_batch_begin(self, batch, logs=None):
        """A step begins; the one before is done, or under way on the device."""
        self.steps_begun += 1
        if self.steps_begun > 1:
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

    def on_train_end(self, logs=None):
        """Training is over; without a single epoch where everything was done before."""
        self._first_step_done()

    def figures(self) -> dict:
        """What the `train` phase holds: images trained on after the first step, and seconds in validation.

        Only what this process did counts, not what an interrupted one did before.
        """
        in_first_step = min(self.batch_size, self.images)
        return {
            "images": max(0, self.images * self.epochs_done - in_first_step),
            "steps": max(0, self.steps * self.epochs_done - 1),
            "validation_s": self.validation_total_s,
        }
