"""`python -m gpu_check.paced BACKEND NETWORK SIZE`: for each epoch, the seconds of its steps that leukobench
reports, and those of a callback that waits for every number of the last step."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpu_check.tools import scaled

BATCH_SIZE, EPOCHS = 16, 7


class Silent:
    """An observer that keeps nothing."""

    def pause(self) -> float:
        """Never held."""
        return 0.0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values, **more: None


def main(backend: str, network: str, size: int) -> None:
    """Train, and print a list of pairs; the first epoch compiles, and is left out."""
    from bench.worker.backends import load_backend
    from wbc.specification import Specification

    load_backend(Specification(Path(), Path(), size, network, "scratch", 1, backend=backend))
    import keras

    from wbc.training.callbacks import ReportingCallback

    class Waits(keras.callbacks.Callback):  # type: ignore[misc]
        """Takes the time when the validation begins, once the model's variables have arrived."""

        began = steps_s = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.monotonic()

        def on_test_begin(self, logs: Any = None) -> None:
            for variable in self.model.variables[-4:]:
                np.asarray(keras.ops.convert_to_numpy(variable))
            self.steps_s = time.monotonic() - self.began

    class Reads(keras.callbacks.Callback):  # type: ignore[misc]
        """Notes what the others found."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            told.append((reporting.timer.pace.steps_s, waits.steps_s))

    model = getattr(keras.applications, network)(weights=None, classes=4, input_shape=(size, size, 3))
    model.compile("rmsprop", "categorical_crossentropy")
    steps = scaled(32)
    images = np.random.default_rng(0).random((steps * BATCH_SIZE, size, size, 3), np.float32)
    targets = np.eye(4, dtype=np.float32)[np.arange(len(images)) % 4]
    reporting, waits = ReportingCallback(Silent(), len(images), BATCH_SIZE, EPOCHS), Waits()
    told: list[tuple[float, float]] = []
    held_out = images[:BATCH_SIZE], targets[:BATCH_SIZE]
    callbacks = [reporting, waits, Reads()]
    model.fit(images, targets, BATCH_SIZE, EPOCHS, validation_data=held_out, verbose=0, callbacks=callbacks)
    print(json.dumps(told[1:]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
