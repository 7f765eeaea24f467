"""Images made comparable: small, without colour, only their texture, and only where they show something."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from wbc.data.duplicates.rings import descriptor_of, rings_of

SIDE = 96
"""Pixels of a frame's shorter side."""
LONGEST = 288
"""Pixels of a frame's longer side at most; a longer strip is squeezed."""
BLUR = 2.0
"""Standard deviation of the high-pass's blur, in pixels of the frame."""
COARSE = 2
"""Searches go through frames that are smaller by this factor, per side."""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of the channels, ITU-R BT.601
_FILL_TOLERANCE = 6  # grey levels; what JPEG makes of one colour
_LEAST_FILL = 0.03  # share of an image below which nothing counts as filled in


@dataclass(frozen=True)
class Frame:
    """An image reduced to its texture; both arrays have the shape (height, width).

    Attributes:
        texture: High-passed and clipped grey, mean 0 and variance 1 where `valid`, else 0; float32.
        valid: Where the image shows something; False where it was painted in one colour.
    """

    texture: np.ndarray
    valid: np.ndarray

    @cached_property
    def rings(self) -> np.ndarray:
        """See `wbc.data.duplicates.rings.rings_of`."""
        return rings_of(_centre(self.texture))

    @cached_property
    def descriptor(self) -> np.ndarray:
        """See `wbc.data.duplicates.rings.descriptor_of`."""
        return descriptor_of(self.rings)

    @cached_property
    def small(self) -> "Frame":
        """The same, smaller by `COARSE`."""
        height, width = (side // COARSE * COARSE for side in self.texture.shape)
        shape = (height // COARSE, COARSE, width // COARSE, COARSE)
        texture = self.texture[:height, :width].reshape(shape).mean(axis=(1, 3))
        valid = self.valid[:height, :width].reshape(shape).all(axis=(1, 3))
        texture = np.where(valid, texture, 0)
        deviation = np.sqrt((texture**2).sum() / max(1, valid.sum()))
        return Frame((texture / max(deviation, 1e-6)).astype(np.float32), valid)


def read_picture(path: Path) -> np.ndarray:
    """Read an image upright, in colour, no larger than frames at every scale need it.

    Returns:
        uint8, shape (height, width, 3).

    Raises:
        OSError: The file is no image, or a damaged one.
    """
    with Image.open(path) as image:
        image.draft("RGB", (3 * SIDE, 3 * SIDE))  # lets the JPEG decoder do most of the reduction
        image = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(_reduced(image))


def reduce_picture(pixels: np.ndarray) -> np.ndarray:
    """What `read_picture` returns for these pixels, uint8, shape (height, width, 3), written without loss."""
    return np.asarray(_reduced(Image.fromarray(pixels)))


def _reduced(image: Image.Image) -> Image.Image:
    if min(image.size) <= 3 * SIDE:
        return image
    factor = 3 * SIDE / min(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BOX)


def make_frame(picture: np.ndarray, scale: float = 1.0) -> Frame:
    """The frame of an image.

    Args:
        picture: uint8, shape (height, width, 3).
        scale: More than 1 shows the image larger: the middle of a turned copy on a larger canvas then fits
            the original.
    """
    factor = SIDE * scale / min(picture.shape[:2])
    longest = LONGEST * max(1.0, scale)
    size = tuple(int(np.clip(round(side * factor), 8, longest)) for side in picture.shape[1::-1])
    small = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)  # antialiased where it shrinks
    pixels = np.asarray(small).astype(np.float32)
    return Frame(*_texture(pixels @ _GREY, ~_filled_in(pixels)))


def _filled_in(pixels: np.ndarray) -> np.ndarray:
    """What was painted in one colour from the edge inwards: a background, the corners of a turned image."""
    from scipy.ndimage import label

    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    codes = (border // 8).astype(int) @ np.array([1024, 32, 1])
    values, counts = np.unique(codes, return_counts=True)
    colour = np.median(border[codes == values[counts.argmax()]], axis=0)
    pieces, _ = label(np.abs(pixels - colour).max(axis=2) <= _FILL_TOLERANCE)
    edge = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    filled = np.isin(pieces, edge[edge > 0])
    # Glass is noisy; paint is not.
    if filled.mean() < _LEAST_FILL or filled.all() or pixels[filled].std(axis=0).max() > 1.5:
        return np.zeros_like(filled)
    return filled


def _texture(grey: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texture where `valid`, and where it holds: the rim of a painted region is an edge of nobody's."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    weight = gaussian_filter(valid.astype(np.float32), BLUR)
    smooth = gaussian_filter(np.where(valid, grey, 0), BLUR) / np.maximum(weight, 1e-3)
    inner = valid if valid.all() else binary_erosion(valid, iterations=2, border_value=1)
    pixels = max(1, int(inner.sum()))
    texture = np.where(inner, grey - smooth, 0)
    limit = np.abs(texture).sum() / pixels
    if limit < 1e-3:  # no more than rounding
        return np.zeros_like(grey), inner
    # Clipped, so that detail everywhere counts and not the few strong edges of the white cell.
    texture = np.clip(texture, -2 * limit, 2 * limit)
    texture = np.where(inner, texture - texture.sum() / pixels, 0)
    return (texture / np.sqrt((texture**2).sum() / pixels)).astype(np.float32), inner


def _centre(texture: np.ndarray) -> np.ndarray:
    """The middle of a texture, shape (SIDE, SIDE)."""
    square = np.zeros((SIDE, SIDE), np.float32)
    top, left = (max(0, (side - SIDE) // 2) for side in texture.shape)
    middle = texture[top : top + SIDE, left : left + SIDE]
    down, right = ((SIDE - side) // 2 for side in middle.shape)
    square[down : down + middle.shape[0], right : right + middle.shape[1]] = middle
    return square
