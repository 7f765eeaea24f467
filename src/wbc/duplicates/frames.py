"""Images made comparable: small, gray, only their texture, and only where they show something."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wbc.duplicates.candidates import descriptor_of, detail_of, rings_of, spectrum_of

SIDE = 96
"""Pixels of a frame's shorter side, where images have as many."""
LEAST_SIDE = 48
"""The same for the smallest images."""
LONGEST = 3
"""Largest ratio of a frame's sides; a longer strip is squeezed."""
BLUR = 1 / 48
"""Standard deviation of the blur in the high-pass filter, as a share of a frame's shorter side."""
COARSE = 2
"""Searches use frames that are smaller by this factor per side."""

_GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of the channels, ITU-R BT.601
_FILL_TOLERANCE = 6  # gray levels; how far JPEG spreads one color
_SMALLEST_FILL = 0.03  # share of an image below which nothing counts as filled

Mask = NDArray[np.bool_]
Texture = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """An image reduced to its texture; both arrays have the shape (height, width)."""

    texture: Texture
    """Gray, high-pass filtered and clipped; mean 0 and variance 1 where `valid`, else 0."""
    valid: Mask
    """Where the image shows something; False where it was painted in one color."""
    side: int = SIDE
    """Pixels of the shorter side at scale 1."""

    @cached_property
    def rings(self) -> NDArray[np.float64]:
        """See `wbc.duplicates.candidates.rings_of`."""
        return rings_of(_center(self.texture, self.side))

    @cached_property
    def descriptor(self) -> NDArray[np.float32]:
        """See `wbc.duplicates.candidates.descriptor_of`."""
        return descriptor_of(self.rings)

    @cached_property
    def spectrum(self) -> NDArray[np.complex64]:
        """See `wbc.duplicates.candidates.spectrum_of`."""
        return spectrum_of(self.rings)

    @cached_property
    def detail(self) -> float:
        """See `wbc.duplicates.candidates.detail_of`."""
        return detail_of(self.texture)

    @cached_property
    def small(self) -> "Frame":
        """The same frame, smaller by `COARSE`."""
        height, width = (side // COARSE * COARSE for side in self.texture.shape)
        shape = (height // COARSE, COARSE, width // COARSE, COARSE)
        texture = self.texture[:height, :width].reshape(shape).mean(axis=(1, 3))
        valid = np.all(self.valid[:height, :width].reshape(shape), axis=(1, 3))
        texture = np.where(valid, texture, 0)
        deviation = np.sqrt((texture**2).sum() / max(1, valid.sum()))
        return Frame((texture / max(deviation, 1e-6)).astype(np.float32), valid)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read an image upright, in color, no larger than frames of every scale need it.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        OSError: The file is damaged, or not an image.
    """
    with Image.open(path) as image:
        image.draft("RGB", (3 * SIDE, 3 * SIDE))  # lets the JPEG decoder do most of the reduction
        return np.asarray(_reduced(ImageOps.exif_transpose(image).convert("RGB")))


def reduce_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What `read_picture` returns for a lossless file of these pixels; uint8, shape (height, width, 3)."""
    return np.asarray(_reduced(Image.fromarray(pixels)))


def _reduced(image: Image.Image) -> Image.Image:
    if min(image.size) <= 3 * SIDE:
        return image
    factor = 3 * SIDE / min(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BOX)


def side_for(largest: int) -> int:
    """The side of the frames of a set of images: finer than the images they show nothing more, and take longer.

    Args:
        largest: Pixels of the shorter side of the largest image.
    """
    return min(SIDE, max(LEAST_SIDE, 3 * largest // 2 // COARSE * COARSE))


def make_frame(picture: NDArray[np.uint8], scale: float = 1.0, side: int = SIDE) -> Frame:
    """The frame of an image.

    Args:
        picture: uint8, shape (height, width, 3).
        scale: Above 1 the image is enlarged: the middle of a rotated copy on a larger canvas then fits the
            original.
        side: Of the frame at scale 1, see `side_for`.
    """
    factor = side * scale / min(picture.shape[:2])
    longest = LONGEST * side * max(1.0, scale)
    width, height = (int(np.clip(round(own * factor), 8, longest)) for own in picture.shape[1::-1])
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)  # antialiased
    pixels = np.asarray(small).astype(np.float32)
    return Frame(*_texture(pixels @ _GRAY, ~_filled(pixels), BLUR * side), side)


def _filled(pixels: NDArray[np.float32]) -> Mask:
    """What was painted in one color from the edge inwards: a background, the corners of a rotated image."""
    from scipy.ndimage import label

    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    codes = (border // 8).astype(int) @ np.array([1024, 32, 1])
    values, counts = np.unique(codes, return_counts=True)
    color = np.median(border[codes == values[counts.argmax()]], axis=0)
    pieces, _ = label(np.abs(pixels - color).max(axis=2) <= _FILL_TOLERANCE)
    edge = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    filled = np.isin(pieces, edge[edge > 0])
    # Glass is noisy; paint is not.
    if filled.mean() < _SMALLEST_FILL or filled.all() or pixels[filled].std(axis=0).max() > 1.5:
        return np.zeros_like(filled)
    return filled


def _texture(gray: NDArray[np.float32], valid: Mask, blur: float) -> tuple[Texture, Mask]:
    """The texture where `valid`, and where it holds; the rim of a painted area is left out."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    weight = gaussian_filter(valid.astype(np.float32), blur)
    smooth = gaussian_filter(np.where(valid, gray, 0), blur) / np.maximum(weight, 1e-3)
    inner: Mask = valid if valid.all() else binary_erosion(valid, iterations=2, border_value=1)
    pixels = max(1, int(inner.sum()))
    texture: NDArray[Any] = np.where(inner, gray - smooth, 0)
    limit = np.abs(texture).sum() / pixels
    if limit < 1e-3:  # only rounding errors
        return np.zeros_like(gray), inner
    # Clipped, so that detail everywhere counts and not the few strong edges of the white cell.
    texture = np.clip(texture, -2 * limit, 2 * limit)
    texture = np.where(inner, texture - texture.sum() / pixels, 0)
    return (texture / np.sqrt((texture**2).sum() / pixels)).astype(np.float32), inner


def _center(texture: Texture, side: int) -> Texture:
    """The middle of a texture; shape (side, side)."""
    square = np.zeros((side, side), np.float32)
    top, left = (max(0, (own - side) // 2) for own in texture.shape)
    middle = texture[top : top + side, left : left + side]
    down, right = ((side - own) // 2 for own in middle.shape)
    square[down : down + middle.shape[0], right : right + middle.shape[1]] = middle
    return square
