"""How appendix G of the thesis judged its models from scratch: predictions not in the order of their images.

Keras' test generator shuffles unless it is told not to. The thesis let it, and compared what came out, in
that order, with the names of the files in the order of their directories.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wbc.evaluation.predictions import Predictions


def generator_order(count: int, seed: int) -> np.ndarray:
    """The order in which a shuffling generator shows `count` images: a permutation of its seed."""
    # Three numbers, so that it is no order of a training epoch, which are seeded with two.
    return np.random.default_rng([seed, 0, 1]).permutation(count)


@dataclass(frozen=True)
class ShuffledComparison:
    """Predictions as they came from the generator, beside the files as they stand in their directories.

    Attributes:
        predictions: Row i holds file and label of image i, and the probabilities of image `order[i]`.
        shown: Path of image `order[i]`.
    """

    predictions: Predictions
    shown: Sequence[str]

    @classmethod
    def of(cls, aligned: Predictions, order: np.ndarray) -> "ShuffledComparison":
        """Misalign predictions: what was predicted for image `order[i]` is compared with image i."""
        return cls(
            predictions=replace(aligned, probabilities=aligned.probabilities[order]),
            shown=[aligned.files[index] for index in order],
        )

    def write_csv(self, path: Path) -> None:
        """Write one row an image: `file`, whose class was compared, and `shown`, whose prediction was taken.

        With `predictions.csv` beside it, every figure can be worked out again. The file appears whole.
        """
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "shown"])
            writer.writerows(zip(self.predictions.files, self.shown, strict=True))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
