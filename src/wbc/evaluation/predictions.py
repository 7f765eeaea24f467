"""What a network says of each test image."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wbc.data.manifest import ImageEntry

PROBABILITY_PREFIX = "p_"


@dataclass(frozen=True)
class Predictions:
    """Probabilities aligned with their images.

    Attributes:
        files: Path of each image below the data folder.
        sources: The source cell of each image.
        labels: Index of the true class; shape (n,).
        probabilities: float array of shape (n, classes); rows sum to 1.
        classes: Class names in label order.
    """

    files: Sequence[str]
    sources: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray
    classes: Sequence[str]

    @classmethod
    def of(
        cls, images: Sequence[ImageEntry], probabilities: np.ndarray, classes: Sequence[str]
    ) -> "Predictions":
        """Join images with their probabilities; both in file order."""
        number = {name: index for index, name in enumerate(classes)}
        return cls(
            files=[image.file for image in images],
            sources=[image.source for image in images],
            labels=np.array([number[image.class_name] for image in images]),
            probabilities=probabilities,
            classes=list(classes),
        )

    @property
    def predicted(self) -> np.ndarray:
        """Index of the most probable class; shape (n,)."""
        return self.probabilities.argmax(axis=1)

    def write_csv(self, path: Path) -> None:
        """Write one row an image; the file appears whole.

        Columns: file, source, true, predicted, then a probability a class. Nine significant digits bring
        a float32 back to the bit.
        """
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", newline="") as file:
            writer = csv.writer(file)
            columns = [PROBABILITY_PREFIX + name for name in self.classes]
            writer.writerow(["file", "source", "true", "predicted", *columns])
            for index, predicted in enumerate(self.predicted):
                writer.writerow(
                    [
                        self.files[index],
                        self.sources[index],
                        self.classes[self.labels[index]],
                        self.classes[predicted],
                        *(f"{value:.9g}" for value in self.probabilities[index]),
                    ]
                )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @classmethod
    def read_csv(cls, path: Path) -> "Predictions":
        """Read what `write_csv` wrote."""
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        classes = [name.removeprefix(PROBABILITY_PREFIX) for name in header[4:]]
        return cls(
            files=[row[0] for row in rows],
            sources=[row[1] for row in rows],
            labels=np.array([classes.index(row[2]) for row in rows]),
            probabilities=np.array([[float(value) for value in row[4:]] for row in rows], np.float32),
            classes=classes,
        )
