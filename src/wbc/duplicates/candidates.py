"""Two cheap searches that propose pairs of images; registration confirms them.

Rings: a search that neither a shift nor a rotation nor a mirror image disturbs. Inside a round window the
magnitude of an image's spectrum hardly depends on a shift. A rotation of the image rotates it, and mirroring
mirrors it. Sampled on rings, both become shifts along the angle. The magnitudes of the Fourier coefficients
along the angle depend on neither (after Reddy and Chatterji, IEEE TIP 1996).

Peaks: a search over all shifts, for images that share only a part of what they show.
"""

from collections.abc import Callable, Sequence

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


def rings_of(texture: NDArray[np.float32]) -> NDArray[np.float64]:
    """The log-magnitude of a square texture's spectrum, ring by ring, without the mean of each ring.

    Args:
        texture: Shape (side, side).

    Returns:
        Shape (len(RADII), ANGLES).
    """
    from scipy import fft
    from scipy.ndimage import map_coordinates

    side = len(texture)
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    distance = np.hypot(axis[:, None], axis[None, :])
    window = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0)
    magnitude = np.abs(fft.fftshift(fft.fft2(texture * window, s=(2 * side, 2 * side))))
    angles = np.arange(ANGLES) * np.pi / ANGLES
    down = side + 2 * RADII[:, None] * np.sin(angles)
    right = side + 2 * RADII[:, None] * np.cos(angles)
    rings: NDArray[np.float64] = np.log1p(map_coordinates(magnitude, [down, right], order=1))
    centered: NDArray[np.float64] = rings - rings.mean(axis=1, keepdims=True)
    centered[side / 2 <= RADII] = 0  # finer than the texture
    return centered


def descriptor_of(rings: NDArray[np.float64]) -> NDArray[np.float32]:
    """What no rotation changes in the rings: a vector of norm 1, or all zero."""
    spectrum = np.abs(np.fft.rfft(rings, axis=1))[:, 1 : ORDERS + 1].ravel()
    return (spectrum / max(1e-6, float(np.linalg.norm(spectrum)))).astype(np.float32)


def spectrum_of(rings: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Fourier coefficients of rings along the angle, of norm 1 as `ring_matches` compares them."""
    norm = float(np.sqrt((rings**2).sum())) or 1.0
    spectrum: NDArray[np.complex64] = (np.fft.rfft(rings, axis=1) / norm).astype(np.complex64)
    return spectrum


def ring_matches(known: NDArray[np.complex64], asked: NDArray[np.complex64]) -> NDArray[np.float32]:
    """The correlation of rings at the best angle, mirrored or not; see `angles_between`.

    Args:
        known: See `spectrum_of`; shape (images, rings, coefficients).
        asked: Of one image.

    Returns:
        Shape (images,).
    """
    plain = np.einsum("irf,rf->if", known, np.conj(asked))
    mirrored = np.einsum("irf,rf->if", known, asked)
    matches: NDArray[np.float32] = np.fft.irfft(np.stack([plain, mirrored]), n=ANGLES).max(axis=(0, 2))
    return matches


def angles_between(
    first: NDArray[np.float64], second: NDArray[np.float64], tops: int = 2
) -> list[tuple[float, bool, float]]:
    """By which angles one image may be rotated against another.

    Args:
        first: Rings of the one.
        second: Rings of the other.
        tops: Number of angles for mirrored and not mirrored each.

    Returns:
        (correlation of the rings, mirrored, degrees), the best first. Degrees are known up to 180.
    """
    spectrum = np.fft.rfft(first, axis=1)
    norm = np.sqrt(float((first**2).sum()) * float((second**2).sum())) or 1.0
    found = []
    for mirrored in (False, True):
        other = second[:, -np.arange(ANGLES) % ANGLES] if mirrored else second
        product = (spectrum * np.conj(np.fft.rfft(other, axis=1))).sum(axis=0)
        match = np.fft.irfft(product, n=ANGLES) / norm
        taken: list[int] = []
        for top in map(int, np.argsort(-match)):
            if all(min((top - one) % ANGLES, (one - top) % ANGLES) > 2 for one in taken):
                taken.append(top)
                before, here, after = match[top - 1], match[top], match[(top + 1) % ANGLES]
                bend = before - 2 * here + after
                between = 0.5 * (before - after) / bend if bend else 0.0  # the vertex of a parabola
                found.append((float(here), mirrored, float((top + between) * 180 / ANGLES)))
            if len(taken) == tops:
                break
    return sorted(found, reverse=True)


def shift_peaks(
    known: Sequence[NDArray[np.float32]],
    asked: Sequence[NDArray[np.float32]] | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float32]:
    """How far the best shift of each pair exceeds all its other shifts.

    Args:
        known: Textures, each of shape (height, width).
        asked: Textures that are searched for among them. None: `known` among themselves, each pair once.
        progress: Called with (pairs done, all pairs).

    Returns:
        Shape (asked, known): peak of the cross-correlation, in root mean squares over all shifts; 0 for an
        image and itself.
    """
    from scipy import fft

    itself = asked is None
    asked = known if asked is None else asked
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

    peaks = np.zeros((len(asked), len(known)), np.float32)
    for start in range(0, len(known), _BLOCK):
        block = spectra(known[start : start + _BLOCK])
        # Among themselves the lower triangle repeats the upper one.
        ends = min(len(asked), start + len(block)) if itself else len(asked)
        for first in range(0, ends, _BLOCK):
            queries = np.conj(spectra(asked[first : min(first + _BLOCK, ends)]))
            for row, query in enumerate(queries, first):
                begin = max(0, row - start) // _BATCH * _BATCH if itself else 0
                for left in range(begin, len(block), _BATCH):
                    product = fft.irfft2(block[left : left + _BATCH] * query, s=padded, workers=-1) * weight
                    flat = product.reshape(len(product), -1)
                    mean_square = np.einsum("ij,ij->i", flat, flat) / enough.sum()
                    columns = slice(start + left, start + left + len(flat))
                    peaks[row, columns] = flat.max(axis=1) / np.sqrt(np.maximum(mean_square, 1e-12))
                if row % 32 == 0:
                    progress(start * len(asked) + row * len(block), peaks.size)
    if itself:
        peaks = np.triu(peaks, 1)
        peaks += peaks.T
    progress(peaks.size, peaks.size)
    return peaks
