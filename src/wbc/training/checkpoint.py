"""Checkpoints at the ends of epochs. Training that resumes from one equals training without interruption.

Keras' own `BackupAndRestore` counts batches and does not save the states of random generators, so training
that it restores differs. These checkpoints hold everything that the next epoch depends on: weights, random
states and other variables of the layers, the variables of the optimizer, and the state of callbacks. The
order of the images depends on seed and epoch only, so it needs no saving.
"""

import hashlib
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.data.manifest import Manifest
from wbc.errors import InputError
from wbc.observer import Observer
from wbc.specification import Checkpointing, Specification
from wbc.training.checkpoint_file import UnusableCheckpointError, read_arrays, read_meta, write_checkpoint

FILE = "training.checkpoint"
"""Name of the file in the folder of `Checkpointing`."""

log = logging.getLogger(__name__)


class Stateful(Protocol):
    """A callback whose state affects the course of training."""

    def get_state(self) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """The state as JSON values and arrays."""

    def set_state(self, values: Mapping[str, Any], arrays: list[NDArray[Any]]) -> None:
        """Restore what `get_state` returned."""


@dataclass(frozen=True)
class Progress:
    """How far the training had come that a checkpoint holds."""

    epoch: int
    """Epochs done."""
    stage: int
    """Number of the stage of training."""
    tag: str
    """Name of the attempt that wrote it."""
    finished: bool
    """Whether a callback, such as early stopping, ended the training."""
    callbacks: list[dict[str, Any]]
    """JSON values of the state of each callback."""
    learning_rate: float | None = None
    """The one that a range test found; None without a test."""


class CheckpointCallback(keras.callbacks.Callback):
    """Writes a checkpoint at the end of an epoch, after validation, if one is due.

    Args:
        settings: Where and how often.
        identity: The experiment that the checkpoint belongs to (`identity_of`).
        stage: Number of the stage of training.
        companions: Callbacks whose state is saved too. They must come earlier in the list of callbacks.
        learning_rate: The one that a range test found.
        observer: Is told of each checkpoint.
        clock: Returns seconds, monotonic.
    """

    def __init__(
        self,
        settings: Checkpointing,
        identity: Mapping[str, str],
        observer: Observer,
        stage: int = 0,
        companions: Sequence[Stateful] = (),
        clock: Callable[[], float] = time.monotonic,
        learning_rate: float | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.identity, self.observer = settings, identity, observer
        self.stage, self.companions, self.clock = stage, companions, clock
        self.learning_rate = learning_rate
        self.last = clock()
        self.epochs_since = 0
        self.seconds = self.cpu_s = 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write a checkpoint if one is due."""
        self.epochs_since += 1
        began = self.clock()
        by_count = self.settings.every_epochs and self.epochs_since >= self.settings.every_epochs
        by_time = self.settings.every_s is not None and began - self.last >= self.settings.every_s
        if not (by_count or by_time or (self.settings.at_end and self._is_last(epoch))):
            return
        used = time.process_time()
        try:
            self.write(epoch + 1)
        except OSError as error:
            # Training is worth more than its checkpoint, and the last checkpoint is still there.
            log.warning("The checkpoint after epoch %d could not be written: %s", epoch + 1, error)
            written = False
        else:
            written = True
        self.last, self.epochs_since = self.clock(), 0
        self.seconds += self.last - began
        used = time.process_time() - used
        self.cpu_s += used
        if written:
            self.observer.checkpointed(epoch + 1, self.last - began, used)

    def _is_last(self, epoch: int) -> bool:
        return bool(self.model.stop_training) or epoch + 1 == self.params["epochs"]

    def write(self, epoch: int) -> None:
        """Write the state after `epoch` epochs."""
        model = self.model
        states = [companion.get_state() for companion in self.companions]
        progress = Progress(
            epoch,
            self.stage,
            self.settings.tag,
            finished=bool(model.stop_training),
            callbacks=[values for values, _ in states],
            learning_rate=self.learning_rate,
        )
        groups = {
            "model": [keras.ops.convert_to_numpy(variable) for variable in model.variables],
            "optimizer": [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables],
            **{f"callback{index}": arrays for index, (_, arrays) in enumerate(states)},
        }
        write_checkpoint(self.settings.folder / FILE, {**self.identity, **asdict(progress)}, groups)


class Checkpoints:
    """The checkpoint of an earlier attempt, and the callback that writes new ones.

    Args:
        specification: The experiment. If its `checkpoint` is None, nothing is read or written.
        observer: Is told when training resumes, and of each new checkpoint.
    """

    def __init__(self, specification: Specification, observer: Observer) -> None:
        self.settings, self.observer = specification.checkpoint, observer
        self.identity = identity_of(specification) if self.settings else {}
        self.arrays: dict[str, list[NDArray[Any]]] = {}

    @property
    def path(self) -> Path | None:
        """The file; None if checkpoints are off."""
        return self.settings.folder / FILE if self.settings else None

    @cached_property
    def found(self) -> Progress | None:
        """The progress of the earlier attempt; None without a checkpoint that can be used."""
        if not self.path:
            return None
        try:
            meta = read_meta(self.path)
            if meta is None:
                return None
            _check_identity(meta, self.identity)
            self.arrays = read_arrays(self.path)
        except UnusableCheckpointError as error:
            self._give_up(error)
            return None
        names = ("epoch", "stage", "tag", "finished", "callbacks", "learning_rate")
        return Progress(*(meta[name] for name in names))

    @property
    def epoch(self) -> int:
        """Epochs that are done already; 0 without a checkpoint."""
        return self.found.epoch if self.found else 0

    @property
    def stage(self) -> int:
        """The stage of training that the checkpoint belongs to; 0 without one."""
        return self.found.stage if self.found else 0

    def restore(
        self, model: keras.Model, stage: int = 0, companions: Sequence[Stateful] = ()
    ) -> Progress | None:
        """Restore the state of a compiled model and of callbacks from the checkpoint.

        Returns:
            The progress of the checkpoint; None if there is none of this stage, or it cannot be used. In that
            case nothing is changed.
        """
        if not self.found or self.found.stage != stage:
            return None
        groups, self.arrays = self.arrays, {}
        try:
            model.optimizer.build(model.trainable_variables)
            targets = {"model": model.variables, "optimizer": model.optimizer.variables}
            for name, variables in targets.items():
                _check_shapes(name, groups[name], variables)
        except UnusableCheckpointError as error:
            if stage:
                # Only this checkpoint holds the work of the earlier stages.
                raise InputError(
                    f"the checkpoint {self.path} cannot be used: {error}", "Delete it."
                ) from None
            self._give_up(error)
            self.found = None
            return None
        for name, variables in targets.items():
            for variable, array in zip(variables, groups[name], strict=True):
                variable.assign(array)
        for index, (companion, values) in enumerate(zip(companions, self.found.callbacks, strict=True)):
            companion.set_state(values, groups[f"callback{index}"])
        self.observer.resumed(self.found.epoch, self.found.tag)
        return self.found

    def callback(
        self, stage: int = 0, companions: Sequence[Stateful] = (), learning_rate: float | None = None
    ) -> CheckpointCallback | None:
        """The callback that writes checkpoints; None if they are off."""
        if not self.settings:
            return None
        return CheckpointCallback(
            self.settings, self.identity, self.observer, stage, companions, learning_rate=learning_rate
        )

    def _give_up(self, error: UnusableCheckpointError) -> None:
        log.warning("The checkpoint %s is ignored, and training starts anew: %s", self.path, error)


def identity_of(specification: Specification) -> dict[str, str]:
    """What a checkpoint belongs to: the experiment without the locations of its files, and the framework.

    Training in one stage does not depend on how many epochs follow, so its number of epochs is not part of it.
    """
    content = asdict(specification)
    if specification.mode != "finetune":
        del content["epochs"]
    for irrelevant in (
        "checkpoint",
        "data_folder",
        "external_folder",
        "external_manifest",
        "save_model",
        "explain",
        "export",
        "reference_work",
        "profile",
        "targets",
        "latency",
        "feature_cache",
    ):
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


def _check_identity(meta: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    for name, value in identity.items():
        if meta.get(name) == value:
            continue
        if name == "specification":
            raise UnusableCheckpointError("it belongs to another experiment")
        raise UnusableCheckpointError(
            f"it was written with {name} {meta.get(name, 'unknown')}, not with {value}"
        )


def _check_shapes(name: str, arrays: list[NDArray[Any]], variables: "list[keras.Variable]") -> None:
    shapes = [tuple(np.shape(array)) for array in arrays]
    expected = [tuple(variable.shape) for variable in variables]
    if shapes != expected:
        raise UnusableCheckpointError(f"its variables of the {name} are not those of this experiment")
