"""Early stopping whose state belongs into checkpoints; that of Keras cannot be resumed."""

import keras
import numpy as np

from wbc.regularization import EarlyStopping


class EarlyStoppingCallback(keras.callbacks.Callback):
    """Stops training when the watched value has not become better for `patience` epochs.

    A `wbc.training.checkpoint.Stateful`.
    """

    def __init__(self, settings: EarlyStopping):
        super().__init__()
        self.settings = settings
        self.name = settings.monitor.replace("validation_", "val_")
        self.sign = -1 if settings.monitor.endswith("loss") else 1
        self.best: float | None = None
        self.best_epoch = self.waited = 0
        self.best_weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch, logs=None):
        """Keep the weights if they are the best so far; else wait, or stop."""
        value = float(logs[self.name])
        if self.best is None or self.sign * value > self.sign * self.best:
            self.best, self.best_epoch, self.waited = value, epoch + 1, 0
            if self.settings.restore_best:
                self.best_weights = [np.array(weight) for weight in self.model.get_weights()]
        else:
            self.waited += 1
            if self.waited >= self.settings.patience:
                self.model.stop_training = True

    def restore_best(self, model: keras.Model) -> None:
        """Give the model the weights of its best epoch, if that is asked for."""
        if self.best_weights:
            model.set_weights(self.best_weights)

    def figures(self) -> dict:
        """What the `train` phase says of it; the epoch counts from 1."""
        return {"best_epoch": self.best_epoch, "stopped_early": self.waited >= self.settings.patience}

    def get_state(self) -> tuple[dict, list[np.ndarray]]:
        """See `wbc.training.checkpoint.Stateful`."""
        values = {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}
        return values, self.best_weights

    def set_state(self, values: dict, arrays: list[np.ndarray]) -> None:
        """See `wbc.training.checkpoint.Stateful`."""
        self.best, self.best_epoch, self.waited = values["best"], values["best_epoch"], values["waited"]
        self.best_weights = arrays
