"""A small synthetic BCCD whose files tests can damage."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from wbc.data import CELL_CLASSES
from wbc.data.bccd import BccdSettings
from wbc.duplicates import find_fields
from wbc.files import file_sha256

SMALL = BccdSettings(image_size=24)


def annotation(*boxes: tuple[str, tuple]) -> str:
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = [
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for name, box in boxes
    ]
    return f"<annotation>{''.join(objects)}</annotation>"


class SyntheticBccd:
    """A small BCCD: noise as smears, and in every photograph a dark disc as the white cell."""

    def __init__(self, root: Path):
        self.root, self.labels = root, {}
        (root / "JPEGImages").mkdir(parents=True)
        (root / "Annotations").mkdir()

    def image(self, number: int) -> Path:
        return self.root / "JPEGImages" / f"BloodImage_{number:05d}.jpg"

    def annotate(self, number: int, *boxes: tuple[str, tuple]) -> None:
        (self.root / "Annotations" / f"BloodImage_{number:05d}.xml").write_text(annotation(*boxes))

    def add(
        self, number: int, category: str, field: int | None = None, corner=(20, 20), cell=(70, 90)
    ) -> None:
        """A photograph of 120 x 160 pixels; `corner` and `cell` (down, right) are in coordinates of the field."""
        rng = np.random.default_rng(1000 + (number if field is None else field))
        smear = 180 + sum(gaussian_filter(rng.standard_normal((180, 240)), s) * s * 15 for s in (1.5, 4))
        y, x = np.mgrid[:180, :240]
        smear[(y - cell[0]) ** 2 + (x - cell[1]) ** 2 < 14**2] = 60
        top, left = corner
        pixels = np.clip(smear, 0, 255).astype(np.uint8)[top : top + 120, left : left + 160]
        Image.fromarray(pixels).convert("RGB").save(self.image(number), quality=95)
        down, right = cell[0] - top, cell[1] - left
        self.annotate(number, ("WBC", (right - 14, down - 14, right + 14, down + 14)), ("RBC", (1, 1, 9, 9)))
        self.labels[number] = category

    def write_labels(self) -> None:
        lines = [",Image,Category", *(f',{number},"{label}"' for number, label in self.labels.items())]
        (self.root / "labels.csv").write_text("\r\n".join(lines))


@pytest.fixture
def bccd(tmp_path) -> SyntheticBccd:
    """Five cells of each class, six of the first."""
    source = SyntheticBccd(tmp_path / "bccd")
    for number, category in enumerate(CELL_CLASSES * 5 + CELL_CLASSES[:1]):
        source.add(number, category)
    source.write_labels()
    return source


def folder_bytes(folder: Path) -> dict[str, str]:
    return {f.relative_to(folder).as_posix(): file_sha256(f) for f in folder.rglob("*") if f.is_file()}


def fields_by_name(images: list[Path], cache: Path | None = None) -> dict:
    """Name of the photograph -> name of its field's first one, and the corner in it."""
    return {image.stem: (first.stem, corner) for image, (first, corner) in find_fields(images, cache).items()}
