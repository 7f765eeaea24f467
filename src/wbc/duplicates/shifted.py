"""Photographs of one field of view between which the camera only shifted, found by registration.

If two photographs show the same part of a smear, perhaps with the same cell, a split must not separate them.
Otherwise that cell would be in both training and test data.

Method, for every pair:

1. Texture. A Gaussian blur is subtracted from each image, and the rest is clipped. Detail everywhere then
   counts, not only the few strong edges of the white cell.
2. Screening at about 80 x 60 pixels. One inverse FFT, padded with zeros against wrap-around, gives the
   cross-correlation at all shifts. It is divided by the square root of the overlap in pixels. A large overlap
   with a weak correlation and a small one with a strong correlation are then comparable. A pair is dropped
   unless its best shift exceeds the others by `SCREENING`.
3. Confirmation at 160 x 120 pixels: the correlation coefficient of the overlapping textures, maximized over
   the shifts around the one found. A pair is accepted at `THRESHOLD` or more, or at what the independent details
   of the overlap require: small and smooth pictures correlate by chance.

Phase correlation alone is not used: the camera leaves a fixed pattern in every photograph, whose peak at
shift zero is often higher than the peak of the true shift.

Among the 364 photographs of BCCD the 46 accepted pairs reach 0.71 and more, all other pairs 0.56 and less.
Synthetic images with an empty background are harder: where the overlap is small, their few edges can agree by
chance.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.duplicates.candidates import SMALLEST_SIDE, detail_of, least_correlation

Progress = Callable[[int, int], None]
"""Called with (pairs done, all pairs)."""

Gray = NDArray[np.uint8] | NDArray[np.floating[Any]]
"""A gray image; shape (height, width), any range of values."""

COARSE_PIXELS = 80 * 60
"""Pixels of the screening frame, or as many as the largest image has; its aspect ratio follows the images."""
FINE_FACTOR = 2
"""The confirmation frame is larger by this factor per side."""
COARSE_BLUR, FINE_BLUR = 1.5, 2.0
"""Standard deviation of the blur in the high-pass filter, in pixels of a frame of `COARSE_PIXELS`."""
MIN_OVERLAP = 0.09
"""Smallest overlap, as a share of a frame. Less shows no whole white cell: its box is 12 % in BCCD."""
SCREENING = 8.0
"""Smallest peak of the best shift for a confirmation, in root mean squares over all shifts."""
THRESHOLD = 0.64
"""Smallest correlation of the overlap in an accepted pair."""

CHANCE = 8.0
"""Standard deviations of chance that the correlation has to exceed: only shifts are tried."""

METHOD = {
    "version": 4,
    "coarse_pixels": COARSE_PIXELS,
    "fine_factor": FINE_FACTOR,
    "blur": (COARSE_BLUR, FINE_BLUR),
    "min_overlap": MIN_OVERLAP,
    "screening": SCREENING,
    "threshold": THRESHOLD,
    "chance": (CHANCE, SMALLEST_SIDE),
}
"""Everything besides the images that the result depends on: the key of a cache."""

_BLOCK = 256  # images whose spectra are held at a time: 20 MB, twice
_BATCH = 32  # pairs per inverse FFT: stays within the processor's cache


@dataclass(frozen=True)
class ShiftedPair:
    """Two photographs of one field of view; `first < second` are the indices of the images."""

    first: int
    second: int
    shift: tuple[float, float]
    """(down, right) as fractions of the height and width: `p` in the second is `p + shift` in the first."""
    correlation: float
    """Correlation coefficient of the overlapping textures."""


def read_gray(path: Path, longest: int = 320) -> NDArray[np.uint8]:
    """Read an image in gray, reduced to `longest` pixels on its longer side.

    Returns:
        uint8 array of shape (height, width).

    Raises:
        OSError: The file is damaged, or not an image.
    """
    with Image.open(path) as image:
        image.draft("L", (longest, longest))  # lets the JPEG decoder do most of the reduction
        gray = image.convert("L")
    gray.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return np.asarray(gray)


def find_shifted_pairs(
    images: Sequence[Gray], progress: Progress = lambda done, total: None
) -> list[ShiftedPair]:
    """Find the pairs of images that show the same field of view, shifted by some pixels.

    Images of different sizes are resized to one frame of the median aspect ratio. A photograph and its
    reduced copy are therefore found, but not a photograph and a crop of it. Rotated and mirrored copies are
    not found either. An image without texture (blank, flat) or of less than `SMALLEST_SIDE` pixels is in no pair.

    Args:
        images: Gray images, each of shape (height, width), with any range of values.
        progress: Called with (pairs done, all pairs).

    Returns:
        The pairs, ordered by their indices. Memory beyond the images themselves: 20 kB per image + 60 MB.
    """
    telling = [index for index, image in enumerate(images) if min(image.shape) >= SMALLEST_SIDE]
    if len(telling) < len(images):
        found = find_shifted_pairs([images[index] for index in telling], progress)
        return [replace(one, first=telling[one.first], second=telling[one.second]) for one in found]
    if len(images) < 2:
        return []
    ratio = float(np.median([image.shape[1] / image.shape[0] for image in images]))
    # Finer than the images a frame shows nothing more, and takes longer.
    pixels = min(COARSE_PIXELS, max(image.size for image in images))
    height = max(8, round(sqrt(pixels / ratio)))
    coarse = (height, max(8, round(pixels / height)))
    finer = sqrt(pixels / COARSE_PIXELS)
    textures = np.stack([_texture(_resized(image, coarse), finer * COARSE_BLUR) for image in images])

    @lru_cache(maxsize=_BLOCK)
    def detail(index: int) -> NDArray[np.float32]:
        fine = (coarse[0] * FINE_FACTOR, coarse[1] * FINE_FACTOR)
        return _texture(_resized(images[index], fine), finer * FINE_BLUR)

    pairs = []
    for first, second, shift in sorted(_candidates(textures, progress)):
        correlation, (down, right) = _confirm(detail(first), detail(second), shift)
        rows, columns = detail(first).shape
        if correlation >= THRESHOLD:
            overlap = (1 - abs(down) / rows) * (1 - abs(right) / columns)
            details = overlap * min(detail_of(detail(first)), detail_of(detail(second)))
            if correlation < least_correlation(details, CHANCE):
                continue
            pairs.append(ShiftedPair(first, second, (down / rows, right / columns), correlation))
    return pairs


def _resized(image: Gray, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The image at another size; where it shrinks, pixels are averaged."""
    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))


def _texture(image: NDArray[np.float32], blur: float) -> NDArray[np.float32]:
    """High-pass filtered, clipped, with mean 0 and variance 1; all zero for an image without texture."""
    from scipy.ndimage import gaussian_filter

    texture = image - gaussian_filter(image, blur)
    limit = np.abs(texture).mean()
    if limit <= 1e-5 * np.abs(image).max():  # only rounding errors
        return np.zeros_like(image)
    texture = np.clip(texture, -limit, limit)
    texture -= texture.mean()
    normalized: NDArray[np.float32] = texture / texture.std()
    return normalized


def _candidates(
    textures: NDArray[np.float32], progress: Progress
) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Pairs that pass the screening, each with its shift (down, right) in coarse pixels."""
    from scipy import fft

    count, height, width = textures.shape
    padded = (2 * height, 2 * width)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def spectra(start: int) -> NDArray[np.complex64]:
        block: NDArray[np.complex64] = fft.rfft2(textures[start : start + _BLOCK], s=padded, workers=workers)
        return block

    down = np.abs(fft.fftfreq(padded[0], 1 / padded[0]))
    right = np.abs(fft.fftfreq(padded[1], 1 / padded[1]))
    overlap = np.outer(height - down, width - right)
    enough = overlap >= MIN_OVERLAP * height * width
    weight = np.where(enough, 1 / np.sqrt(np.maximum(overlap, 1)), 0).astype(np.float32)

    done, total = 0, count * (count - 1) // 2
    for start in range(0, count, _BLOCK):
        firsts = spectra(start)
        for other in range(start, count, _BLOCK):
            seconds = np.conj(firsts if other == start else spectra(other))
            for row, first in enumerate(firsts, start):
                done += max(0, min(other + _BLOCK, count) - max(other, row + 1))
                if row % 8 == 0 or done == total:
                    progress(done, total)
                for left in range(max(other, row + 1), min(other + _BLOCK, count), _BATCH):
                    batch = seconds[left - other : left - other + _BATCH]
                    product = fft.irfft2(first * batch, s=padded, workers=workers)
                    product *= weight
                    flat = product.reshape(len(batch), -1)
                    best = flat.argmax(axis=1)
                    square = np.einsum("ij,ij->i", flat, flat) / enough.sum()
                    peak = flat[np.arange(len(batch)), best]
                    for offset in np.flatnonzero((peak > 0) & (peak >= SCREENING * np.sqrt(square))):
                        y, x = divmod(int(best[offset]), padded[1])
                        shift = (y - padded[0] if y >= height else y, x - padded[1] if x >= width else x)
                        yield row, left + int(offset), shift


def _confirm(
    first: NDArray[np.float32], second: NDArray[np.float32], shift: tuple[int, int]
) -> tuple[float, tuple[int, int]]:
    """The highest correlation of the overlap around a coarse shift, and its shift in fine pixels."""
    near = range(-FINE_FACTOR, FINE_FACTOR + 1)
    shifts = [(FINE_FACTOR * shift[0] + y, FINE_FACTOR * shift[1] + x) for y in near for x in near]
    return max((overlap_correlation(first, second, fine), fine) for fine in shifts)


def overlap_correlation(
    first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]], shift: tuple[int, int]
) -> float:
    """Correlation coefficient of the area that two images share.

    Args:
        first: Shape (height, width).
        second: The same shape.
        shift: (down, right) in pixels: `p` in `second` is `p + shift` in `first`.

    Returns:
        Between -1 and 1; 0 where either area is flat or the overlap is below `MIN_OVERLAP`.
    """
    down, right = shift
    height, width = first.shape
    a = first[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    b = second[max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
    if a.size < MIN_OVERLAP * first.size:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    norm = sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0
