"""Images made comparable: small, gray, only their texture, and only where they show something."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wbc.duplicates.candidates import detail_of

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

_IN_PLANE = np.array([[[0, 0, 0]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0]] * 3], bool)
"""Neighbors within one image of a stack."""
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of the channels, ITU-R BT.601
_FILL_TOLERANCE = 6  # gray levels; how far JPEG spreads one color
_SMALLEST_FILL = 0.03  # share of an image below which nothing counts as filled

Picture = Callable[[], NDArray[np.uint8]]
"""Reads an image; uint8, shape (height, width, 3)."""

Mask = NDArray[np.bool_]
Texture = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """An image reduced to its texture; both arrays have the shape (height, width)."""

    texture: Texture
    """Gray, high-pass filtered and clipped; mean 0 and variance 1 where `valid`, else 0."""
    valid: Mask
    """Where the image shows something; False where it was painted in one color."""

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
        valid: Mask = np.all(self.valid[:height, :width].reshape(shape), axis=(1, 3))
        texture *= valid
        deviation = np.sqrt((texture**2).sum() / max(1, valid.sum()))
        return Frame(texture / np.float32(max(deviation, 1e-6)), valid)


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


def side_of(pictures: Sequence[Picture]) -> int:
    """The same for images that have to be read. Where they are large, one tells enough."""
    largest = 0
    for picture in pictures:
        largest = max(largest, min(picture().shape[:2]))
        if largest >= SIDE:
            break
    return side_for(largest)


def make_frames(pictures: Sequence[NDArray[np.uint8]], scale: float = 1.0, side: int = SIDE) -> list[Frame]:
    """The frames of images; many at once take far less time than each alone.

    Args:
        pictures: uint8, shape (height, width, 3).
        scale: Above 1 the images are enlarged: the middle of a rotated copy on a larger canvas then fits the
            original.
        side: Of the frame at scale 1, see `side_for`.
    """
    longest = LONGEST * side * max(1.0, scale)
    of_shape: dict[tuple[int, ...], list[int]] = {}
    resized = []
    for index, picture in enumerate(pictures):
        factor = side * scale / min(picture.shape[:2])
        width, height = (int(min(round(own * factor), longest)) for own in picture.shape[1::-1])
        small = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)  # antialiased
        resized.append(np.asarray(small))
        of_shape.setdefault((height, width), []).append(index)
    frames: dict[int, Frame] = {}
    for indices in of_shape.values():
        pixels = np.stack([resized[index] for index in indices]).astype(np.float32)
        textures, valid = _textures(pixels @ _GRAY, ~_filled(pixels), BLUR * side)
        frames.update(zip(indices, map(Frame, textures, valid), strict=True))
    return [frames[index] for index in range(len(pictures))]


def centers(frames: Sequence[Frame], side: int) -> NDArray[np.float32]:
    """The middles of textures; shape (frames, side, side)."""
    squares = np.zeros((len(frames), side, side), np.float32)
    for square, frame in zip(squares, frames, strict=True):
        top, left = (max(0, (own - side) // 2) for own in frame.texture.shape)
        middle = frame.texture[top : top + side, left : left + side]
        down, right = ((side - own) // 2 for own in middle.shape)
        square[down : down + middle.shape[0], right : right + middle.shape[1]] = middle
    return squares


def _filled(pixels: NDArray[np.float32]) -> Mask:
    """What was painted in one color from the edge inwards: a background, the corners of a rotated image.

    Args:
        pixels: Shape (images, height, width, 3).

    Returns:
        Shape (images, height, width).
    """
    from scipy.ndimage import label

    filled = np.zeros(pixels.shape[:3], bool)
    border = np.concatenate([pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1)
    distance = np.abs(pixels - _most_common(border)[:, None, None])
    near = np.maximum(np.maximum(distance[..., 0], distance[..., 1]), distance[..., 2]) <= _FILL_TOLERANCE
    few = near.mean(axis=(1, 2)) < _SMALLEST_FILL
    near[few] = False
    if few.all():
        return filled
    pieces, number = label(near, _IN_PLANE)
    touching = np.zeros(number + 1, bool)
    for edge in (pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1]):
        touching[edge] = True
    touching[0] = False
    reached = touching[pieces]
    share = reached.mean(axis=(1, 2))
    for index in np.flatnonzero((share >= _SMALLEST_FILL) & (share < 1)):
        paint = pixels[index][reached[index]]
        # Glass is noisy; paint is not.
        if np.square(paint - paint.mean(axis=0)).mean(axis=0).max() <= 1.5**2:
            filled[index] = reached[index]
    return filled


def _most_common(border: NDArray[np.float32]) -> NDArray[np.float32]:
    """The color that most pixels of a border have, about.

    Args:
        border: Shape (images, pixels, 3).

    Returns:
        Shape (images, 3).
    """
    codes = (border // 8).astype(np.int32) @ np.array([1024, 32, 1], np.int32)
    ordered = np.sort(codes, axis=1)
    places = np.arange(codes.shape[1])
    changes = np.diff(ordered, axis=1, prepend=-1) != 0
    runs = places - np.maximum.accumulate(np.where(changes, places, 0), axis=1)
    rows = np.arange(len(border))
    same = codes == ordered[rows, runs.argmax(axis=1), None]
    colors = np.sort(np.where(same[..., None], border, np.inf), axis=1)
    count = same.sum(axis=1)
    median: NDArray[np.float32] = (colors[rows, (count - 1) // 2] + colors[rows, count // 2]) / 2
    return median


def _textures(gray: NDArray[np.float32], valid: Mask, blur: float) -> tuple[NDArray[np.float32], Mask]:
    """The textures where `valid`, and where they hold; the rim of a painted area is left out.

    Args:
        gray: Shape (images, height, width).
        valid: The same shape.
        blur: Standard deviation, pixels.
    """
    from scipy.ndimage import gaussian_filter

    if valid.all():
        smooth, inner = gaussian_filter(gray, (0, blur, blur)), valid
    else:
        weight = gaussian_filter(valid.astype(np.float32), (0, blur, blur))
        smooth = gaussian_filter(gray * valid, (0, blur, blur)) / np.maximum(weight, 1e-3)
        inner = _eroded(_eroded(valid))

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = np.maximum(1, inner.sum(axis=(1, 2), keepdims=True)).astype(np.float32)
        means: NDArray[np.float32] = values.sum(axis=(1, 2), keepdims=True) / pixels
        return means

    texture = (gray - smooth) * inner
    limit = mean(np.abs(texture))
    # Clipped, so that detail everywhere counts and not the few strong edges of the white cell.
    texture = np.clip(texture, -2 * limit, 2 * limit)
    texture = (texture - mean(texture)) * inner
    flat = limit < 1e-3  # only rounding errors
    texture = np.where(flat, 0, texture / np.sqrt(np.where(flat, 1, mean(texture**2))))
    return texture.astype(np.float32, copy=False), inner


def _eroded(valid: Mask) -> Mask:
    """Without the pixels that have a neighbor which is not valid."""
    inner = valid.copy()
    inner[:, 1:] &= valid[:, :-1]
    inner[:, :-1] &= valid[:, 1:]
    inner[:, :, 1:] &= valid[:, :, :-1]
    inner[:, :, :-1] &= valid[:, :, 1:]
    return inner
