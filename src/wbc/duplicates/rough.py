"""Which proposed pairs deserve an exact registration: small frames, rotated in steps, many pairs at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wbc.duplicates.frames import Frame
from wbc.duplicates.registration import LEAST_PIXELS, SHIFTED_OVERLAP, SMALLEST_OVERLAP, Match

_BATCH = 64  # turns per inverse FFT: fits into the processor's cache

_Stack = NDArray[np.float32]
"""Images of one shape, or masks as numbers; shape (images, height, width)."""


@dataclass(frozen=True)
class Turn:
    """Two images, and how the second may be turned before it is shifted."""

    first: Frame
    second: Frame
    mirrored: bool = False
    angle: float | None = None
    """Degrees, known up to 180; None: the second is only shifted, and not tried upside down."""


def rough_matches(turns: Sequence[Turn]) -> list[Match]:
    """The best match of each turn, by small frames; its angle is right, its correlation about."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for index, one in enumerate(turns):
        shapes = one.first.small.texture.shape, one.second.small.texture.shape
        alike.setdefault((*shapes, one.angle is None), []).append(index)
    found: dict[int, Match] = {}
    for indices in alike.values():
        indices.sort(key=lambda index: turns[index].angle or 0.0)
        for start in range(0, len(indices), _BATCH):
            some = indices[start : start + _BATCH]
            found.update(zip(some, _matched([turns[index] for index in some]), strict=True))
    return [found[index] for index in range(len(turns))]


def _matched(turns: list[Turn]) -> list[Match]:
    """The same for small frames of equal shapes that are all rotated, or all not."""
    from scipy import fft

    turned = turns[0].angle is not None
    first, first_valid = _stacked([one.first.small for one in turns])
    second, second_valid = _stacked([one.second.small for one in turns])
    for index, one in enumerate(turns):
        if one.mirrored:
            second[index] = second[index, :, ::-1].copy()
            second_valid[index] = second_valid[index, :, ::-1].copy()
    whole = first_valid.all(axis=(1, 2)) & second_valid.all(axis=(1, 2))
    shown = np.minimum(first_valid.sum(axis=(1, 2)), second_valid.sum(axis=(1, 2)))
    least = np.maximum(LEAST_PIXELS, (SMALLEST_OVERLAP if turned else SHIFTED_OVERLAP) * shown)
    steps = np.array([round(one.angle or 0.0) % 360 for one in turns])
    if turned:
        second, second_valid = _rotated(second, second_valid, steps % 180)
    height, width = first.shape[1:]
    padded = tuple(map(fft.next_fast_len, np.add((height, width), second.shape[1:]).tolist()))
    overlaps = np.zeros((len(turns), 1 + turned, *padded), np.float32)
    for step in set((steps[whole] % 180).tolist()):  # the masks of those are the same
        same = np.flatnonzero(whole & (steps % 180 == step))
        any_one = same[:1]
        overlaps[same] = _correlated(first_valid[any_one], second_valid[any_one], padded, turned)
    if not whole.all():
        overlaps[~whole] = _correlated(first_valid[~whole], second_valid[~whole], padded, turned)
    scores = _correlated(first, second, padded, turned) / np.sqrt(np.maximum(overlaps, 1))
    scores[overlaps < least[:, None, None, None]] = -np.inf
    places = np.stack(np.unravel_index(scores.reshape(len(turns), 1 + turned, -1).argmax(axis=2), padded))
    places -= np.where(places >= np.reshape((height, width), (2, 1, 1)), np.reshape(padded, (2, 1, 1)), 0)
    correlations = [_overlap_correlations(first, first_valid, second, second_valid, places[:, :, 0])]
    if turned:
        flipped = second[:, ::-1, ::-1], second_valid[:, ::-1, ::-1]
        correlations.append(_overlap_correlations(first, first_valid, *flipped, places[:, :, 1]))
    best = np.argmax(correlations, axis=0)
    # From the place of the corner to that of the middle, which no rotation moves.
    middles = np.subtract(second.shape[1:], (height, width)) / 2
    matches = []
    for index, (turn, step, way) in enumerate(zip(turns, steps, best, strict=True)):
        below, aside = (places[:, index, way] + middles) / min(height, width)
        angle = ((turn.angle or 0.0) + 180 * (bool(way) != bool(step >= 180))) % 360
        correlation = float(correlations[way][index])
        matches.append(Match(correlation, turn.mirrored, angle, 1.0, (float(below), float(aside))))
    return matches


def _stacked(frames: list[Frame]) -> tuple[_Stack, _Stack]:
    return np.stack([one.texture for one in frames]), np.stack([one.valid for one in frames]).astype(
        np.float32
    )


def _rotated(textures: _Stack, valid: _Stack, steps: NDArray[np.int_]) -> tuple[_Stack, _Stack]:
    """Rotate each image by its degrees, on a canvas that holds every rotation."""
    count, height, width = textures.shape
    side = _canvas(height, width)
    both = np.concatenate([textures.reshape(count, -1), valid.reshape(count, -1)])
    moved = np.empty((2 * count, side * side), np.float32)
    for step in set(steps.tolist()):
        same = np.tile(steps == step, 2)
        moved[same] = (_rotation(height, width, step) @ both[same].T).T
    shown = (moved[count:] > 0.99).astype(np.float32)
    return (moved[:count] * shown).reshape(count, side, side), shown.reshape(count, side, side)


def _canvas(height: int, width: int) -> int:
    return int(np.ceil(np.hypot(height, width)))


@lru_cache(maxsize=512)
def _rotation(height: int, width: int, degrees: int) -> Any:
    """A sparse matrix that rotates images around their middle, interpolating between four pixels."""
    from scipy.sparse import csr_array

    side = _canvas(height, width)
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    y, x = np.indices((side, side)).reshape(2, -1) - (side - 1) / 2
    down = cosine * y - sine * x + (height - 1) / 2
    right = sine * y + cosine * x + (width - 1) / 2
    tiny = 1e-6
    inside = (down > -tiny) & (down < height - 1 + tiny) & (right > -tiny) & (right < width - 1 + tiny)
    rows = np.flatnonzero(inside)
    down, right = np.clip(down[inside], 0, height - 1), np.clip(right[inside], 0, width - 1)
    top, left = np.minimum(down.astype(int), height - 2), np.minimum(right.astype(int), width - 2)
    columns, weights = [], []
    for below, aside in ((0, 0), (0, 1), (1, 0), (1, 1)):
        columns.append((top + below) * width + left + aside)
        weights.append((1 - np.abs(down - top - below)) * (1 - np.abs(right - left - aside)))
    where = (np.tile(rows, 4), np.concatenate(columns))
    return csr_array((np.concatenate(weights).astype(np.float32), where), shape=(side * side, height * width))


def _correlated(first: _Stack, second: _Stack, padded: tuple[int, ...], turned: bool) -> NDArray[np.float32]:
    """Cross-correlations at all shifts; with `turned`, also of the second upside down.

    Returns:
        Shape (images, 1 or 2, *padded).
    """
    from scipy import fft

    one, other = fft.rfft2(first, s=padded), fft.rfft2(second, s=padded)
    upright: NDArray[np.float32] = fft.irfft2(one * np.conj(other), s=padded)[:, None]
    if not turned:
        return upright
    # A convolution with what is not turned; its shifts count from the other end.
    back = tuple(1 - side for side in second.shape[1:])
    flipped = np.roll(fft.irfft2(one * other, s=padded), back, axis=(1, 2))
    return np.concatenate([upright, flipped[:, None]], axis=1)


def _overlap_correlations(
    first: _Stack, first_valid: _Stack, second: _Stack, second_valid: _Stack, places: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Correlation coefficients where both show something, at a shift (down, right) of each pair; 0 where little does.

    Args:
        places: Shape (2, images).
    """
    height, width = first.shape[1:]
    edges = ((0, 0), (height, height), (width, width))
    tops, lefts = height - places[0], width - places[1]

    def moved(stack: _Stack) -> _Stack:
        windows = sliding_window_view(np.pad(stack, edges), (height, width), axis=(1, 2))
        found: _Stack = windows[np.arange(len(stack)), tops, lefts]
        return found

    def total(one: _Stack, other: _Stack) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = np.einsum("iyx,iyx->i", one, other).astype(np.float64)
        return sums

    other, other_valid = moved(second), moved(second_valid)
    pixels = total(first_valid, other_valid)
    each = np.maximum(pixels, 1)
    one_sum, other_sum = total(first, other_valid), total(first_valid, other)
    product = total(first, other) - one_sum * other_sum / each
    one_square = total(first * first, other_valid) - one_sum**2 / each
    other_square = total(first_valid, other * other) - other_sum**2 / each
    norm = np.sqrt(np.maximum(one_square, 0) * np.maximum(other_square, 0))
    found = np.where((pixels >= LEAST_PIXELS) & (norm > 1e-6), product / np.maximum(norm, 1e-6), 0)
    return found.astype(np.float32)
