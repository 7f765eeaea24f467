"""Two cheap searches that propose pairs of images; registration confirms them.

Rings: a search that neither a shift nor a rotation nor a mirror image disturbs. Inside a round window the
magnitude of an image's spectrum hardly depends on a shift. A rotation of the image rotates it, and mirroring
mirrors it. Sampled on rings, both become shifts along the angle. The magnitudes of the Fourier coefficients
along the angle depend on neither (after Reddy and Chatterji, IEEE TIP 1996).

Peaks: a search over all shifts, for images that share only a part of what they show.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RADII = np.arange(3, 40, 1.5)
"""Radii of the rings, in cycles per frame."""
ANGLES = 90
"""Samples of a ring; they cover 180 degrees, because a magnitude repeats after that."""
ORDERS = 24
"""Fourier coefficients that describe a ring."""

SMALLEST_OVERLAP = 0.1
"""Smallest area that two shifted images share, as a share of the frame of the largest image."""

CHANCE = 12.0
"""Standard deviations of chance that a match has to exceed.

So many, because thousands of shifts and angles are tried for every pair, and because pictures of one kind
resemble each other: unrelated drawn cells of 28 and 64 pixels reach 10.1. The faintest second photograph among
crops of BCCD reaches 13.2 (`tests/real`). Digits of 8 x 8 pixels reach 12.6; they are not compared.
"""

SMALLEST_SIDE = 16
"""Pixels of the shorter side of the smallest image that is compared; icons and digits are alike by their kind."""

_FOLDED = 64  # rows into which likenesses are folded
_BLOCK = 512  # images whose spectra are held at a time
_BATCH = 32  # pairs per inverse FFT: fits into the processor's cache


def detail_of(texture: NDArray[np.float32]) -> float:
    """The number of independent details of a texture: the participation ratio of its power spectrum.

    The correlation of two unrelated textures varies by about one over its square root (after Bartlett). It is
    small where an image is smooth, or was enlarged from few pixels.

    Args:
        texture: Shape (height, width).
    """
    from scipy import fft

    power = np.abs(fft.fft2(texture)) ** 2
    square = float((power**2).sum())
    return float(power.sum()) ** 2 / square if square > 0 else 0.0


def least_correlation(details: float, chance: float = CHANCE) -> float:
    """The smallest correlation that is no chance, where so many independent details are compared.

    Fisher's transform makes the correlation normal, with a deviation of one over the root of the details.
    """
    return float(np.tanh(chance / np.sqrt(max(details - 3, 0.1))))


def rings_of(textures: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log-magnitude of the spectra of square textures, ring by ring, without the mean of each ring.

    Args:
        textures: Shape (images, side, side).

    Returns:
        Shape (images, rings, ANGLES); rings that would be finer than the textures are left out.
    """
    from scipy import fft

    count, side, _ = textures.shape
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    distance = np.hypot(axis[:, None], axis[None, :])
    window = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0).astype(np.float32)
    # Half of the spectrum is enough: the other half repeats it, as angles beyond 180 degrees do.
    magnitude = np.abs(fft.rfft2(textures * window, s=(2 * side, 2 * side), axes=(2, 1)))
    rings = np.log1p(_sampling(side) @ magnitude.reshape(count, -1).T).T.reshape(count, -1, ANGLES)
    centered: NDArray[np.float32] = rings - rings.mean(axis=2, keepdims=True)
    return centered


@lru_cache(maxsize=4)
def _sampling(side: int) -> Any:
    """A sparse matrix that takes rings out of half a spectrum, interpolating between its four neighbors."""
    from scipy.sparse import csr_array

    radii = 2 * RADII[side / 2 > RADII, None]
    angles = np.arange(ANGLES) * np.pi / ANGLES
    down, right = (radii * np.sin(angles)).ravel(), (radii * np.cos(angles)).ravel()
    top, left = np.floor(down).astype(int), np.floor(right).astype(int)
    below, aside = down - top, right - left
    columns, weights = [], []
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        columns.append((top + y) * 2 * side + (left + x) % (2 * side))
        weights.append(np.abs(1 - y - below) * np.abs(1 - x - aside))
    rows = np.tile(np.arange(down.size), 4)
    where = (rows, np.concatenate(columns))
    shape = (down.size, (side + 1) * 2 * side)
    return csr_array((np.concatenate(weights).astype(np.float32), where), shape=shape)


def described(rings: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.complex64]]:
    """What searches compare of rings.

    Args:
        rings: Shape (images, rings, ANGLES).

    Returns:
        Descriptors, which no rotation changes: shape (images, numbers), each of norm 1, or all zero. And Fourier
        coefficients along the angle, of norm 1 as `ring_curves` compares them: (images, rings, coefficients).
    """
    from scipy import fft

    spectra = fft.rfft(rings, axis=2)
    descriptors = np.abs(spectra[:, :, 1 : ORDERS + 1]).reshape(len(rings), -1)
    descriptors /= np.maximum(1e-6, np.linalg.norm(descriptors, axis=1, keepdims=True))
    norms = np.sqrt((rings**2).sum(axis=(1, 2), keepdims=True))
    return descriptors, spectra / np.where(norms > 0, norms, 1)


def nearest(
    known: NDArray[np.float32], asked: NDArray[np.float32], itself: NDArray[np.bool_], count: int
) -> NDArray[np.intp]:
    """The places of the `count` known descriptors that are most alike, for each that is asked.

    Args:
        known: Descriptors, shape (known, numbers).
        asked: Shape (asked, numbers).
        itself: Shape (asked, known): what an image is not compared with.
        count: At most the number of known ones.

    Returns:
        Shape (asked, count), in no order.
    """
    likeness = np.where(itself, np.float32(-2), asked @ known.T)
    # The best of many are in the columns with the highest maxima: those are cheap to find.
    columns = likeness.shape[1] // _FOLDED
    if columns <= count:
        return _highest(likeness, count)
    whole = columns * _FOLDED
    highest = _highest(likeness[:, :whole].reshape(len(asked), _FOLDED, columns).max(axis=1), count)
    inside = (highest[:, None] + np.arange(0, whole, columns)[:, None]).reshape(len(asked), -1)
    rest = np.broadcast_to(np.arange(whole, likeness.shape[1]), (len(asked), likeness.shape[1] - whole))
    places = np.concatenate([inside, rest], axis=1)
    best = _highest(np.take_along_axis(likeness, places, axis=1), count)
    return np.take_along_axis(places, best, axis=1)


def _highest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    found: NDArray[np.intp] = np.argpartition(-values, count - 1, axis=1)[:, :count]
    return found


def ring_curves(known: NDArray[np.complex64], asked: NDArray[np.complex64]) -> NDArray[np.float32]:
    """The correlation of rings at every angle.

    Args:
        known: See `described`; shape (asked, known, rings, coefficients).
        asked: Shape (asked, rings, coefficients).

    Returns:
        Shape (asked, known, 2, ANGLES): as they are, and with the one that is asked mirrored.
    """
    from scipy import fft

    plain = np.einsum("akrf,arf->akf", known, np.conj(asked))
    mirrored = np.einsum("akrf,arf->akf", known, asked)
    curves: NDArray[np.float32] = fft.irfft(np.stack([plain, mirrored], axis=2), n=ANGLES)
    return curves


def likely_angles(curves: NDArray[np.float32], tops: int = 2) -> list[tuple[bool, float]]:
    """By which angles an image may be rotated against another.

    Args:
        curves: See `ring_curves`; shape (2, ANGLES).
        tops: Number of angles.

    Returns:
        (mirrored, degrees), the best first. Degrees are known up to 180.
    """
    found = []
    for mirrored, curve in zip((False, True), curves, strict=True):
        left = curve.copy()
        for _ in range(tops):
            top = int(left.argmax())
            before, here, after = map(float, (curve[top - 1], curve[top], curve[(top + 1) % ANGLES]))
            bend = before - 2 * here + after
            between = 0.5 * (before - after) / bend if bend else 0.0  # the vertex of a parabola
            found.append((here, mirrored, (top + between) * 180 / ANGLES))
            left[np.arange(top - 2, top + 3) % ANGLES] = -np.inf
    return [(mirrored, degrees) for _, mirrored, degrees in sorted(found, reverse=True)[:tops]]


def shift_peaks(
    known: Sequence[NDArray[np.float32]],
    asked: Sequence[NDArray[np.float32]],
    wanted: NDArray[np.bool_],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float32]:
    """How far the best shift of each pair exceeds all its other shifts.

    Args:
        known: Textures, each of shape (height, width).
        asked: Textures that are searched for among them.
        wanted: Shape (asked, known): the pairs that are compared.
        progress: Called with (pairs done, all pairs).

    Returns:
        Shape (asked, known): peak of the cross-correlation, in root mean squares over all shifts; 0 where
        it is not wanted.
    """
    from scipy import fft

    height, width = np.max([texture.shape for texture in (*known, *asked)], axis=0)
    padded = (fft.next_fast_len(int(2 * height)), fft.next_fast_len(int(2 * width)))
    down = np.minimum(np.arange(padded[0]), padded[0] - np.arange(padded[0]))
    right = np.minimum(np.arange(padded[1]), padded[1] - np.arange(padded[1]))
    overlap = np.outer(np.maximum(height - down, 0), np.maximum(width - right, 0))
    enough = overlap >= SMALLEST_OVERLAP * height * width
    weight = np.where(enough, 1 / np.sqrt(np.maximum(overlap, 1)), 0).astype(np.float32)

    def spectra(textures: Sequence[NDArray[np.float32]]) -> NDArray[np.complex64]:
        canvas = np.zeros((len(textures), int(height), int(width)), np.float32)
        for image, texture in zip(canvas, textures, strict=True):
            image[: texture.shape[0], : texture.shape[1]] = texture
        block: NDArray[np.complex64] = fft.rfft2(canvas, s=padded, workers=-1)
        return block

    peaks = np.zeros(wanted.shape, np.float32)
    done, total = 0, int(wanted.sum())
    for start in range(0, len(known), _BLOCK):
        block = spectra(known[start : start + _BLOCK])
        for first in range(0, len(asked), _BLOCK):
            here = wanted[first : first + _BLOCK, start : start + _BLOCK]
            if not here.any():
                continue
            queries = np.conj(spectra(asked[first : first + _BLOCK]))
            for row, query in enumerate(queries):
                columns = np.flatnonzero(here[row])
                for left in range(0, len(columns), _BATCH):
                    some = columns[left : left + _BATCH]
                    product = fft.irfft2(block[some] * query, s=padded, workers=-1) * weight
                    flat = product.reshape(len(product), -1)
                    mean_square = np.einsum("ij,ij->i", flat, flat) / enough.sum()
                    peaks[first + row, start + some] = flat.max(axis=1) / np.sqrt(
                        np.maximum(mean_square, 1e-12)
                    )
                done += len(columns)
                if row % 32 == 0 or done == total:
                    progress(done, total)
    return peaks
