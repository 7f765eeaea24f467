"""Pairs of images, of different splits or of one set, that show the same thing."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wbc.duplicates.candidates import (
    CHANCE,
    SMALLEST_SIDE,
    described,
    likely_angles,
    nearest,
    ring_curves,
    rings_of,
    shift_peaks,
)
from wbc.duplicates.frames import (
    BLUR,
    COARSE,
    LEAST_SIDE,
    LONGEST,
    SIDE,
    Frame,
    Picture,
    centers,
    make_frames,
    side_of,
)
from wbc.duplicates.registration import (
    SHIFTED_OVERLAP,
    SHIFTED_THRESHOLD,
    SMALLEST_OVERLAP,
    THRESHOLD,
    Match,
    is_hopeless,
    match_rotated,
    match_shifted,
    threshold_for,
)
from wbc.duplicates.rough import Turn, rough_matches

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
    "version": 4,
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
        EXHAUSTIVE_PAIRS,
    ),
    "registration": (THRESHOLD, SMALLEST_OVERLAP, SHIFTED_THRESHOLD, SHIFTED_OVERLAP),
}
"""Everything besides the images that searches of a `Gallery` depend on: the key of a cache."""

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""

Seen = tuple[NDArray[np.float32], NDArray[np.complex64]]
"""Descriptor and spectrum of an image, see `described`."""

Angles = tuple[tuple[bool, float], ...]
"""See `likely_angles`."""

Proposal = tuple[int, int, float | None]
"""First, second, and the scale at which the second was similar; None: shifted."""

_BATCH = 64  # images that a thread works on at a time
_PAIRS = 256  # pairs that a thread registers at a time: many have the same angle
_KEPT = 16_384  # bytes of a picture that is kept in memory rather than read again
_REMEMBERED = 250_000_000  # bytes of descriptors and spectra of all scales

_Asked = TypeVar("_Asked")
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
    """Find pairs of different splits that show the same thing; see `Gallery.across`.

    If an image is found in several others of a split, only the best pair is returned.
    """
    best: dict[tuple[int, str], NearDuplicate] = {}
    for one in Gallery(pictures, progress).across(splits, list(dict.fromkeys(splits))):
        seen = best.setdefault((one.second, splits[one.first]), one)
        if one.match > seen.match:
            best[one.second, splits[one.first]] = one
    return sorted(best.values(), key=lambda one: (one.first, one.second))


def _swapped(proposal: Proposal) -> Proposal:
    first, second, scale = proposal
    return second, first, scale


class Gallery:
    """Images that are searched, once or several times, for pairs that show the same thing.

    Found are copies of another size or compression. They may be mirrored, rotated by any angle, within their
    frame or on a larger canvas, and shifted by a tenth. In sets that are not too large, photographs are also
    found that share only an eighth of their field. Registered pairs are remembered. Memory: 70 kB per image, of
    small ones 25 kB, and what is remembered of their scales (`_REMEMBERED`).
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self.progress = progress
        self._registered: dict[Proposal, Match] = {}
        self._angles: dict[Proposal, Angles] = {}
        self.side = side_of(pictures)
        small = (SIDE - self.side) / (SIDE - LEAST_SIDE)
        self.least_match = SMALLEST_RING_MATCH + small * (OF_SMALL_FRAMES - SMALLEST_RING_MATCH)
        self._peaks: NDArray[np.float32] | None = None
        if 4 * len(pictures) ** 2 <= _REMEMBERED:
            self._peaks = np.full((len(pictures), len(pictures)), np.nan, np.float32)
        self._seen: dict[tuple[int, float], Seen] = {}
        self.pictures = list(pictures)
        self.frames: list[Frame] = []
        self.telling: list[bool] = []
        descriptors, spectra = [], []
        for read, frames, sides, (some, others) in self._batches(self._read, list(pictures), "read"):
            self.pictures[len(self.frames) : len(self.frames) + len(read)] = read
            self.frames += frames
            self.telling += [side >= SMALLEST_SIDE for side in sides]
            descriptors.append(some)
            spectra.append(others)
        if descriptors:
            self._descriptors, self._spectra = np.concatenate(descriptors), np.concatenate(spectra)

    def _read(self, pictures: list[Picture]) -> tuple[list[Picture], list[Frame], list[int], Seen]:
        """Images of which small ones need not be read again, their frames, shorter sides, and what searches compare."""
        pixels = [picture() for picture in pictures]
        kept = [
            partial(np.asarray, one) if one.nbytes <= _KEPT else picture
            for one, picture in zip(pixels, pictures, strict=True)
        ]
        frames = make_frames(pixels, side=self.side)
        return kept, frames, [min(one.shape[:2]) for one in pixels], self._described(frames)

    def _described(self, frames: list[Frame]) -> Seen:
        return described(rings_of(centers(frames, self.side)))

    def across(self, splits: Sequence[str], order: Sequence[str]) -> list[NearDuplicate]:
        """Pairs of different splits; shifts of every size are searched up to `EXHAUSTIVE_PAIRS` pairs.

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
                found += self._matches(known, asked, all_shifts, f"{later} against {earlier}")
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

    def _batches(
        self, work: Callable[[list[_Asked]], _Result], asked: Sequence[_Asked], what: str, size: int = _BATCH
    ) -> Iterator[_Result]:
        """Results of work on batches of what is asked, in order; progress is reported as they arrive."""
        batches = [list(asked[start : start + size]) for start in range(0, len(asked), size)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = 0
            # Whoever leaves the loop cancels what has not begun: the iterator of results does so when it is gone.
            for batch, result in zip(batches, pool.map(work, batches), strict=True):
                done += len(batch)
                self.progress(what, done, len(asked))
                yield result

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
        among = np.array(known), self._descriptors[known]
        proposals: set[Proposal] = set()
        for some in self._batches(lambda batch: self._similar(batch, *among, scales), asked, what):
            proposals.update(some)
            self._angles.update(some)
        if all_shifts:
            proposals |= self._shifted(known, asked, what)
        proposed = [one for one in proposals if not self._known(one)]
        # Both sides of a pair at one scale are the same, and are registered once.
        new = {one for one in proposed if one[2] not in (None, 1.0) or one[:2] <= _swapped(one)[:2]}
        new |= {one for one in proposed if _swapped(one) not in new}
        ordered = sorted(new, key=lambda one: (one[2] or 0.0, one[1], one[0]))
        for registered in self._batches(self._register, ordered, f"{what}, registration", _PAIRS):
            self._registered.update(registered)
        matches = [(one, self._known(one)) for one in proposals]
        return [
            NearDuplicate(first, second, match)
            for (first, second, _), match in matches
            if match and match.correlation >= threshold_for(self.frames[first], self.frames[second], match)
        ]

    def _known(self, proposal: Proposal) -> Match | None:
        """What was registered already, perhaps from the other side."""
        found = self._registered.get(proposal)
        if found is None and proposal[2] in (None, 1.0):
            back = self._registered.get(_swapped(proposal))
            return back.reversed() if back else None
        return found

    def _similar(
        self,
        asked: list[int],
        known: NDArray[np.int_],
        descriptors: NDArray[np.float32],
        scales: Sequence[float],
    ) -> dict[Proposal, Angles]:
        """The known images that each image resembles at any rotation, each at its most likely scale."""
        itself = known == np.array(asked)[:, None]
        count = min(NEIGHBORS, len(known))
        best: list[dict[int, tuple[float, float, NDArray[np.float32]]]] = [{} for _ in asked]
        for scale in scales:
            own, spectra = self._at_scale(asked, scale)
            places = nearest(descriptors, own, itself, count)
            curves = ring_curves(self._spectra[known[places]], spectra)
            matches = curves.max(axis=(2, 3))
            # Only the most likely scale of a pair is kept: registration corrects the rest.
            for row, column in zip(*np.nonzero(matches >= self.least_match), strict=True):
                first, match = int(known[places[row, column]]), float(matches[row, column])
                if first != asked[row] and (match, scale) > best[row].get(first, (0.0, 1.0))[:2]:
                    best[row][first] = match, scale, curves[row, column]
        proposals: dict[Proposal, Angles] = {}
        for second, scored in zip(asked, best, strict=True):
            ranked = sorted(scored.items(), key=lambda item: item[1][:2], reverse=True)[:NEIGHBORS]
            for first, (_, scale, curve) in ranked:
                proposals[first, second, scale] = tuple(likely_angles(curve, ANGLES))
        return proposals

    def _at_scale(self, asked: list[int], scale: float) -> Seen:
        """What a search compares of images; remembered in sets that are searched several times."""
        if scale == 1:
            return self._descriptors[asked], self._spectra[asked]
        missing = [index for index in asked if (index, scale) not in self._seen]
        if missing:
            seen = self._described(
                make_frames([self.pictures[index]() for index in missing], scale, self.side)
            )
            if len(missing) == len(asked) and not self._remembers:
                return seen
            both = zip(*seen, strict=True)
            self._seen.update({(index, scale): one for index, one in zip(missing, both, strict=True)})
        found = [self._seen[index, scale] for index in asked]
        return np.stack([one for one, _ in found]), np.stack([other for _, other in found])

    @property
    def _remembers(self) -> bool:
        """Whether what searches compare at all scales fits into memory."""
        return (self._descriptors.nbytes + self._spectra.nbytes) * len(SCALES) <= _REMEMBERED

    def _shifted(self, known: list[int], asked: list[int], what: str) -> set[Proposal]:
        """For every image those whose shifted texture agrees best; all pairs are compared, each once."""
        itself = known == asked
        here = np.ix_(asked, known)
        peaks = np.full((len(asked), len(known)), np.nan, np.float32)
        if self._peaks is not None:
            peaks = self._peaks[here]
        if itself:
            np.fill_diagonal(peaks, 0)
        missing = np.triu(np.isnan(peaks)) if itself else np.isnan(peaks)
        found = shift_peaks(
            [self.frames[index].small.texture for index in known],
            [self.frames[index].small.texture for index in asked],
            missing,
            lambda done, total: self.progress(f"{what}, shifted", done, total),
        )
        peaks = np.where(missing, found, peaks)
        if itself:
            peaks = np.fmax(peaks, peaks.T)
        if self._peaks is not None:
            self._peaks[here], self._peaks[np.ix_(known, asked)] = peaks, peaks.T
        nearest = np.argsort(-peaks, axis=1)[:, :NEIGHBORS]
        pairs = [
            (known[place], asked[row])
            for row, places in enumerate(nearest)
            for place in places
            if peaks[row, place] >= SMALLEST_PEAK
        ]
        # Two that propose each other are registered once: unlike a scale, a shift has no direction.
        return {(min(pair), max(pair), None) if itself else (*pair, None) for pair in pairs}

    def _register(self, proposals: list[Proposal]) -> dict[Proposal, Match]:
        """Register pairs: roughly, and exactly what may pass."""
        scales = {scale for _, _, scale in proposals}
        wanted = {scale: sorted({two for _, two, at in proposals if at == scale}) for scale in scales}
        frames = {
            (second, scale): frame
            for scale, seconds in wanted.items()
            for second, frame in zip(seconds, self._frames_at(seconds, scale), strict=True)
        }
        turns, of_pair = [], []
        for number, (first, second, scale) in enumerate(proposals):
            one, other = self.frames[first], frames[second, scale]
            ways: Angles | tuple[tuple[bool, None]] = ((False, None),)
            if scale is not None:
                ways = self._angles[first, second, scale]
            turns += [Turn(one, other, mirrored, angle) for mirrored, angle in ways]
            of_pair += [number] * len(ways)
        roughs: dict[int, Match] = {}
        for number, match in zip(of_pair, rough_matches(turns), strict=True):
            roughs[number] = max(match, roughs.get(number, match))
        found = {}
        for number, (first, second, scale) in enumerate(proposals):
            one, other, match = self.frames[first], frames[second, scale], roughs[number]
            if not is_hopeless(match, one, self.frames[second]):
                match = match_shifted(one, other) if scale is None else match_rotated(one, other, match)
            found[first, second, scale] = replace(match, scale=match.scale * (scale or 1.0))
        return found

    def _frames_at(self, indices: list[int], scale: float | None) -> list[Frame]:
        if scale in (None, 1.0):
            return [self.frames[index] for index in indices]
        return make_frames([self.pictures[index]() for index in indices], scale, self.side)
