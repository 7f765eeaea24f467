"""Pairs of images, of different splits or of one set, that show the same thing."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wbc.duplicates.candidates import CHANCE, SMALLEST_SIDE, angles_between, ring_matches, shift_peaks
from wbc.duplicates.frames import BLUR, COARSE, LEAST_SIDE, LONGEST, SIDE, Frame, make_frame, side_for
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
SMALLEST_RING_MATCH, OF_SMALL_FRAMES = 0.2, 0.3
"""Smallest correlation of the rings of a pair that is registered. Frames of `LEAST_SIDE` have fewer rings: chance
reaches 0.29, and copies 0.38 or more (`make near-duplicates`)."""
ANGLES = 2
"""How many of the likely angles of a pair are tried, each upside down as well."""
SMALLEST_PEAK = 5.0
"""Smallest peak of the best shift of a pair that is registered, in root mean squares over all shifts."""
EXHAUSTIVE_PAIRS = 400_000
"""Pairs of images of two splits up to which shifts of every size are searched; each takes some time."""
EXHAUSTIVE_IMAGES = 1_640
"""The same limit for images without splits: by default, no two splits of so many have more pairs."""

METHOD = {
    "version": 3,
    "chance": (CHANCE, SMALLEST_SIDE),
    "frame": (LEAST_SIDE, SIDE, LONGEST, BLUR, COARSE),
    "search": (
        SCALES,
        NEIGHBORS,
        ANGLES,
        SMALLEST_RING_MATCH,
        OF_SMALL_FRAMES,
        SMALLEST_PEAK,
        EXHAUSTIVE_IMAGES,
    ),
    "registration": (THRESHOLD, SMALLEST_OVERLAP, SHIFTED_THRESHOLD, SHIFTED_OVERLAP),
}
"""Everything besides the images that `Gallery.within` depends on: the key of a cache."""

Picture = Callable[[], NDArray[np.uint8]]
"""Reads an image; uint8, shape (height, width, 3)."""

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""

Seen = tuple[NDArray[np.float32], NDArray[np.complex64]]
"""Descriptor and spectrum of a frame, see `wbc.duplicates.candidates`."""

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


def _frame(picture: Picture, side: int) -> tuple[Frame, int]:
    """The frame of an image, and the pixels of its shorter side."""
    pixels = picture()
    return make_frame(pixels, side=side), min(pixels.shape[:2])


def _side_of_frames(pictures: Sequence[Picture]) -> int:
    """For all of them. Where images are large, one tells enough."""
    largest = 0
    for picture in pictures:
        largest = max(largest, min(picture().shape[:2]))
        if largest >= SIDE:
            break
    return side_for(largest)


class Gallery:
    """Images that are searched, once or several times, for pairs that show the same thing.

    Found are copies of another size or compression. They may be mirrored, rotated by any angle, within their
    frame or on a larger canvas, and shifted by a tenth. In sets that are not too large, photographs are also
    found that share only an eighth of their field. Registered pairs are remembered. Memory: 110 kB per image, in sets
    that are not too large 200 kB.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self.pictures, self.progress = pictures, progress
        self._registered: dict[Proposal, Match] = {}
        self.side = _side_of_frames(pictures)
        small = (SIDE - self.side) / (SIDE - LEAST_SIDE)
        self.least_match = SMALLEST_RING_MATCH + small * (OF_SMALL_FRAMES - SMALLEST_RING_MATCH)
        self._peaks: NDArray[np.float32] | None = None
        self._seen: dict[tuple[int, float], Seen] = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda picture: _frame(picture, self.side), pictures)
            read = self._counted(found, len(pictures), "read")
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
        # Each pair is seen from both sides, so that one of them is enlarged.
        scales = [scale for scale in SCALES if scale >= 1]
        found = self._matches(images, images, len(images) <= EXHAUSTIVE_IMAGES, "near-duplicates", scales)
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
        self,
        known: list[int],
        asked: list[int],
        all_shifts: bool,
        what: str,
        scales: Sequence[float] = SCALES,
    ) -> list[NearDuplicate]:
        """Every pair that agrees; the first is one of `known`. Some pairs occur twice."""
        known = [index for index in known if self.telling[index]]
        asked = [index for index in asked if self.telling[index]]
        if not known or not asked:
            return []
        descriptors = np.stack([self.frames[index].descriptor for index in known])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            similar = pool.map(lambda index: self._similar(index, known, descriptors, scales), asked)
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

    def _similar(
        self, index: int, known: list[int], descriptors: NDArray[np.float32], scales: Sequence[float]
    ) -> list[Proposal]:
        """The known images that an image resembles at any rotation, each at its most likely scale."""
        itself = np.array(known) == index
        scored: dict[int, tuple[float, float]] = {}
        for scale in scales:
            descriptor, spectrum = self._at_scale(index, scale)
            likeness = np.where(itself, -np.inf, descriptors @ descriptor)
            nearest = np.argpartition(-likeness, min(NEIGHBORS, len(known)) - 1)[:NEIGHBORS]
            places = list(map(int, nearest[~itself[nearest]]))
            spectra = np.array([self.frames[known[place]].spectrum for place in places])
            # Only the most likely scale of a pair is kept: registration corrects the rest.
            for place, match in zip(places, ring_matches(spectra, spectrum) if places else (), strict=True):
                scored[place] = max(scored.get(place, (0.0, 1.0)), (float(match), scale))
        ranked = sorted(scored.items(), key=lambda item: item[1], reverse=True)[:NEIGHBORS]
        return [(known[place], index, scale) for place, (match, scale) in ranked if match >= self.least_match]

    def _at_scale(self, index: int, scale: float) -> Seen:
        """What a search compares of an image; remembered in sets that are searched several times."""
        if (index, scale) in self._seen:
            return self._seen[index, scale]
        frame = self.frames[index] if scale == 1 else make_frame(self.pictures[index](), scale, self.side)
        seen = frame.descriptor, frame.spectrum
        if len(self.frames) <= EXHAUSTIVE_IMAGES:
            self._seen[index, scale] = seen
        return seen

    def _shifted(self, known: list[int], asked: list[int], what: str) -> set[Proposal]:
        """For every image those whose shifted texture agrees best; all pairs are compared."""
        itself = known == asked
        if self._peaks is not None:
            peaks = self._peaks[np.ix_(asked, known)]
        else:
            peaks = shift_peaks(
                [self.frames[index].small.texture for index in known],
                None if itself else [self.frames[index].small.texture for index in asked],
                lambda done, total: self.progress(f"{what}, shifted", done, total),
            )
        if itself:  # the whole set: searches across splits are parts of it
            self._peaks = np.zeros((len(self.frames), len(self.frames)), np.float32)
            self._peaks[np.ix_(asked, known)] = peaks
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
            first, second, scale = pair
            back = self._registered.get((second, first, scale)) if scale is None else None
            self._registered[pair] = back.reversed() if back else self._register_new(*pair)
        return self._registered[pair]

    def _register_new(self, first: int, second: int, scale: float | None) -> Match:
        one, other = self.frames[first], self.frames[second]
        if scale is None:
            return match_shifted(one, other)
        frame = other if scale == 1 else make_frame(self.pictures[second](), scale, self.side)
        likely = angles_between(one.rings, frame.rings)[:ANGLES]
        angles = [(mirrored, angle) for _, mirrored, angle in likely]
        match = match_rotated(one, frame, angles)
        return Match(match.correlation, match.mirrored, match.angle, match.scale * scale, match.shift)
