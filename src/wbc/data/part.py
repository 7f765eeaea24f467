"""One part of a data set in memory."""

from dataclasses import dataclass

import numpy as np

from wbc.data.loading import labels_of, load_pixels
from wbc.data.manifest import ImageEntry, Manifest
from wbc.specification import Specification


@dataclass(frozen=True)
class Part:
    """Images of one part of the data, or what became of them, in the order of the manifest.

    Attributes:
        inputs: Array of shape (n, ...): uint8 pixels, or float32 features.
        labels: Index of each image's class; int64 array of shape (n,).
        images: What the manifest says of each.
        classes: Class names in label order.
    """

    inputs: np.ndarray
    labels: np.ndarray
    images: list[ImageEntry]
    classes: tuple[str, ...]

    @property
    def targets(self) -> np.ndarray:
        """One-hot float32 array of shape (n, classes)."""
        return np.eye(len(self.classes), dtype=np.float32)[self.labels]

    def __len__(self) -> int:
        return len(self.inputs)


def load_part(manifest: Manifest, name: str, specification: Specification) -> Part:
    """Decode the images of one part (`train`, `validation` or `test`)."""
    images = manifest.part(name)
    pixels = load_pixels(specification.data_folder, images, specification.image_size)
    return Part(pixels, labels_of(images, manifest.classes), images, manifest.classes)
