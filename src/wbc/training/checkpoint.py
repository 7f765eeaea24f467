"""Checkpoints at the ends of epochs: training that goes on from one equals uninterrupted training.

Keras' own `BackupAndRestore` counts batches and does not keep the states of random generators, so training
that it restores differs. Here everything is kept that the next epoch depends on: weights, states of random
generators and whatever else the layers hold, the optimiser's variables, and the state of callbacks. The
order of the images is a function of seed and epoch already.
"""

import hashlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from wbc.data.manifest import Manifest
from wbc.errors import InputError
from wbc.observer import Observer
from wbc.specification import Checkpointing, Specification
from wbc.training.checkpoint_file import UnusableCheckpointError, read_arrays, read_meta, write_checkpoint

FILE = "training.checkpoint"
"""Name of the file in the folder of `Checkpointing`."""

log = logging.getLogger(__name__)


class Stateful(Protocol):
    """A callback on whose state the course of training depends."""

    def get_state(self) -> tuple[dict, list[np.ndarray]]:
        """JSON values and arrays."""

    def set_state(self, values: dict, arrays: list[np.ndarray]) -> None:
        """Go on from what `get_state` returned."""


class CheckpointCallback(keras.callbacks.Callback):
    """Writes a checkpoint at the end of an epoch, after validation, when one is due.

    Args:
        settings: Where and how often.
        identity: What the checkpoint belongs to (`identity_of`).
        stage: Number of the stage of training that the model belongs to; 0 where there is but one.
        companions: Callbacks whose state belongs into the checkpoint; they come earlier in the list.
        observer: Is told of each checkpoint.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        settings: Checkpointing,
        identity: dict,
        observer: Observer,
        stage: int = 0,
        companions: Sequence[Stateful] = (),
        clock=time.monotonic,
    ):
        super().__init__()
        self.settings, self.identity, self.observer = settings, identity, observer
        self.stage, self.companions, self.clock = stage, companions, clock
        self.last = clock()
        self.epochs_since = 0
        self.seconds = 0.0

    def on_epoch_end(self, epoch, logs=None):
        """Write a checkpoint if one is due."""
        self.epochs_since += 1
        began = self.clock()
        by_count = self.settings.every_epochs and self.epochs_since >= self.settings.every_epochs
        by_time = self.settings.every_s is not None and began - self.last >= self.settings.every_s
        if not (by_count or by_time):
            return
        try:
            self.write(epoch + 1)
        except OSError as error:
            # Training is worth more than its checkpoint; the one before is still there.
            log.warning("The checkpoint after epoch %d could not be written: %s", epoch + 1, error)
            written = False
        else:
            written = True
        self.last, self.epochs_since = self.clock(), 0
        self.seconds += self.last - began
        if written:
            self.observer.checkpointed(epoch + 1, self.last - began)

    def write(self, epoch: int) -> None:
        """Write the state after `epoch` epochs."""
        model = self.model
        states = [companion.get_state() for companion in self.companions]
        meta = {
            **self.identity,
            "epoch": epoch,
            "stage": self.stage,
            "tag": self.settings.tag,
            "finished": bool(model.stop_training),
            "callbacks": [values for values, _ in states],
        }
        groups = {
            "model": [keras.ops.convert_to_numpy(variable) for variable in model.variables],
            "optimizer": [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables],
            **{f"callback{index}": arrays for index, (_, arrays) in enumerate(states)},
        }
        write_checkpoint(self.settings.folder / FILE, meta, groups)


class Checkpoints:
    """The checkpoint that an earlier attempt left, and the callback that writes new ones.

    Args:
        specification: The experiment; without its `checkpoint` nothing is read or written.
        observer: Is told what happens.
    """

    def __init__(self, specification: Specification, observer: Observer):
        self.settings, self.observer = specification.checkpoint, observer
        self.identity = identity_of(specification) if self.settings else {}
        self.arrays: dict[str, list[np.ndarray]] = {}

    @property
    def path(self) -> Path | None:
        """The file; None where checkpoints are off."""
        return self.settings.folder / FILE if self.settings else None

    @cached_property
    def found(self) -> dict | None:
        """What the earlier attempt's checkpoint says of itself, if training can go on from it."""
        if not self.path:
            return None
        try:
            meta = read_meta(self.path)
            if meta is not None:
                _check_identity(meta, self.identity)
                self.arrays = read_arrays(self.path)
        except UnusableCheckpointError as error:
            self._give_up(error)
            return None
        return meta

    @property
    def epoch(self) -> int:
        """How many epochs were done before; 0 where there is no checkpoint."""
        return self.found["epoch"] if self.found else 0

    @property
    def stage(self) -> int:
        """The stage of training to which the checkpoint belongs; 0 where there is none."""
        return self.found["stage"] if self.found else 0

    def restore(self, model: keras.Model, stage: int = 0, companions: Sequence[Stateful] = ()) -> dict | None:
        """Bring a compiled model, and callbacks, to the state of the checkpoint.

        Returns:
            What the checkpoint says of itself (`epoch`, `finished`, ...); None where there is none of this
            stage, or it cannot be used: then everything is as it was.
        """
        if not self.found or self.found["stage"] != stage:
            return None
        groups, self.arrays = self.arrays, {}
        try:
            model.optimizer.build(model.trainable_variables)
            targets = {"model": model.variables, "optimizer": model.optimizer.variables}
            for name, variables in targets.items():
                _check_shapes(name, groups[name], variables)
        except UnusableCheckpointError as error:
            if stage:
                # What the stages before did is in this checkpoint alone.
                raise InputError(
                    f"the checkpoint {self.path} cannot be used: {error}", "Delete it."
                ) from None
            self._give_up(error)
            self.found = None
            return None
        for name, variables in targets.items():
            for variable, array in zip(variables, groups[name], strict=True):
                variable.assign(array)
        for index, (companion, values) in enumerate(zip(companions, self.found["callbacks"], strict=True)):
            companion.set_state(values, groups[f"callback{index}"])
        self.observer.resumed(self.found["epoch"], self.found["tag"])
        return self.found

    def callback(self, stage: int = 0, companions: Sequence[Stateful] = ()) -> CheckpointCallback | None:
        """The callback that writes checkpoints; None where they are off."""
        if not self.settings:
            return None
        return CheckpointCallback(self.settings, self.identity, self.observer, stage, companions)

    def _give_up(self, error: UnusableCheckpointError) -> None:
        log.warning("The checkpoint %s is passed over, and training starts anew: %s", self.path, error)


def identity_of(specification: Specification) -> dict:
    """What a checkpoint belongs to: the experiment, without the places of its files, and the framework."""
    content = asdict(specification)
    for irrelevant in ("checkpoint", "data_folder", "save_model", "canary", "profile"):
        del content[irrelevant]
    content["manifest"] = Manifest.read_file(specification.manifest).digest
    if specification.weights and specification.weights.path:
        content["weights"] = [specification.weights.kind, specification.weights.path.name]
    text = json.dumps(content, sort_keys=True, default=str)
    backend = keras.backend.backend()
    return {
        "specification": hashlib.sha256(text.encode()).hexdigest(),
        "keras": keras.__version__,
        backend: getattr(sys.modules.get(backend), "__version__", "unknown"),
    }


def _check_identity(meta: dict, identity: dict) -> None:
    for name, value in identity.items():
        if meta.get(name) == value:
            continue
        if name == "specification":
            raise UnusableCheckpointError("it belongs to another experiment")
        raise UnusableCheckpointError(
            f"it was written with {name} {meta.get(name, 'unknown')}, not with {value}"
        )


def _check_shapes(name: str, arrays: list[np.ndarray], variables: list) -> None:
    shapes = [tuple(array.shape) for array in arrays]
    expected = [tuple(variable.shape) for variable in variables]
    if shapes != expected:
        raise UnusableCheckpointError(f"its variables of the {name} are not those of this experiment")
