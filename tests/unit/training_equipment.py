"""What the tests of training share: a small data set and an observer that remembers."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from wbc.data.manifest import ImageEntry, Manifest
from wbc.observer import Observer
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Specification


def small_training(images: Path, **more) -> Specification:
    """An epoch of LeNet5 from scratch on images of 32 pixels."""
    return Specification(
        data_folder=images,
        manifest=images / "manifest.json",
        image_size=32,
        network="LeNet5",
        mode="scratch",
        epochs=1,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", 1e-3, 0.0),
        **more,
    )


class Interrupted(Exception):
    """An experiment was broken off in the middle."""


class Notes(Observer):
    """Remembers what an experiment reports.

    Args:
        break_after: Raise `Interrupted` at the end of this epoch, before a checkpoint is written.
        stop_after_checkpoint: Raise `Interrupted` when this epoch is on the disk.
    """

    def __init__(
        self,
        break_after: int | None = None,
        stop_after_checkpoint: int | None = None,
    ):
        self.break_after = break_after
        self.stop_after_checkpoint = stop_after_checkpoint
        self.epochs, self.phases, self.saved, self.from_before = {}, {}, [], None

    def phase_ended(self, phase, **figures):
        assert phase not in self.phases, "a phase ends once"
        self.phases[phase] = figures

    def epoch_ended(self, epoch, metrics, validation_s, **pace):
        self.epochs[epoch] = metrics
        if epoch == self.break_after:
            raise Interrupted

    def resumed(self, epoch, tag):
        assert not self.epochs
        self.from_before = (epoch, tag)

    def checkpointed(self, epoch, seconds, cpu_s):
        self.saved.append(epoch)
        if epoch == self.stop_after_checkpoint:
            raise Interrupted

    def predicted(self, predictions):
        self.probabilities = predictions.probabilities


class Keeping(Notes):
    """Keeps the checkpoint of every epoch, as a process would leave it that is killed then.

    Args:
        folder: The checkpoint is written in its `now`; that of an epoch is copied to a folder of its number.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def checkpointed(self, epoch, seconds, cpu_s):
        super().checkpointed(epoch, seconds, cpu_s)
        shutil.copytree(self.folder / "now", self.folder / f"{epoch}")


def draw_noisy_images(folder: Path, train: int = 11) -> Path:
    """A few noisy images of two classes, which a network tells apart after some epochs."""
    rng = np.random.default_rng(0)
    entries = []
    for split, count in (("train", train), ("validation", 5), ("test", 5)):
        for index in range(count):
            name = f"{split}{index:02d}.png"
            level = 90 + 40 * (index % 2)
            Image.fromarray(rng.integers(0, level, (32, 32, 3), np.uint8)).save(folder / name)
            entries.append(ImageEntry(name, split, "ab"[index % 2], name, f"{index:064x}"))
    Manifest(tuple(entries), ("a", "b")).write(folder)
    return folder
