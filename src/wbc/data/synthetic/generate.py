"""Write a data set of synthetic cells."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.manifest import ImageEntry, Manifest
from wbc.errors import DataKeyError, InputError, did_you_mean
from wbc.files import file_sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALLEST_IMAGE = 32
"""Side in pixels below which a cell is no longer recognizable."""

_FINEST_FIELD = 160  # pixels; smaller images are drawn at a multiple of their size, so that lobes stay apart


@dataclass(frozen=True)
class SyntheticSettings:
    """What a synthetic data set consists of.

    Raises:
        InputError: A value is out of its range or not an integer.
    """

    train_images_per_class: int = 60
    """1 or more."""
    validation_images_per_class: int = 15
    """1 or more."""
    test_images_per_class: int = 30
    """1 or more."""
    image_size: int = 224
    """Side of the square images in pixels, 32 or more."""
    data_seed: int = 0
    """0 or more; another seed draws other cells."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            smallest = {"image_size": SMALLEST_IMAGE, "data_seed": 0}.get(name, 1)
            if type(value) is not int or value < smallest:
                raise DataKeyError(
                    name,
                    f"{name} of the synthetic data is {value!r}",
                    f"Give an integer of {smallest} or more.",
                )

    @property
    def images_per_class(self) -> dict[str, int]:
        """Split -> images of each class."""
        return {
            "train": self.train_images_per_class,
            "validation": self.validation_images_per_class,
            "test": self.test_images_per_class,
        }


def draw_cell(class_name: str, image_size: int, rng: "np.random.Generator") -> "NDArray[np.uint8]":
    """Draw one photograph of a stained smear with one white cell.

    Generators in the same state show the same cell at every size, except for the noise of the sensor.

    Args:
        class_name: One of `wbc.data.CELL_CLASSES`.
        image_size: Side of the image in pixels, 32 or more.
        rng: Source of randomness.

    Returns:
        Pixels, uint8, shape (image_size, image_size, 3).

    Raises:
        InputError: The class is unknown or the image too small.
    """
    # Here, because the harness reads the settings in every command, and NumPy would take longer than that.
    from wbc.data.synthetic.microscope import Microscope
    from wbc.data.synthetic.smear import Field, draw_platelets, draw_white_cell, sample_red_cells
    from wbc.data.synthetic.white_cell import KINDS

    if class_name not in KINDS:
        hint = did_you_mean(class_name, CELL_CLASSES) or f"Known are {', '.join(CELL_CLASSES)}."
        raise InputError(f"no cell of the class {class_name!r} can be drawn", hint)
    if image_size < SMALLEST_IMAGE:
        raise InputError(f"image_size is {image_size}", f"Give an integer of {SMALLEST_IMAGE} or more.")

    width = 24.0 * rng.uniform(0.88, 1.14)
    center = complex(*rng.normal(0.0, 0.055 * width, 2))
    microscope = Microscope.sample(rng)
    cell = KINDS[class_name](rng)
    field = Field(image_size * -(-_FINEST_FIELD // image_size), width)
    for red_cell in sample_red_cells(rng, width, center, cell.outline.radius):
        red_cell.draw(field)
    draw_platelets(rng, field, width, center, cell.outline.radius)
    draw_white_cell(cell, field, center)
    return microscope.photograph(field, image_size, rng)


def generate(destination: Path, settings: SyntheticSettings) -> Manifest:
    """Draw a data set: `destination/<split>/<CLASS>/<index>.png`.

    Every image has its own seed, made from the data seed and its split, class and index. The same settings
    therefore give the same bytes. More images do not change earlier ones, and no split depends on another.

    Args:
        destination: Folder to write into; created if it is missing.
        settings: Counts, size and seed.

    Returns:
        The manifest; every image is a source of its own. It is not written.
    """
    import numpy as np
    from PIL import Image

    images = []
    for split_number, split in enumerate(SPLITS):
        for class_number, class_name in enumerate(CELL_CLASSES):
            folder = destination / split / class_name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(settings.images_per_class[split]):
                seed = np.random.SeedSequence([settings.data_seed, split_number, class_number, index])
                pixels = draw_cell(class_name, settings.image_size, np.random.default_rng(seed))
                path = folder / f"{index:05d}.png"
                # Noise hardly compresses: the lowest level is the fastest and nearly as small.
                Image.fromarray(pixels).save(path, compress_level=1)
                source = f"{split}-{class_name}-{index:05d}"
                file = path.relative_to(destination).as_posix()
                images.append(ImageEntry(file, split, class_name, source, file_sha256(path)))
    return Manifest(tuple(images), CELL_CLASSES, {"source": "synthetic", **asdict(settings)})
