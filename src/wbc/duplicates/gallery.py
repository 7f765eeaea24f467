"""Pairs of images, of different splits or of one set, that show the same thing."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wbc.duplicates.candidates import CHANCE, SMALLEST_SIDE, angles_between, shift_peaks
from wbc.duplicates.frames import BLUR, COARSE, LONGEST, SIDE, Frame, make_frame
from wbc.duplicates.registration import (
    SHIFTED_OVERLAP,
    SHIFTED_THRESHOLD,
    SMALLEST_OVERLAP,
    THRESHOLD,
    Match,
    match_rotated,
    match_shifted,
    threshold_for,
)

SCALES = (1.0, 0.75, 0.83, 0.91, 0.95, 1.05, 1.1, 1.21, 1.33)
"""Scales of the search: a copy may have been rotated on a larger canvas, or its box drawn wider."""
NEIGHBORS = 8
"""How many images each image proposes, per search and scale."""
SMALLEST_RING_MATCH = 0.2
"""Smallest correlation of the rings of a pair that is registered."""
SMALLEST_PEAK = 5.0
"""Smallest peak of the best shift of a pair that is registered, in root mean squares over all shifts."""
EXHAUSTIVE_PAIRS = 400_000
"""Pairs of images of two splits up to which shifts of every size are searched; each takes some time."""
EXHAUSTIVE_IMAGES = 1_640
"""The same limit for images without splits: by default, no two splits of so many have more pairs."""

METHOD = {
    "version": 2,
    "chance": (CHANCE, SMALLEST_SIDE),
    "frame": (SIDE, LONGEST, BLUR, COARSE),
    "search": (SCALES, NEIGHBORS, SMALLEST_RING_MATCH, SMALLEST_PEAK, EXHAUSTIVE_IMAGES),
    "registration": (THRESHOLD, SMALLEST_OVERLAP, SHIFTED_THRESHOLD, SHIFTED_OVERLAP),
}
"""Everything besides the images that `Gallery.within` depends on: the key of a cache."""

Picture = Callable[[], NDArray[np.uint8]]
"""Reads an image; uint8, shape (height, width, 3)."""

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""

Proposal = tuple[int, int, float | None]
"""First, second, and the scale at which the second was similar; None: shifted."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class NearDuplicate:
    """Two images that show the same thing, by their indices."""

    first: int
    second: int
    match: Match


def searches_all_shifts(splits: Sequence[str]) -> bool:
    """Whether `find_near_duplicates` searches for shifts of every size between all of these splits."""
    sizes = sorted(Counter(splits).values())
    return len(sizes) < 2 or sizes[-1] * sizes[-2] <= EXHAUSTIVE_PAIRS


def find_near_duplicates(
    pictures: Sequence[Picture],
    splits: Sequence[str],
    progress: Progress = lambda what, done, total: None,
) -> list[NearDuplicate]:
    """Find pairs of different splits that show the same thing; see `Gallery.across`."""
    return Gallery(pictures, progress).across(splits, list(dict.fromkeys(splits)))


def _frame(picture: Picture) -> tuple[Frame, int]:
    """The frame of an image, and the pixels of its shorter side."""
    pixels = picture()
    return make_frame(pixels), min(pixels.shape[:2])


class Gallery:
    """Images that are searched, once or several times, for pairs that show the same thing.

    Found are copies of another size or compression. They may be mirrored, rotated by any angle, within their
    frame or on a larger canvas, and shifted by a tenth. In sets that are not too large, photographs are also
    found that share only an eighth of their field. Registered pairs are remembered. Memory: 110 kB per image.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self.pictures, self.progress = pictures, progress
        self._registered: dict[Proposal, Match] = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = self._counted(pool.map(_frame, pictures), len(pictures), "read")
        self.frames = [frame for frame, _ in read]
        self.telling = [side >= SMALLEST_SIDE for _, side in read]

    def across(self, splits: Sequence[str], order: Sequence[str]) -> list[NearDuplicate]:
        """Pairs of different splits; shifts of every size are searched up to `EXHAUSTIVE_PAIRS` pairs.

        If an image is found in several others of a split, only the best pair is returned.

        Args:
            splits: The split of each image.
            order: The splits.

        Returns:
            The pairs, ordered by their indices; the first image is of the split that `order` names first.
        """
        found: list[NearDuplicate] = []
        for number, earlier in enumerate(order):
            for later in order[number + 1 :]:
                known = [index for index, split in enumerate(splits) if split == earlier]
                asked = [index for index, split in enumerate(splits) if split == later]
                all_shifts = len(known) * len(asked) <= EXHAUSTIVE_PAIRS
                best: dict[int, NearDuplicate] = {}
                for one in self._matches(known, asked, all_shifts, f"{later} against {earlier}"):
                    if one.second not in best or one.match > best[one.second].match:
                        best[one.second] = one
                found += best.values()
        return sorted(found, key=lambda one: (one.first, one.second))

    def within(self) -> list[NearDuplicate]:
        """Pairs of the whole set; shifts of every size are searched up to `EXHAUSTIVE_IMAGES` images.

        Each image proposes its nearest of the whole set. Where many images are similar, a search across
        splits, which has fewer to choose from, may find other pairs.

        Returns:
            The pairs, ordered by their indices, `first < second`.
        """
        images = list(range(len(self.frames)))
        found = self._matches(images, images, len(images) <= EXHAUSTIVE_IMAGES, "near-duplicates")
        best: dict[tuple[int, int], Match] = {}
        for one in found:
            pair = (min(one.first, one.second), max(one.first, one.second))
            best[pair] = max(best.get(pair, one.match), one.match)
        return [NearDuplicate(*pair, best[pair]) for pair in sorted(best)]

    def _counted(self, results: Iterable[_Result], total: int, what: str) -> list[_Result]:
        """A list of results; progress is reported as they arrive."""
        done = []
        for result in results:
            done.append(result)
            if len(done) % 32 == 0 or len(done) == total:
                self.progress(what, len(done), total)
        return done

    def _matches(
        self, known: list[int], asked: list[int], all_shifts: bool, what: str
    ) -> list[NearDuplicate]:
        """Every pair that agrees; the first is one of `known`. Some pairs occur twice."""
        known = [index for index in known if self.telling[index]]
        asked = [index for index in asked if self.telling[index]]
        if not known or not asked:
            return []
        descriptors = np.stack([self.frames[index].descriptor for index in known])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            similar = pool.map(lambda index: self._similar(index, known, descriptors), asked)
            proposals = {one for some in self._counted(similar, len(asked), what) for one in some}
            if all_shifts:
                proposals |= self._shifted(known, asked, what)
            proposed = sorted(proposals, key=lambda one: (one[0], one[1], one[2] or 0.0))
            matches = self._counted(
                pool.map(self._register, proposed), len(proposed), f"{what}, registration"
            )
        return [
            NearDuplicate(first, second, match)
            for (first, second, _), match in zip(proposed, matches, strict=True)
            if match.correlation >= threshold_for(self.frames[first], self.frames[second])
        ]

    def _similar(self, index: int, known: list[int], descriptors: NDArray[np.float32]) -> list[Proposal]:
        """The known images that an image resembles at any rotation, each at its most likely scale."""
        itself = np.array(known) == index
        picture = self.pictures[index]()
        scored: dict[int, tuple[float, float]] = {}
        for scale in SCALES:
            frame = self.frames[index] if scale == 1 else make_frame(picture, scale)
            likeness = np.where(itself, -np.inf, descriptors @ frame.descriptor)
            nearest = np.argpartition(-likeness, min(NEIGHBORS, len(known)) - 1)[:NEIGHBORS]
            for place in map(int, nearest[~itself[nearest]]):
                # Only the most likely scale of a pair is kept: registration corrects the rest.
                match = angles_between(self.frames[known[place]].rings, frame.rings, 1)[0][0]
                scored[place] = max(scored.get(place, (0.0, 1.0)), (match, scale))
        ranked = sorted(scored.items(), key=lambda item: item[1], reverse=True)[:NEIGHBORS]
        return [
            (known[place], index, scale) for place, (match, scale) in ranked if match >= SMALLEST_RING_MATCH
        ]

    def _shifted(self, known: list[int], asked: list[int], what: str) -> set[Proposal]:
        """For every image those whose shifted texture agrees best; all pairs are compared."""
        itself = known == asked
        peaks = shift_peaks(
            [self.frames[index].small.texture for index in known],
            None if itself else [self.frames[index].small.texture for index in asked],
            lambda done, total: self.progress(f"{what}, shifted", done, total),
        )
        nearest = np.argsort(-peaks, axis=1)[:, :NEIGHBORS]
        pairs = [
            (known[place], asked[row])
            for row, places in enumerate(nearest)
            for place in places
            if peaks[row, place] >= SMALLEST_PEAK
        ]
        # Two that propose each other are registered once: unlike a scale, a shift has no direction.
        return {(min(pair), max(pair), None) if itself else (*pair, None) for pair in pairs}

    def _register(self, pair: Proposal) -> Match:
        if pair not in self._registered:
            self._registered[pair] = self._register_new(*pair)
        return self._registered[pair]

    def _register_new(self, first: int, second: int, scale: float | None) -> Match:
        one, other = self.frames[first], self.frames[second]
        if scale is None:
            return match_shifted(one, other)
        frame = other if scale == 1 else make_frame(self.pictures[second](), scale)
        angles = [(mirrored, angle) for _, mirrored, angle in angles_between(one.rings, frame.rings)]
        match = match_rotated(one, frame, angles)
        return Match(match.correlation, match.mirrored, match.angle, match.scale * scale, match.shift)
