"""Write a data set of drawn cells."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wbc.data import CELL_CLASSES, PARTS
from wbc.data.manifest import ImageEntry, Manifest, file_sha256
from wbc.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

SMALLEST_IMAGE = 32
"""Side in pixels below which a cell is no longer recognisable."""

_FINEST_FIELD = 160  # pixels; smaller images are drawn on a multiple of their size, so that lobes stay apart


@dataclass(frozen=True)
class SyntheticSettings:
    """What a synthetic data set consists of.

    Attributes:
        train_images_per_class: Images of each class for training.
        validation_images_per_class: Images of each class for validation.
        test_images_per_class: Images of each class for the test.
        image_size: Side of the square images in pixels.
        data_seed: Seed; another one draws other cells.

    Raises:
        InputError: A count below 1, a size below 32 pixels, a negative seed, or no whole number.
    """

    train_images_per_class: int = 60
    validation_images_per_class: int = 15
    test_images_per_class: int = 30
    image_size: int = 224
    data_seed: int = 0

    def __post_init__(self):
        for name, value in asdict(self).items():
            least = {"image_size": SMALLEST_IMAGE, "data_seed": 0}.get(name, 1)
            if type(value) is not int or value < least:
                raise InputError(
                    f"{name} of the synthetic data is {value!r}", f"Give a whole number of {least} or more."
                )

    def images_per_class(self, part: str) -> int:
        """Number of images of each class in a part."""
        return getattr(self, f"{part}_images_per_class")


def draw_cell(class_name: str, image_size: int, rng: "np.random.Generator") -> "np.ndarray":
    """Draw one photograph of a stained smear with one white cell.

    Generators in the same state show the same cell at every size, apart from the sensor's noise.

    Args:
        class_name: One of `wbc.data.CELL_CLASSES`.
        image_size: Side of the image in pixels, 32 or more.
        rng: Source of randomness.

    Returns:
        Pixels, uint8, shape (image_size, image_size, 3).

    Raises:
        InputError: The class is unknown or the image too small.
    """
    from wbc.data.synthetic.microscope import Microscope
    from wbc.data.synthetic.smear import Field, draw_platelets, draw_white_cell, red_cells
    from wbc.data.synthetic.white_cell import KINDS

    if class_name not in KINDS:
        hint = did_you_mean(class_name, CELL_CLASSES) or f"Known are {', '.join(CELL_CLASSES)}."
        raise InputError(f"no cell of the class {class_name!r} can be drawn", hint)
    if image_size < SMALLEST_IMAGE:
        raise InputError(f"image_size is {image_size}", f"Give a whole number of {SMALLEST_IMAGE} or more.")

    width = 24.0 * rng.uniform(0.88, 1.14)
    centre = complex(*rng.normal(0.0, 0.055 * width, 2))
    microscope = Microscope.draw(rng)
    cell = KINDS[class_name](rng)
    field = Field(image_size * -(-_FINEST_FIELD // image_size), width)
    for red_cell in red_cells(rng, width, centre, cell.outline.radius):
        red_cell.draw(field)
    draw_platelets(rng, field, width, centre, cell.outline.radius)
    draw_white_cell(cell, field, centre)
    return microscope.photograph(field, image_size, rng)


def generate(destination: Path, settings: SyntheticSettings) -> Manifest:
    """Draw a data set: `destination/<part>/<CLASS>/<index>.png`.

    Every image has a seed of its own, made of the data seed, its part, class and index. The same settings
    give the same bytes, more images leave the earlier ones as they are, and no part depends on another.

    Args:
        destination: Folder to write into; made if need be.
        settings: Counts, size and seed.

    Returns:
        The manifest; every image is a source cell of its own. It is not written.
    """
    import numpy as np
    from PIL import Image

    images = []
    for part_number, part in enumerate(PARTS):
        for class_number, class_name in enumerate(CELL_CLASSES):
            folder = destination / part / class_name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(settings.images_per_class(part)):
                seed = np.random.SeedSequence([settings.data_seed, part_number, class_number, index])
                pixels = draw_cell(class_name, settings.image_size, np.random.default_rng(seed))
                path = folder / f"{index:05d}.png"
                # Noise hardly compresses: the lowest level is the fastest and nearly as small.
                Image.fromarray(pixels).save(path, compress_level=1)
                source = f"{part}-{class_name}-{index:05d}"
                file = path.relative_to(destination).as_posix()
                images.append(ImageEntry(file, part, class_name, source, file_sha256(path)))
    return Manifest(tuple(images), CELL_CLASSES, {"source": "synthetic", **asdict(settings)})
