"""Pairs of images, of different parts or of one set, that show the same thing."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from wbc.data.duplicates.frames import BLUR, COARSE, LONGEST, SIDE, make_frame
from wbc.data.duplicates.peaks import moved_peaks
from wbc.data.duplicates.registration import (
    LEAST_OVERLAP,
    MOVED_OVERLAP,
    MOVED_THRESHOLD,
    THRESHOLD,
    Match,
    match_moved,
    match_turned,
    threshold_for,
)
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
EXHAUSTIVE_IMAGES = 1_640
"""The same for images without parts: of so many, dealt by default, two parts have no more pairs."""

METHOD = {
    "version": 1,
    "frame": (SIDE, LONGEST, BLUR, COARSE),
    "search": (SCALES, NEIGHBOURS, LEAST_RING_MATCH, LEAST_PEAK, EXHAUSTIVE_IMAGES),
    "registration": (THRESHOLD, LEAST_OVERLAP, MOVED_THRESHOLD, MOVED_OVERLAP),
}
"""What `Gallery.within` depends on besides the images: the key of a cache."""

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""

Proposal = tuple[int, int, float | None]
"""First, second, and the scale at which the second was alike; None: moved."""


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
    """Find pairs of different parts that show the same thing; see `Gallery.across`."""
    return Gallery(pictures, progress).across(parts, list(dict.fromkeys(parts)))


class Gallery:
    """Images that are searched for pairs that show the same thing, once or several times.

    Found are copies, of another size or compression, mirrored, turned by any angle, within their frame or on
    a larger canvas, moved by a tenth; and, in sets that are not too large, photographs that share no more
    than an eighth of their field. What was registered once is remembered. Memory: 110 kB an image.

    Args:
        pictures: A function for each image that reads it, uint8, shape (height, width, 3).
        progress: Told how far the work is.
    """

    def __init__(
        self,
        pictures: Sequence[Callable[[], np.ndarray]],
        progress: Progress = lambda what, done, total: None,
    ):
        self.pictures, self.progress = pictures, progress
        self._registered: dict[Proposal, Match] = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            frames = pool.map(lambda read: make_frame(read()), pictures)
            self.frames = self._counted(frames, len(pictures), "read")

    def across(self, parts: Sequence[str], order: Sequence[str]) -> list[Duplicate]:
        """Pairs of different parts; shifts of every size are looked for up to `EXHAUSTIVE_PAIRS` pairs.

        Of an image that is found in several others of a part, the best is reported.

        Args:
            parts: The part of each image.
            order: The parts.

        Returns:
            The pairs, ordered by their indices; the first is of the part that `order` names first.
        """
        found: list[Duplicate] = []
        for number, earlier in enumerate(order):
            for later in order[number + 1 :]:
                known = [index for index, part in enumerate(parts) if part == earlier]
                asked = [index for index, part in enumerate(parts) if part == later]
                all_shifts = len(known) * len(asked) <= EXHAUSTIVE_PAIRS
                best: dict[int, Duplicate] = {}
                for one in self._matches(known, asked, all_shifts, f"{later} against {earlier}"):
                    if one.second not in best or one.match > best[one.second].match:
                        best[one.second] = one
                found += best.values()
        return sorted(found, key=lambda one: (one.first, one.second))

    def within(self) -> list[Duplicate]:
        """Pairs of the whole set; shifts of every size are looked for up to `EXHAUSTIVE_IMAGES` images.

        Each image proposes its nearest of the whole set: where many are alike, a search across parts, which
        has fewer to choose from, may find another pair.

        Returns:
            The pairs, ordered by their indices, `first < second`.
        """
        images = list(range(len(self.frames)))
        found = self._matches(images, images, len(images) <= EXHAUSTIVE_IMAGES, "repeats")
        best: dict[tuple[int, int], Match] = {}
        for one in found:
            pair = (min(one.first, one.second), max(one.first, one.second))
            best[pair] = max(best.get(pair, one.match), one.match)
        return [Duplicate(*pair, best[pair]) for pair in sorted(best)]

    def _counted(self, results, total: int, what: str) -> list:
        """A list of results, told of as they come."""
        done = []
        for result in results:
            done.append(result)
            if len(done) % 32 == 0 or len(done) == total:
                self.progress(what, len(done), total)
        return done

    def _matches(self, known: list[int], asked: list[int], all_shifts: bool, what: str) -> list[Duplicate]:
        """Every pair that agrees; the first is one of `known`. Some are there twice."""
        if not known or not asked:
            return []
        descriptors = np.stack([self.frames[index].descriptor for index in known])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            alike = pool.map(lambda index: self._alike(index, known, descriptors), asked)
            proposals = {one for some in self._counted(alike, len(asked), what) for one in some}
            if all_shifts:
                proposals |= self._moved(known, asked, what)
            proposed = sorted(proposals, key=lambda one: (one[0], one[1], one[2] or 0.0))
            matches = self._counted(
                pool.map(self._register, proposed), len(proposed), f"{what}, registration"
            )
        return [
            Duplicate(first, second, match)
            for (first, second, _), match in zip(proposed, matches, strict=True)
            if match.correlation >= threshold_for(self.frames[first], self.frames[second])
        ]

    def _alike(self, index: int, known: list[int], descriptors: np.ndarray) -> list[Proposal]:
        """The known images that an image resembles, whatever the rotation, at the likeliest scale."""
        itself = np.array(known) == index
        picture = self.pictures[index]()
        scored: dict[int, tuple[float, float]] = {}
        for scale in SCALES:
            frame = self.frames[index] if scale == 1 else make_frame(picture, scale)
            likeness = np.where(itself, -np.inf, descriptors @ frame.descriptor)
            nearest = np.argpartition(-likeness, min(NEIGHBOURS, len(known)) - 1)[:NEIGHBOURS]
            for place in map(int, nearest[~itself[nearest]]):
                # Among the scales of a pair the likeliest one: registration corrects the rest.
                match = angles_between(self.frames[known[place]].rings, frame.rings, 1)[0][0]
                scored[place] = max(scored.get(place, (0.0, 1.0)), (match, scale))
        ranked = sorted(scored.items(), key=lambda item: item[1], reverse=True)[:NEIGHBOURS]
        return [(known[place], index, scale) for place, (match, scale) in ranked if match >= LEAST_RING_MATCH]

    def _moved(self, known: list[int], asked: list[int], what: str) -> set[Proposal]:
        """For every image those whose texture, moved, agrees best; all pairs are looked at."""
        itself = known == asked
        peaks = moved_peaks(
            [self.frames[index].small.texture for index in known],
            None if itself else [self.frames[index].small.texture for index in asked],
            lambda done, total: self.progress(f"{what}, moved", done, total),
        )
        nearest = np.argsort(-peaks, axis=1)[:, :NEIGHBOURS]
        pairs = [
            (known[place], asked[row])
            for row, places in enumerate(nearest)
            for place in places
            if peaks[row, place] >= LEAST_PEAK
        ]
        # Two that propose each other are registered once: unlike a scale, a shift has no direction.
        return {(*sorted(pair), None) if itself else (*pair, None) for pair in pairs}

    def _register(self, pair: Proposal) -> Match:
        if pair not in self._registered:
            self._registered[pair] = self._register_anew(*pair)
        return self._registered[pair]

    def _register_anew(self, first: int, second: int, scale: float | None) -> Match:
        one, other = self.frames[first], self.frames[second]
        if scale is None:
            return match_moved(one, other)
        frame = other if scale == 1 else make_frame(self.pictures[second](), scale)
        angles = [(mirrored, angle) for _, mirrored, angle in angles_between(one.rings, frame.rings)]
        match = match_turned(one, frame, angles)
        return Match(match.correlation, match.mirrored, match.angle, match.scale * scale, match.shift)
