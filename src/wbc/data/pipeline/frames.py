"""What Pillow reads: a page of an image, upright and on white, or a projection of all frames."""

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from wbc.data.pipeline.numbers import ORIENTATIONS, Deep
from wbc.data.pipeline.opening import page_number, several_pages


def of_frames(path: Path, image: Image.Image, pages: int | str | None) -> Image.Image | Deep:
    """One page of an animation, or a projection."""
    count = int(getattr(image, "n_frames", 1))
    if pages is None:
        raise several_pages(path, count)
    if isinstance(pages, int):
        image.seek(page_number(path, pages, count))
        return page_of(image)
    frames = []
    for number in range(count):
        image.seek(number)
        frames.append(np.asarray(page_of(image)))
    return Image.fromarray(np.rint(getattr(np, pages)(frames, axis=0)).astype(np.uint8))


def page_of(image: Image.Image) -> Image.Image | Deep:
    """The current page of an image that Pillow reads in full."""
    image.load()
    upright: Image.Image = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        values = np.asarray(upright)
        if upright.mode == "I" and values.min() >= 0 and values.max() < 65536:
            values = values.astype(np.uint16)  # Pillow has no other type for what a file stores in 16 bits
        clear = upright.info.get("transparency")
        alpha = (values != clear).astype(np.float32) if isinstance(clear, int) else None
        return Deep(values[..., None], alpha)
    if not upright.has_transparency_data and upright.mode not in ("La", "RGBa", "PA"):
        return upright.convert("RGB")
    if upright.mode in ("La", "RGBa"):
        upright = upright.convert({"La": "LA", "RGBa": "RGBA"}[upright.mode])
    colored = upright.convert("RGBA")
    paper = Image.new("RGBA", colored.size, "white")
    return Image.alpha_composite(paper, colored).convert("RGB")


def of_png(image: Image.Image) -> Image.Image | Deep:
    """A PNG; Pillow alone would drop the lower 8 of 16 bits in color."""
    tile = image.tile[0] if isinstance(image, ImageFile.ImageFile) and image.tile else None
    raw = tile.args if tile else None
    if raw not in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return page_of(image)
    assert isinstance(image, ImageFile.ImageFile) and tile is not None
    if raw == "LA;16B":
        image.tile = [tile._replace(args="RGBA")]
        image.load()
        parts = np.asarray(image).astype(np.uint16)
        values = _joined(parts[..., 0::2], parts[..., 1::2])
    else:
        values = both_bytes(Path(os.fsdecode(image.filename)), raw.removesuffix(";16B"), "big")
    # Last: Pillow reads all of a PNG to know it, which leaves nothing to be unpacked in another way.
    turns = ORIENTATIONS.get(image.getexif().get(0x0112, 1), ())
    if values.shape[2] in (2, 4):
        return Deep(values[..., :-1], values[..., -1], turns=turns)
    return Deep(values, turns=turns)


def both_bytes(path: Path, colors: str, order: Literal["big", "little"], page: int = 0) -> NDArray[np.uint16]:
    """Numbers of 16 bits in several channels, of which Pillow itself would keep the upper byte.

    Args:
        path: The file.
        colors: `RGB` or `RGBA`.
        order: The order of the two bytes where Pillow unpacks them.
        page: From 0.

    Returns:
        Shape (height, width, channels).
    """
    upper, lower = ("B", "L") if order == "big" else ("L", "B")
    halves = []
    for end in (upper, lower):
        with Image.open(path) as image:
            assert isinstance(image, ImageFile.ImageFile)
            image.seek(page)
            tile, mode = image.tile[0], f"{colors};16{end}"
            args = tile.args
            image.tile = [tile._replace(args=(mode, *args[1:]) if isinstance(args, tuple) else mode)]
            image.load()
            halves.append(np.asarray(image).astype(np.uint16))
    return _joined(*halves)


def _joined(upper: NDArray[np.uint16], lower: NDArray[np.uint16]) -> NDArray[np.uint16]:
    both: NDArray[np.uint16] = (upper << np.uint16(8)) | lower
    return both
