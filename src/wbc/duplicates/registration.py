"""Whether two images agree pixel by pixel once one is mirrored, rotated, scaled and shifted."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.duplicates.candidates import least_correlation
from wbc.duplicates.frames import Frame, Mask, Texture

THRESHOLD = 0.58
"""Smallest correlation of the overlap of two images that show the same thing."""
SMALLEST_OVERLAP = 0.3
"""Smallest common area of rotated or scaled images, as a share of the smaller image."""
SHIFTED_THRESHOLD, SHIFTED_OVERLAP = 0.64, 0.12
"""The same two limits for images that are only shifted.

So small an area would agree by chance if it could also be rotated.
"""

_HOPELESS = 0.22  # below a threshold, where small corrections of angle and scale cannot help
_ROUGH = 0.25  # below a threshold, where a match of small frames tells enough
LEAST_PIXELS = 64
"""Of an overlap that is compared."""


@dataclass(frozen=True, order=True)
class Match:
    """How the second of two images fits onto the first."""

    correlation: float
    """Correlation coefficient of the overlapping textures, -1 to 1."""
    mirrored: bool = False
    """Mirrored left to right, before the rotation."""
    angle: float = 0.0
    """Degrees by which it is rotated."""
    scale: float = 1.0
    """Factor by which it is enlarged."""
    shift: tuple[float, float] = (0.0, 0.0)
    """(down, right) by which it is shifted, as fractions of the first image's shorter side."""

    def reversed(self) -> "Match":
        """How the first fits onto the second; its shift is right where they are hardly rotated."""
        down, right = self.shift
        angle = self.angle if self.mirrored else -self.angle % 360
        return Match(self.correlation, self.mirrored, angle, 1 / self.scale, (-down, -right))

    def in_words(self) -> str:
        """How the images differ, for people: `rotated by 90 degrees (correlation 0.97)`."""
        angle = (self.angle + 180) % 360 - 180
        words = ["mirrored"] if self.mirrored else []
        if abs(angle) >= 2:
            words.append(f"rotated by {abs(angle):.0f} degrees")
        if abs(self.scale - 1) >= 0.03:
            words.append(f"scaled by {self.scale:.2f}")
        shift = max(map(abs, self.shift))
        if shift >= 0.03:
            words.append(f"shifted by {shift:.0%}")
        return f"{', '.join(words) or 'the same image'} (correlation {self.correlation:.2f})"


def match_rotated(first: Frame, second: Frame, rough: Match) -> Match:
    """The best match near a rough one."""
    return _refine(first, second, _match(first, second, rough, SMALLEST_OVERLAP))


def is_hopeless(rough: Match, first: Frame, second: Frame) -> bool:
    """Whether a match of small frames is so poor that no exact one will pass."""
    return rough.correlation < threshold_for(first, second) - _ROUGH


def match_shifted(first: Frame, second: Frame) -> Match:
    """The best match without rotation.

    The overlap may be as small as `SHIFTED_OVERLAP`; where it is larger, similar scales are tried.
    """
    shifted = _match(first, second, Match(0.0), SHIFTED_OVERLAP)
    overlap = _overlap(first, shifted)
    # The few edges of an empty smear may agree by chance where little is compared.
    least = SHIFTED_THRESHOLD + 0.4 * max(0.0, 0.5 - overlap)
    if shifted.correlation >= max(least, threshold_for(first, second, shifted)):
        return shifted
    if overlap < SMALLEST_OVERLAP + 0.02:  # else it is the best of large overlaps, too
        shifted = _match(first, second, Match(0.0), SMALLEST_OVERLAP)
    return _refine(first, second, shifted)


def threshold_for(first: Frame, second: Frame, match: Match = Match(0.0)) -> float:
    """The smallest correlation of a match: higher where a painted background or little detail says less."""
    shown = min(first.valid.mean(), second.valid.mean())
    usual = THRESHOLD + 0.18 * float(np.clip((0.7 - shown) / 0.2, 0, 1))
    # `CHANCE` is that of matches that compare at least half of the images, with all of their details.
    compared = min(1.0, _overlap(first, match) / 0.5)
    return max(usual, least_correlation(compared * min(first.detail, second.detail)))


def _overlap(first: Frame, match: Match) -> float:
    """The share of the first image that a match compares, but for its rotation and scale."""
    shape = np.array(first.texture.shape)
    return float(np.prod(1 - np.minimum(1, np.abs(match.shift) * shape.min() / shape)))


def _refine(first: Frame, second: Frame, best: Match) -> Match:
    """Correct angle and scale a little where that may decide: boxes drawn by hand differ in size."""
    if not threshold_for(first, second) - _HOPELESS < best.correlation < THRESHOLD + 0.1:
        return best
    for step in (0.05, 0.025):
        for _ in range(3):
            before = best.correlation
            tried = [replace(best, scale=best.scale * factor) for factor in (1 + step, 1 / (1 + step))]
            tried += [replace(best, angle=(best.angle + turn) % 360) for turn in (-60 * step, 60 * step)]
            best = max([best, *(_match(first, second, one, SMALLEST_OVERLAP) for one in tried)])
            if best.correlation < before + 0.02:
                break
    return best


def _match(first: Frame, second: Frame, how: Match, smallest: float) -> Match:
    """Transform the second image as `how` says, and find its shift."""
    return _placed(first, *_transformed(second, how), how, smallest)


def _transformed(frame: Frame, how: Match) -> tuple[Texture, Mask]:
    texture, valid = frame.texture, frame.valid
    if how.mirrored:
        texture, valid = texture[:, ::-1], valid[:, ::-1]
    return _rotated(texture, valid, how.angle, how.scale)


def _placed(first: Frame, texture: Texture, valid: Mask, how: Match, smallest: float) -> Match:
    """Find the shift of an image that is transformed already."""
    down, right = _shift(first.texture, first.valid, texture, valid, smallest)
    correlation = _overlap_correlation(first.texture, first.valid, texture, valid, down, right)
    # From the place of the corner to that of the middle, which no rotation moves.
    middle = np.add((down, right), np.array(texture.shape) / 2) - np.array(first.texture.shape) / 2
    below, aside = middle / min(first.texture.shape)
    return replace(how, correlation=correlation, shift=(float(below), float(aside)))


def _rotated(texture: Texture, valid: Mask, angle: float, scale: float) -> tuple[Texture, Mask]:
    """Rotate and scale around the middle, on a canvas that holds everything."""
    from scipy.ndimage import affine_transform

    if abs((angle + 180) % 360 - 180) < 0.2 and scale == 1:
        return texture, valid
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    height, width = texture.shape
    canvas = (
        int(np.ceil(scale * (abs(height * cosine) + abs(width * sine)))),
        int(np.ceil(scale * (abs(width * cosine) + abs(height * sine)))),
    )
    matrix = np.array([[cosine, -sine], [sine, cosine]]) / scale
    offset = (np.array(texture.shape) - 1) / 2 - matrix @ ((np.array(canvas) - 1) / 2)
    moved = affine_transform(texture, matrix, offset, output_shape=canvas, order=1)
    shown = affine_transform(valid.astype(np.float32), matrix, offset, output_shape=canvas, order=1) > 0.99
    return np.where(shown, moved, 0), shown


def _shift(
    first: Texture, first_valid: Mask, second: Texture, second_valid: Mask, smallest: float
) -> tuple[int, int]:
    """The shift (down, right) at which two textures agree best, weighted as in `wbc.duplicates.shifted`."""
    from scipy import fft

    padded = tuple(fft.next_fast_len(a + b) for a, b in zip(first.shape, second.shape, strict=True))

    def correlated(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
        spectra = (fft.rfft2(image.astype(np.float32), s=padded) for image in (one, other))
        correlation: NDArray[np.float32] = fft.irfft2(next(spectra) * np.conj(next(spectra)), s=padded)
        return correlation

    if first_valid.all() and second_valid.all():
        overlap = _overlaps(first.shape, second.shape, padded)
    else:
        overlap = correlated(first_valid, second_valid)
    enough = overlap >= max(LEAST_PIXELS, smallest * min(first_valid.sum(), second_valid.sum()))
    score = np.where(enough, correlated(first, second) / np.sqrt(np.maximum(overlap, 1)), -np.inf)
    down, right = map(int, np.unravel_index(score.argmax(), padded))
    return (
        down - padded[0] if down >= first.shape[0] else down,
        right - padded[1] if right >= first.shape[1] else right,
    )


@lru_cache(maxsize=64)
def _overlaps(
    first: tuple[int, ...], second: tuple[int, ...], padded: tuple[int, ...]
) -> NDArray[np.float32]:
    """The pixels that two whole rectangles share at every shift, as `_shift` counts shifts."""
    shared = []
    for one, other, size in zip(first, second, padded, strict=True):
        shift = np.arange(size)
        shift = np.where(shift >= one, shift - size, shift)
        shared.append(np.maximum(0, np.minimum(one, shift + other) - np.maximum(0, shift)))
    overlaps: NDArray[np.float32] = np.outer(*shared).astype(np.float32)
    return overlaps


def _overlap_correlation(
    first: Texture, first_valid: Mask, second: Texture, second_valid: Mask, down: int, right: int
) -> float:
    """Correlation coefficient where both show something; 0 where that is flat or too small."""
    top, bottom = max(0, down), min(first.shape[0], down + second.shape[0])
    left, end = max(0, right), min(first.shape[1], right + second.shape[1])
    here = (slice(top, bottom), slice(left, end))
    there = (slice(top - down, bottom - down), slice(left - right, end - right))
    both = first_valid[here] & second_valid[there]
    if both.sum() < LEAST_PIXELS:
        return 0.0
    a, b = first[here][both], second[there][both]
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    return float((a * b).sum()) / norm if norm > 0 else 0.0
