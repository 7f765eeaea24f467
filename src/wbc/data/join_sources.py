"""Give originals whose images show the same thing one source, so that no split separates them.

What counts as the same is what `wbc.data.check` would report: its search runs before and after the split.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.data import SPLITS
from wbc.data.pipeline.folds import split_originals
from wbc.data.pipeline.splitting import NONE_STAY
from wbc.data.pipeline.stages import Original, Stages, run_stages
from wbc.data.progress import Progress, no_progress
from wbc.duplicates import (
    EXHAUSTIVE_IMAGES,
    METHOD,
    Gallery,
    Picture,
    read_picture,
    reduce_picture,
    remembered,
)
from wbc.errors import InputError, command
from wbc.files import file_sha256

Split = Callable[[Sequence[Original], int, Mapping[str, str]], dict[str, str]]
"""Splits originals by a seed: source -> split, or fold. The third argument has those that are assigned already."""

_HELD = 1024  # staged pictures that are kept in memory, each 250 kB at most


@dataclass(frozen=True)
class Joined:
    """Originals whose near-duplicates share a source."""

    originals: list[Original]
    """Ordered by class and name."""
    split_of: dict[str, str]
    """Source -> split, or fold; no two of them show the same thing."""
    together: dict[str, int]
    """`images` that share their source with another, number of `groups`, images of the `largest`."""
    all_shifts: bool
    """Whether images that share only a part were searched for as thoroughly as copies; not in large sets."""


def join_near_duplicates(
    originals: Sequence[Original],
    stages: Stages,
    seed: int,
    cache: Path | None = None,
    progress: Progress = no_progress,
    split: Split = split_originals,
) -> Joined:
    """Join the sources of originals whose images show the same thing.

    First all pairs are searched with their background, which tells more than the cell alone. Then the
    originals are split, and the splits are searched as `data check` does. What is found is joined where most of it
    is, until nothing is found; the others stay, for each new split would be a new search. Which originals are joined
    depends on the seed only if the second search finds more.

    Args:
        originals: The originals.
        stages: What happens to each; the results are compared.
        seed: Of the split.
        cache: Folder that keeps the pairs that were found; None: no cache.
        progress: Called as the search goes on.
        split: How the originals are split.

    Raises:
        InputError: A class has too few sources for a split.
    """
    originals = sorted(originals, key=lambda original: (original.class_name, original.name))
    galleries: dict[Stages, Gallery] = {}

    def gallery(of: Stages) -> Gallery:
        if of not in galleries:
            galleries[of] = Gallery(_pictures(originals, of), progress)
        return galleries[of]

    with_background = replace(stages, background="keep")

    def identity() -> list[object]:
        files = [(one.class_name, one.name, one.box, one.page, file_sha256(one.image)) for one in originals]
        return ["near-duplicates", METHOD, asdict(with_background), files]

    def find() -> list[list[int]]:
        return [[one.first, one.second] for one in gallery(with_background).within()]

    def read(kept: Any) -> list[tuple[int, int]]:
        return [(int(first), int(second)) for first, second in kept]

    pairs = remembered(cache, identity, find, read)

    def movable(some: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Without pairs that the author of the data set put into different splits."""
        return [(one, other) for one, other in some if originals[one].split == originals[other].split]

    originals = join_sources(originals, movable([*_same_files(originals), *pairs]))
    split_of = _split(originals, seed, split, NONE_STAY)

    def sources_at_first() -> list[object]:
        splits = [(one.source, one.split, split_of[one.source]) for one in originals]
        return ["apart", *identity(), asdict(stages), seed, splits]

    def sources_apart() -> list[tuple[str, str]]:
        joined, now = originals, split_of
        while True:
            order = [name for name in SPLITS if name in now.values()] or sorted(set(now.values()))
            across = gallery(stages).across([now[original.source] for original in joined], order)
            found = movable((one.first, one.second) for one in across)
            if not found:
                return [(original.source, now[original.source]) for original in joined]
            seats = [now[original.source] for original in joined]
            joined = join_sources(joined, found)
            now = _split(joined, seed, split, _majority(joined, seats))

    def read_apart(kept: Any) -> list[tuple[str, str]]:
        return [(str(source), str(own)) for source, own in kept]

    # Each fold of a data set asks the same.
    apart = remembered(cache, sources_at_first, sources_apart, read_apart)
    joined = [replace(one, source=source) for one, (source, _) in zip(originals, apart, strict=True)]
    sizes = [size for size in Counter(original.source for original in joined).values() if size > 1]
    together = {"images": sum(sizes), "groups": len(sizes), "largest": max(sizes, default=1)}
    return Joined(joined, dict(apart), together, len(joined) <= EXHAUSTIVE_IMAGES)


def _majority(originals: Sequence[Original], seats: Sequence[str]) -> dict[str, str]:
    """Source -> the split in which most of its originals are; `seats` has that of each."""
    counts: dict[str, Counter[str]] = {}
    for original, seat in zip(originals, seats, strict=True):
        counts.setdefault(original.source, Counter())[seat] += 1
    return {source: own.most_common(1)[0][0] for source, own in counts.items()}


def _split(originals: Sequence[Original], seed: int, split: Split, stay: Mapping[str, str]) -> dict[str, str]:
    """Source -> split; all are assigned anew where a split would lack its share of a class otherwise.

    If that fails as well, the message says why there are so few sources.
    """
    try:
        return split(originals, seed, stay)
    except InputError as error:
        if stay:
            return _split(originals, seed, split, NONE_STAY)
        (source, count) = Counter(original.source for original in originals).most_common(1)[0]
        if count == 1:
            raise
        alike = [original.image.name for original in originals if original.source == source]
        why = (
            f"Images that show the same thing count as one source, such as {', '.join(alike[:3])}. To split without "
            f"looking for them: {command()} data prepare FROM TO --no-near-duplicates"
        )
        raise InputError(error.what, f"{error.way_out}\n{why}".strip()) from None


def join_sources(originals: Sequence[Original], pairs: Iterable[tuple[int, int]]) -> list[Original]:
    """Give originals that are paired, directly or through others, one source: their first one by name."""
    leader = {original.source: original.source for original in originals}

    def lead(source: str) -> str:
        while leader[source] != source:
            leader[source] = source = leader[leader[source]]
        return source

    for first, second in pairs:
        one, other = sorted((lead(originals[first].source), lead(originals[second].source)))
        leader[other] = one
    return [replace(original, source=lead(original.source)) for original in originals]


def _same_files(originals: Sequence[Original]) -> list[tuple[int, int]]:
    """Pairs of equal bytes and boxes; a blank image cannot be found in another way."""
    first_of: dict[tuple[object, ...], int] = {}
    pairs = []
    for index, original in enumerate(originals):
        known = first_of.setdefault((file_sha256(original.image), original.box), index)
        if known != index:
            pairs.append((known, index))
    return pairs


def _pictures(originals: Sequence[Original], stages: Stages) -> list[Picture]:
    """One function per original that makes what `data check` would read of its image."""

    @lru_cache(maxsize=_HELD)
    def staged(index: int) -> NDArray[np.uint8]:
        return reduce_picture(run_stages(originals[index], stages).pixels)

    return [
        partial(staged, index) if stages.change(original) else partial(read_picture, original.image)
        for index, original in enumerate(originals)
    ]
