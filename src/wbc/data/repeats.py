"""Repeated photographs of one field of a smear, found by registration.

Two photographs repeat each other when one is the other moved by some pixels, so that part of the field,
and perhaps the same cell, is in both. A split that ignores this puts the same cell into training and test.

Method, for every pair:

1. Texture. The images are high-passed (minus a Gaussian blur) and clipped, so that detail everywhere counts,
   not the few strong edges of the white cell.
2. Screening at about 80 x 60 pixels. The cross-correlation at all shifts comes from one inverse FFT,
   zero-padded so that nothing wraps round. Divided by the root of the overlap's pixels, large overlaps with a
   weak correlation and small ones with a strong correlation stand on one scale. Pairs whose best shift
   does not stand out from all others by `SCREENING` go no further.
3. Confirmation at 160 x 120 pixels: the correlation coefficient of the overlapping parts' texture, over the
   shifts around the one found. `THRESHOLD` and more is a repeat.

Phase correlation alone is not used: the camera leaves a fixed pattern in every photograph, whose peak at
shift zero is often higher than the peak of the true shift.

On the 364 photographs of BCCD the 46 repeats reach 0.71 and more, all other pairs 0.56 and less. Drawn images
with an empty background are another matter: their few edges can agree by chance where the overlap is small.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from pathlib import Path

import numpy as np
from PIL import Image

COARSE_PIXELS = 80 * 60
"""Pixels of the screening frame; its shape follows the images."""
FINE_FACTOR = 2
"""The confirmation frame is larger by this factor, per side."""
COARSE_BLUR, FINE_BLUR = 1.5, 2.0
"""Standard deviation of the high-pass's blur, in pixels of the frame."""
MIN_OVERLAP = 0.09
"""Least common part of two frames. Less holds no whole white cell: in BCCD its box takes 12 % (median)."""
SCREENING = 8.0
"""Least height of the best shift, in root mean squares over all shifts, that is looked at closely."""
THRESHOLD = 0.64
"""Least correlation of the overlap of a repeat."""

METHOD = {
    "version": 2,
    "coarse_pixels": COARSE_PIXELS,
    "fine_factor": FINE_FACTOR,
    "blur": (COARSE_BLUR, FINE_BLUR),
    "min_overlap": MIN_OVERLAP,
    "screening": SCREENING,
    "threshold": THRESHOLD,
}
"""Everything that the result depends on besides the images: the key of a cache."""

_BLOCK = 256  # images whose spectra are held at a time: 20 MB, twice
_BATCH = 32  # pairs per inverse FFT: stays within the processor's cache


@dataclass(frozen=True)
class Repeat:
    """Two photographs of one field.

    Attributes:
        first, second: Indices of the images, `first < second`.
        shift: (down, right) as a fraction of the height and width: what is at `p` in the second image
            is at `p + shift` in the first.
        correlation: Correlation coefficient of the overlapping parts' texture.
    """

    first: int
    second: int
    shift: tuple[float, float]
    correlation: float


def read_field(path: Path, longest: int = 320) -> np.ndarray:
    """Read an image in grey, reduced to `longest` pixels on its longer side.

    Returns:
        uint8 array (height, width).

    Raises:
        OSError: The file is no image, or a damaged one.
    """
    with Image.open(path) as image:
        image.draft("L", (longest, longest))  # lets the JPEG decoder do most of the reduction
        grey = image.convert("L")
    grey.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return np.asarray(grey)


def find_repeats(images: Sequence[np.ndarray]) -> list[Repeat]:
    """Find the pairs of images that show the same field, moved by some pixels.

    Images of different sizes are brought to one frame of the median aspect ratio: a photograph and its
    reduced copy are found, a photograph and a crop of it are not. Rotations and mirror images are not found.
    An image without texture (blank, flat) repeats nothing.

    Args:
        images: Grey images, each (height, width), any range of values.

    Returns:
        The pairs, ordered by their indices. Memory beyond the images themselves: 20 kB per image + 60 MB.
    """
    if len(images) < 2:
        return []
    ratio = float(np.median([image.shape[1] / image.shape[0] for image in images]))
    height = max(8, round(sqrt(COARSE_PIXELS / ratio)))
    coarse = (height, max(8, round(COARSE_PIXELS / height)))
    textures = np.stack([_texture(_resized(image, coarse), COARSE_BLUR) for image in images])

    @lru_cache(maxsize=_BLOCK)
    def detail(index: int) -> np.ndarray:
        fine = (coarse[0] * FINE_FACTOR, coarse[1] * FINE_FACTOR)
        return _texture(_resized(images[index], fine), FINE_BLUR)

    repeats = []
    for first, second, shift in sorted(_candidates(textures)):
        correlation, (down, right) = _confirm(detail(first), detail(second), shift)
        if correlation >= THRESHOLD:
            rows, columns = detail(first).shape
            repeats.append(Repeat(first, second, (down / rows, right / columns), correlation))
    return repeats


def group_fields(count: int, repeats: Sequence[Repeat]) -> list[dict[int, tuple[float, float]]]:
    """Join images that repeat each other, directly or through others, into fields.

    Args:
        count: Number of images.
        repeats: What `find_repeats` found among them.

    Returns:
        One dictionary per field, in the order of its first image: index of the image -> where its upper
        left corner lies in the frame of the field's first image (down, right; fractions of the height and
        width). Every image is in exactly one field, most of them alone.
    """
    neighbours: list[list[tuple[int, float, float]]] = [[] for _ in range(count)]
    for repeat in repeats:
        down, right = repeat.shift
        neighbours[repeat.first].append((repeat.second, down, right))
        neighbours[repeat.second].append((repeat.first, -down, -right))
    fields, seen = [], set()
    for start in range(count):
        if start in seen:
            continue
        corners, waiting = {start: (0.0, 0.0)}, [start]
        while waiting:
            index = waiting.pop(0)
            for other, down, right in neighbours[index]:
                if other not in corners:
                    corners[other] = (corners[index][0] + down, corners[index][1] + right)
                    waiting.append(other)
        seen.update(corners)
        fields.append(dict(sorted(corners.items())))
    return fields


def _resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The image in another shape, averaged where it shrinks; float32."""
    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))


def _texture(image: np.ndarray, blur: float) -> np.ndarray:
    """High-passed, clipped, mean 0 and variance 1; all zero for an image without texture."""
    from scipy.ndimage import gaussian_filter

    texture = image - gaussian_filter(image, blur)
    limit = np.abs(texture).mean()
    if limit <= 1e-5 * np.abs(image).max():  # no more than rounding
        return np.zeros_like(image)
    texture = np.clip(texture, -limit, limit)
    texture -= texture.mean()
    return texture / texture.std()


def _candidates(textures: np.ndarray) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Pairs that pass the screening, each with its shift (down, right) in coarse pixels."""
    from scipy import fft

    count, height, width = textures.shape
    padded = (2 * height, 2 * width)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def spectra(start: int) -> np.ndarray:
        return fft.rfft2(textures[start : start + _BLOCK], s=padded, workers=workers)

    down = np.abs(fft.fftfreq(padded[0], 1 / padded[0]))
    right = np.abs(fft.fftfreq(padded[1], 1 / padded[1]))
    overlap = np.outer(height - down, width - right)
    enough = overlap >= MIN_OVERLAP * height * width
    weight = np.where(enough, 1 / np.sqrt(np.maximum(overlap, 1)), 0).astype(np.float32)

    for start in range(0, count, _BLOCK):
        firsts = spectra(start)
        for other in range(start, count, _BLOCK):
            seconds = np.conj(firsts if other == start else spectra(other))
            for row, first in enumerate(firsts, start):
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


def _confirm(first: np.ndarray, second: np.ndarray, shift: tuple[int, int]) -> tuple[float, tuple[int, int]]:
    """The highest correlation of the overlap around a coarse shift, and its shift in fine pixels."""
    near = range(-FINE_FACTOR, FINE_FACTOR + 1)
    shifts = [(FINE_FACTOR * shift[0] + y, FINE_FACTOR * shift[1] + x) for y in near for x in near]
    return max((overlap_correlation(first, second, fine), fine) for fine in shifts)


def overlap_correlation(first: np.ndarray, second: np.ndarray, shift: tuple[int, int]) -> float:
    """Correlation coefficient of the parts that two images share.

    Args:
        first, second: Arrays of one shape (height, width).
        shift: (down, right) in pixels: what is at `p` in `second` is at `p + shift` in `first`.

    Returns:
        Between -1 and 1; 0 where either part is flat or the overlap is below `MIN_OVERLAP`.
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
