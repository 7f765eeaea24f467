"""Whether two images agree pixel by pixel once one is mirrored, turned, scaled and moved."""

from dataclasses import dataclass, replace

import numpy as np

from wbc.data.duplicates.frames import Frame

THRESHOLD = 0.58
"""Least correlation of the overlap of two images that show the same thing."""
LEAST_OVERLAP = 0.3
"""Least common part, as a share of the smaller of the two, of images that are turned or scaled."""
MOVED_THRESHOLD, MOVED_OVERLAP = 0.64, 0.12
"""The same of images that are only moved. So small a part agrees by chance once it may be turned as well."""

_HOPELESS = 0.36  # correlation below which small corrections of angle and scale cannot help


@dataclass(frozen=True, order=True)
class Match:
    """How the second image lies on the first.

    Attributes:
        correlation: Correlation coefficient of the overlapping parts' texture, -1 to 1.
        mirrored: Mirrored left to right, before it is turned.
        angle: Degrees by which it is turned.
        scale: Factor by which it is enlarged.
        shift: (down, right) by which it is moved, as a share of the first one's shorter side.
    """

    correlation: float
    mirrored: bool = False
    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


def match_turned(first: Frame, second: Frame, angles: list[tuple[bool, float]]) -> Match:
    """The best match at given angles, each known up to 180 degrees.

    Args:
        first, second: The images.
        angles: (mirrored, degrees), the likeliest first.
    """
    turns = [(mirrored, (angle + turn) % 360) for mirrored, angle in angles for turn in (0.0, 180.0)]
    tried = [
        _match(first.small, second.small, Match(0.0, mirrored, angle), LEAST_OVERLAP)
        for mirrored, angle in turns
    ]
    best = _match(first, second, max(tried), LEAST_OVERLAP)
    return _refine(first, second, best)


def match_moved(first: Frame, second: Frame) -> Match:
    """The best match without rotation.

    The overlap may be as small as `MOVED_OVERLAP`; where it is larger, scales nearby are tried.
    """
    moved = _match(first, second, Match(0.0), MOVED_OVERLAP)
    overlap = np.prod(1 - np.abs(moved.shift) * min(first.texture.shape) / np.array(first.texture.shape))
    # The few edges of an empty smear may agree by chance where little is compared.
    if moved.correlation >= MOVED_THRESHOLD + 0.4 * max(0.0, 0.5 - overlap):
        return moved
    return _refine(first, second, _match(first, second, Match(0.0), LEAST_OVERLAP))


def threshold_for(first: Frame, second: Frame) -> float:
    """The least correlation of a match, higher where a painted background leaves little to compare."""
    shown = min(first.valid.mean(), second.valid.mean())
    return THRESHOLD + 0.18 * float(np.clip((0.7 - shown) / 0.2, 0, 1))


def _refine(first: Frame, second: Frame, best: Match) -> Match:
    """Correct angle and scale a little, where that may decide: boxes drawn by hand differ in their size."""
    if not _HOPELESS < best.correlation < THRESHOLD + 0.1:
        return best
    for step in (0.05, 0.025):
        for _ in range(3):
            before = best.correlation
            tried = [replace(best, scale=best.scale * factor) for factor in (1 + step, 1 / (1 + step))]
            tried += [replace(best, angle=(best.angle + turn) % 360) for turn in (-60 * step, 60 * step)]
            best = max([best, *(_match(first, second, one, LEAST_OVERLAP) for one in tried)])
            if best.correlation < before + 0.02:
                break
    return best


def _match(first: Frame, second: Frame, how: Match, least: float) -> Match:
    """Turn the second image as `how` says, and find its shift."""
    texture, valid = second.texture, second.valid
    if how.mirrored:
        texture, valid = texture[:, ::-1], valid[:, ::-1]
    texture, valid = _turned(texture, valid, how.angle, how.scale)
    down, right = _shift(first.texture, first.valid, texture, valid, least)
    correlation = _overlap_correlation(first.texture, first.valid, texture, valid, down, right)
    # From the corner's place to that of the middle, which no rotation moves.
    middle = np.add((down, right), np.array(texture.shape) / 2) - np.array(first.texture.shape) / 2
    shift = tuple(float(step) for step in middle / min(first.texture.shape))
    return replace(how, correlation=correlation, shift=shift)


def _turned(
    texture: np.ndarray, valid: np.ndarray, angle: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Turn and scale about the middle, on a canvas that holds everything."""
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
    first: np.ndarray, first_valid: np.ndarray, second: np.ndarray, second_valid: np.ndarray, least: float
) -> tuple[int, int]:
    """The shift (down, right) at which two textures agree best, weighed as in `wbc.data.repeats`."""
    from scipy import fft

    padded = tuple(fft.next_fast_len(a + b) for a, b in zip(first.shape, second.shape, strict=True))

    def correlated(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        spectra = (fft.rfft2(image.astype(np.float32), s=padded) for image in (one, other))
        return fft.irfft2(next(spectra) * np.conj(next(spectra)), s=padded)

    overlap = correlated(first_valid, second_valid)
    enough = overlap >= max(64, least * min(first_valid.sum(), second_valid.sum()))
    score = np.where(enough, correlated(first, second) / np.sqrt(np.maximum(overlap, 1)), -np.inf)
    down, right = map(int, np.unravel_index(score.argmax(), padded))
    return (
        down - padded[0] if down >= first.shape[0] else down,
        right - padded[1] if right >= first.shape[1] else right,
    )


def _overlap_correlation(
    first: np.ndarray,
    first_valid: np.ndarray,
    second: np.ndarray,
    second_valid: np.ndarray,
    down: int,
    right: int,
) -> float:
    """Correlation coefficient where both show something; 0 where that is flat or too little."""
    top, bottom = max(0, down), min(first.shape[0], down + second.shape[0])
    left, end = max(0, right), min(first.shape[1], right + second.shape[1])
    if top >= bottom or left >= end:
        return 0.0
    here = (slice(top, bottom), slice(left, end))
    there = (slice(top - down, bottom - down), slice(left - right, end - right))
    both = first_valid[here] & second_valid[there]
    if both.sum() < 64:
        return 0.0
    a, b = first[here][both], second[there][both]
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0
