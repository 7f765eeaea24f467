"""How many planted near-duplicates `data check` finds, and how many it finds that are none.

    python tests/evidence/near_duplicates.py [BCCD]

Prints a line for every kind of picture: what was planted and found, and pairs found among unrelated pictures.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wbc.data.bccd import find_bccd_cells
from wbc.data.pipeline.cropping import square_crop
from wbc.data.pipeline.decoding import read_upright
from wbc.data.synthetic import draw_cell
from wbc.duplicates import find_near_duplicates

PIXELS = NDArray[np.uint8]
COUNT = 40
"""Unrelated pictures of each kind."""
KINDS = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")


def augmented(image: Image.Image, shear: float) -> Image.Image:
    """Turned by any angle, mirrored, zoomed and shifted by up to a tenth, sheared by up to so many degrees."""
    rng = np.random.default_rng(int(np.asarray(image).sum()))
    angle, lean = np.deg2rad(rng.uniform(-180, 180)), np.deg2rad(rng.uniform(-shear, shear))
    matrix = np.array([[np.cos(angle), -np.sin(angle + lean)], [np.sin(angle), np.cos(angle + lean)]])
    matrix /= rng.uniform(0.9, 1.1)
    middle = np.array(image.size) / 2
    offset = middle - matrix @ (middle + rng.uniform(-0.1, 0.1, 2) * image.size)
    numbers = (*matrix[0], offset[0], *matrix[1], offset[1])
    turned = ImageOps.mirror(image) if rng.random() < 0.5 else image
    return turned.transform(
        image.size,
        Image.Transform.AFFINE,
        numbers,
        Image.Resampling.BICUBIC,
        fillcolor=image.getpixel((0, 0)),
    )


PLANTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "turned by 90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "turned by 15": lambda image: image.rotate(
        15, Image.Resampling.BICUBIC, fillcolor=image.getpixel((0, 0))
    ),
    "shifted by a tenth": lambda image: image.transform(
        image.size,
        Image.Transform.AFFINE,
        (1, 0, image.width / 10, 0, 1, image.height / 10),
        fillcolor=(255,) * 3,
    ),
    "augmented": lambda image: augmented(image, 0),
    "augmented and sheared": lambda image: augmented(image, 10),
}


def cells(size: int) -> list[PIXELS]:
    """Drawn cells, no two alike."""
    drawn = []
    for index in range(COUNT):
        cell = Image.fromarray(draw_cell(KINDS[index % 4], max(size, 112), np.random.default_rng(index)))
        drawn.append(np.asarray(cell.resize((size, size), Image.Resampling.LANCZOS)))
    return drawn


def digits() -> list[PIXELS]:
    """Digits of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:COUNT]
    return [np.repeat((image * 15.9).astype(np.uint8)[..., None], 3, axis=2) for image in images]


def bccd(folder: Path) -> list[PIXELS]:
    """Cells of BCCD, one of each field of view."""
    originals, _ = find_bccd_cells(folder)
    first = {one.source: one for one in originals}
    chosen = [first[source] for source in sorted(first)][:COUNT]
    return [square_crop(read_upright(one.image), one.box, 0.1) for one in chosen if one.box is not None]


def judged(pictures: list[PIXELS]) -> tuple[int, int, dict[str, int]]:
    """Pairs found among unrelated pictures, of how many; and planted copies that were found, by kind."""
    half = len(pictures) // 2
    splits = ["train"] * half + ["test"] * (len(pictures) - half)
    false = len(find_near_duplicates([partial(np.asarray, one) for one in pictures], splits))
    found = {}
    originals = pictures[:half]
    for kind, change in PLANTS.items():
        planted = [np.asarray(change(Image.fromarray(one))) for one in originals[:10]]
        both = [*originals, *planted]
        pairs = find_near_duplicates(
            [partial(np.asarray, one) for one in both], ["train"] * half + ["test"] * len(planted)
        )
        found[kind] = sum(one.second - half == one.first for one in pairs)
    return false, half * (len(pictures) - half), found


def main(arguments: list[str]) -> None:
    """Print a table."""
    sets = {f"drawn cells, {size} pixels": cells(size) for size in (28, 64, 224)}
    sets["digits, 8 pixels"] = digits()
    if arguments:
        sets["BCCD"] = bccd(Path(arguments[0]))
    print(f"{'pictures':24} {'false pairs':>14}  found of 10: {', '.join(PLANTS)}")
    for name, pictures in sets.items():
        started = time.monotonic()
        false, pairs, found = judged(pictures)
        took = time.monotonic() - started
        print(
            f"{name:24} {false:5} of {pairs:5}  {', '.join(map(str, found.values()))}  ({took:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
