"""What a classifier predicts for each test image."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.data.manifest import ImageEntry
from wbc.files import whole_file

COLUMNS = ["file", "source", "true", "predicted"]
"""The first columns of `predictions.csv`; the others are probabilities."""

PROBABILITY_PREFIX = "p_"
"""Of the columns with probabilities; the name of the class follows."""


@dataclass(frozen=True)
class Predictions:
    """Probabilities aligned with their images."""

    files: Sequence[str]
    """Path of each image below the data folder."""
    sources: Sequence[str]
    """The source of each image."""
    labels: NDArray[np.int64]
    """Index of the true class; shape (n,)."""
    probabilities: NDArray[np.floating[Any]]
    """Shape (n, classes); rows sum to 1."""
    classes: Sequence[str]
    """Class names in label order."""

    @classmethod
    def of(
        cls,
        images: Sequence[ImageEntry],
        probabilities: NDArray[np.floating[Any]],
        classes: Sequence[str],
    ) -> "Predictions":
        """Join images with their probabilities; both in file order."""
        number = {name: index for index, name in enumerate(classes)}
        return cls(
            files=[image.file for image in images],
            sources=[image.source for image in images],
            labels=np.array([number[image.class_name] for image in images], np.int64),
            probabilities=probabilities,
            classes=list(classes),
        )

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable class; shape (n,)."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    def write_csv(self, path: Path) -> None:
        """Write one row per image; the file appears whole or not at all.

        Columns: file, source, true, predicted, then one probability per class. Nine significant digits
        restore every bit of a float32.
        """
        with whole_file(path, newline="") as file:
            writer = csv.writer(file)
            columns = [PROBABILITY_PREFIX + name for name in self.classes]
            writer.writerow([*COLUMNS, *columns])
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

    @classmethod
    def read_csv(cls, path: Path) -> "Predictions":
        """Read a file that `write_csv` wrote; ValueError or OSError where that cannot be."""
        classes, rows = read_rows(path)
        return cls(
            files=[row[0] for row in rows],
            sources=[row[1] for row in rows],
            labels=np.array([classes.index(row[2]) for row in rows], np.int64),
            probabilities=np.array([[float(value) for value in row[4:]] for row in rows], np.float32),
            classes=classes,
        )


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """The classes and the rows, as text, of a file that `Predictions.write_csv` wrote.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is damaged: the line, and what is wrong there.
    """
    content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line}: it is not in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: dict[str, list[str]] = {}
    try:
        classes = _classes(next(reader, []))
        for row in reader:
            _check(row, classes)
            if row[0] in rows:
                raise ValueError(f"{row[0]} is there twice")
            rows[row[0]] = row
    except (ValueError, csv.Error) as error:
        raise ValueError(f"line {reader.line_num}: {error}" if text else "it is empty") from None
    if not rows:
        raise ValueError("it has no rows")
    return classes, list(rows.values())


def _classes(header: list[str]) -> list[str]:
    """The classes that a header names, or ValueError."""
    columns = header[4:]
    if header[:4] != COLUMNS:
        raise ValueError(f"it begins with {','.join(header[:4])!r}")
    if not columns or len({*columns}) < len(columns) or not all(map(_is_probability, columns)):
        raise ValueError(f"{','.join(columns)!r} are no columns of probabilities, one for each class")
    return [name.removeprefix(PROBABILITY_PREFIX) for name in columns]


def _is_probability(column: str) -> bool:
    return column.startswith(PROBABILITY_PREFIX)


def _check(row: list[str], classes: list[str]) -> None:
    """Raise ValueError where a row is nothing that a classifier says of an image."""
    if len(row) != 4 + len(classes):
        raise ValueError(f"it has {len(row)} values, and {4 + len(classes)} columns")
    for name in row[2:4]:
        if name not in classes:
            raise ValueError(f"there is no class {name!r}")
    shares = dict(zip(classes, map(_probability, row[4:]), strict=True))
    if not 0 < max(shares.values()) == shares[row[3]]:
        raise ValueError(f"the probabilities of {row[0]} contradict its predicted class")


def _probability(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1.001:  # neither is true of NaN
        raise ValueError(f"{text!r} is no probability")
    return share


def generator_order(count: int, seed: int) -> NDArray[np.int64]:
    """The order in which a shuffling generator shows `count` images: a permutation that `seed` determines."""
    # Three numbers, so that it is never the order of a training epoch, which is seeded with two.
    return np.random.default_rng([seed, 0, 1]).permutation(count)


@dataclass(frozen=True)
class ShuffledComparison:
    """Predictions in the order of a shuffling generator, compared with files in the order of the folder.

    Appendix G of the thesis judged its models from scratch in this way. Keras' test generator shuffles unless
    it is told not to. The thesis did not, and compared its predictions with the files in folder order.
    """

    predictions: Predictions
    """Row i has the file and label of image i, and the probabilities of image `order[i]`."""
    shown: Sequence[str]
    """Path of image `order[i]`."""

    @classmethod
    def of(cls, aligned: Predictions, order: NDArray[np.int64]) -> "ShuffledComparison":
        """Misalign predictions: the prediction for image `order[i]` is compared with image i."""
        return cls(
            predictions=replace(aligned, probabilities=aligned.probabilities[order]),
            shown=[aligned.files[index] for index in order],
        )

    def write_csv(self, path: Path) -> None:
        """Write one row per image: `file`, whose class was compared, and `shown`, which was predicted.

        Together with `predictions.csv`, every metric can be computed again. The file appears whole or not at
        all.
        """
        with whole_file(path, newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "shown"])
            writer.writerows(zip(self.predictions.files, self.shown, strict=True))
