"""The search for images that are only moved: how well textures agree at the best of all shifts."""

from collections.abc import Callable, Sequence

import numpy as np

LEAST_OVERLAP = 0.1
"""Least common part of two images, as a share of the largest image's frame."""

_BLOCK = 512  # images whose spectra are held at a time
_BATCH = 32  # pairs per inverse FFT: stays within the processor's cache


def moved_peaks(
    known: Sequence[np.ndarray],
    asked: Sequence[np.ndarray] | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """How far the best shift of each pair stands out from all its others.

    Args:
        known: Textures, each (height, width).
        asked: Textures that are sought among them; None: `known` among themselves, each pair looked at once.
        progress: Told (pairs done, all pairs).

    Returns:
        float32, shape (asked, known): peak of the cross-correlation, in root mean squares over all shifts;
        0 for an image and itself.
    """
    from scipy import fft

    itself = asked is None
    asked = known if asked is None else asked
    height, width = np.max([texture.shape for texture in (*known, *asked)], axis=0)
    padded = (fft.next_fast_len(int(2 * height)), fft.next_fast_len(int(2 * width)))
    down = np.minimum(np.arange(padded[0]), padded[0] - np.arange(padded[0]))
    right = np.minimum(np.arange(padded[1]), padded[1] - np.arange(padded[1]))
    overlap = np.outer(np.maximum(height - down, 0), np.maximum(width - right, 0))
    enough = overlap >= LEAST_OVERLAP * height * width
    weight = np.where(enough, 1 / np.sqrt(np.maximum(overlap, 1)), 0).astype(np.float32)

    def spectra(textures: Sequence[np.ndarray]) -> np.ndarray:
        canvas = np.zeros((len(textures), int(height), int(width)), np.float32)
        for image, texture in zip(canvas, textures, strict=True):
            image[: texture.shape[0], : texture.shape[1]] = texture
        return fft.rfft2(canvas, s=padded, workers=-1)

    peaks = np.zeros((len(asked), len(known)), np.float32)
    for start in range(0, len(known), _BLOCK):
        block = spectra(known[start : start + _BLOCK])
        # Among themselves the lower triangle is the upper one again.
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
