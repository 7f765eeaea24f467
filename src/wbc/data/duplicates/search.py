"""Pairs of images of different parts that show the same thing."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from wbc.data.duplicates.frames import Frame, make_frame
from wbc.data.duplicates.registration import Match, match_moved, match_turned, threshold_for
from wbc.data.duplicates.rings import angles_between

SCALES = (1.0, 0.75, 0.83, 0.91, 0.95, 1.05, 1.1, 1.21, 1.33)
"""At which scales images are searched: a copy may have been turned on a larger canvas, a box drawn wider."""
NEIGHBOURS = 8
"""How many images each image proposes, per search and scale."""
LEAST_RING_MATCH = 0.2
"""Least correlation of the rings of a pair that is registered."""
LEAST_PEAK = 5.0
"""Least height of the best shift, in root mean squares over all shifts, of a pair that is registered."""
EXHAUSTIVE_PAIRS = 400_000
"""Pairs of images of two parts up to which shifts of every size are searched; it takes time for each."""

_BLOCK = 512  # images whose spectra are held at a time

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


@dataclass(frozen=True)
class Duplicate:
    """Two images that show the same thing.

    Attributes:
        first, second: Their indices.
        match: How they agree.
    """

    first: int
    second: int
    match: Match


def searches_all_shifts(parts: Sequence[str]) -> bool:
    """Whether `find_duplicates` looks for shifts of every size between all of these parts."""
    sizes = sorted(Counter(parts).values())
    return len(sizes) < 2 or sizes[-1] * sizes[-2] <= EXHAUSTIVE_PAIRS


def find_duplicates(
    pictures: Sequence[Callable[[], np.ndarray]],
    parts: Sequence[str],
    progress: Progress = lambda what, done, total: None,
) -> list[Duplicate]:
    """Find pairs of different parts that show the same thing.

    Found: copies, of another size or compression, mirrored, turned by any angle, within their frame or on a
    larger canvas, moved by a tenth; and, up to `EXHAUSTIVE_PAIRS` pairs, photographs that share no more than
    an eighth of their field. Of an image that is found in several others of a part, the best is reported.

    Args:
        pictures: A function for each image that reads it, uint8, shape (height, width, 3).
        parts: The part of each image.
        progress: Told how far the work is.

    Returns:
        The pairs, ordered by their indices; the first is of the part that `parts` names first. Memory:
        110 kB an image.
    """
    order = list(dict.fromkeys(parts))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        frames = _counted(
            pool.map(lambda read: make_frame(read()), pictures), len(pictures), "read", progress
        )
        found: list[Duplicate] = []
        for number, earlier in enumerate(order):
            for later in order[number + 1 :]:
                known = [index for index, part in enumerate(parts) if part == earlier]
                asked = [index for index, part in enumerate(parts) if part == later]
                what = f"{later} against {earlier}"
                proposed = _propose(known, asked, frames, pictures, pool, what, progress)
                confirmed = pool.map(lambda pair: _confirm(pair, frames, pictures), proposed)
                matches = _counted(confirmed, len(proposed), f"{what}, registration", progress)
                best: dict[int, Duplicate] = {}
                for (first, second, *_), match in zip(proposed, matches, strict=True):
                    if match.correlation >= threshold_for(frames[first], frames[second]) and (
                        second not in best or match > best[second].match
                    ):
                        best[second] = Duplicate(first, second, match)
                found += best.values()
    return sorted(found, key=lambda one: (one.first, one.second))


def _counted(results, total: int, what: str, progress: Progress) -> list:
    """A list of results, told of as they come."""
    done = []
    for result in results:
        done.append(result)
        if len(done) % 32 == 0 or len(done) == total:
            progress(what, len(done), total)
    return done


Proposal = tuple[int, int, float | None]
"""First, second, and the scale at which the second was alike; None: moved."""


def _propose(known, asked, frames, pictures, pool, what: str, progress: Progress) -> list[Proposal]:
    """The pairs that are worth a registration."""
    proposals = set()
    descriptors = np.stack([frames[index].descriptor for index in known])

    def alike(index: int) -> list[Proposal]:
        picture = pictures[index]()
        scored: dict[int, tuple[float, float]] = {}
        for scale in SCALES:
            frame = frames[index] if scale == 1 else make_frame(picture, scale)
            likeness = descriptors @ frame.descriptor
            nearest = np.argpartition(-likeness, min(NEIGHBOURS, len(known)) - 1)[:NEIGHBOURS]
            for place in map(int, nearest):
                # Among the scales of a pair the likeliest one: registration corrects the rest.
                match = angles_between(frames[known[place]].rings, frame.rings, 1)[0][0]
                scored[place] = max(scored.get(place, (0.0, 1.0)), (match, scale))
        ranked = sorted(scored.items(), key=lambda item: item[1], reverse=True)[:NEIGHBOURS]
        return [(known[place], index, scale) for place, (match, scale) in ranked if match >= LEAST_RING_MATCH]

    for proposed in _counted(pool.map(alike, asked), len(asked), what, progress):
        proposals.update(proposed)
    if len(known) * len(asked) <= EXHAUSTIVE_PAIRS:
        proposals.update(_propose_moved(known, asked, frames, what, progress))
    return sorted(proposals, key=lambda one: (one[0], one[1], one[2] or 0.0))


def _propose_moved(known, asked, frames, what: str, progress: Progress) -> list[Proposal]:
    """For every image those whose texture, moved, agrees best; all pairs are looked at."""
    from scipy import fft

    height, width = np.max([frames[index].small.texture.shape for index in (*known, *asked)], axis=0)
    padded = (fft.next_fast_len(int(2 * height)), fft.next_fast_len(int(2 * width)))
    down = np.minimum(np.arange(padded[0]), padded[0] - np.arange(padded[0]))
    right = np.minimum(np.arange(padded[1]), padded[1] - np.arange(padded[1]))
    overlap = np.outer(np.maximum(height - down, 0), np.maximum(width - right, 0))
    enough = overlap >= 0.1 * height * width
    weight = np.where(enough, 1 / np.sqrt(np.maximum(overlap, 1)), 0).astype(np.float32)

    def spectra(indices) -> np.ndarray:
        canvas = np.zeros((len(indices), int(height), int(width)), np.float32)
        for image, index in zip(canvas, indices, strict=True):
            small = frames[index].small.texture
            image[: small.shape[0], : small.shape[1]] = small
        return fft.rfft2(canvas, s=padded, workers=-1)

    peaks = np.zeros((len(asked), len(known)), np.float32)
    for start in range(0, len(known), _BLOCK):
        block = spectra(known[start : start + _BLOCK])
        for first in range(0, len(asked), _BLOCK):
            queries = np.conj(spectra(asked[first : first + _BLOCK]))
            for row, query in enumerate(queries, first):
                for left in range(0, len(block), 32):  # stays within the processor's cache
                    product = fft.irfft2(block[left : left + 32] * query, s=padded, workers=-1) * weight
                    flat = product.reshape(len(product), -1)
                    mean_square = np.einsum("ij,ij->i", flat, flat) / enough.sum()
                    columns = slice(start + left, start + left + len(flat))
                    peaks[row, columns] = flat.max(axis=1) / np.sqrt(np.maximum(mean_square, 1e-12))
                if row % 32 == 0:
                    progress(f"{what}, moved", start * len(asked) + row * len(block), peaks.size)
    progress(f"{what}, moved", peaks.size, peaks.size)
    nearest = np.argsort(-peaks, axis=1)[:, :NEIGHBOURS]
    return [
        (known[place], asked[row], None)
        for row, places in enumerate(nearest)
        for place in places
        if peaks[row, place] >= LEAST_PEAK
    ]


def _confirm(pair: Proposal, frames: list[Frame], pictures) -> Match:
    first, second, scale = pair
    if scale is None:
        return match_moved(frames[first], frames[second])
    frame = frames[second] if scale == 1 else make_frame(pictures[second](), scale)
    angles = [(mirrored, angle) for _, mirrored, angle in angles_between(frames[first].rings, frame.rings)]
    match = match_turned(frames[first], frame, angles)
    return Match(match.correlation, match.mirrored, match.angle, match.scale * scale, match.shift)
