"""Source cells whose images show the same thing, joined so that no split takes them apart.

What counts as the same is what `wbc.data.check` would report: its search runs before and after the split.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from wbc.data import PARTS
from wbc.data.duplicates import EXHAUSTIVE_IMAGES, METHOD, Gallery
from wbc.data.duplicates.frames import read_picture, reduce_picture
from wbc.data.fields import remembered
from wbc.data.manifest import file_sha256
from wbc.data.parts import split_cells
from wbc.data.stages import Progress, SourceCell, Stages, no_progress, run_stages
from wbc.errors import InputError

_HELD = 1024  # pictures that stages have touched and that are held at a time; each is 250 kB at most


@dataclass(frozen=True)
class Kept:
    """Cells that no split takes apart.

    Attributes:
        cells: In their order; those that show the same share a `source`.
        together: Images that share their source with another, groups of them, images of the largest.
        all_shifts: Whether images that share only a part were looked for as closely as copies; in large sets
            only `wbc.data.repeats` looks for them.
    """

    cells: list[SourceCell]
    together: dict[str, int]
    all_shifts: bool


def keep_together(
    cells: Sequence[SourceCell],
    stages: Stages,
    seed: int,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Kept:
    """Join the sources of cells whose images show the same.

    All pairs are searched first, with the background, which tells more than the cell alone. Then the cells
    are split, the parts searched as `data check` would, and what is found is joined and split again, until
    nothing is. The result depends on the seed only where the second search finds what the first did not.

    Args:
        cells: The source cells.
        stages: What happens to each; compared is what comes of it.
        seed: Of the split.
        cache: Folder in which the pairs that were found are kept.
        progress: Told how far it is.

    Raises:
        InputError: A class has too few cells for a split.
    """
    cells = sorted(cells, key=lambda cell: (cell.class_name, cell.name))
    galleries: dict[Stages, Gallery] = {}

    def gallery(of: Stages) -> Gallery:
        if of not in galleries:
            galleries[of] = Gallery(_pictures(cells, of), progress)
        return galleries[of]

    shown = replace(stages, background="keep")

    def identity() -> list:
        files = [(cell.class_name, cell.name, cell.box, file_sha256(cell.image)) for cell in cells]
        return ["lookalikes", METHOD, asdict(shown), files]

    def found() -> list:
        return [[one.first, one.second] for one in gallery(shown).within()]

    pairs = remembered(cache, identity, found, lambda kept: [(int(one), int(other)) for one, other in kept])
    cells = join_cells(cells, [*_same_files(cells), *pairs])
    while True:
        parts = _split(cells, seed)
        found_across = gallery(stages).across([parts[cell.source] for cell in cells], PARTS)
        if not found_across:
            break
        cells = join_cells(cells, [(one.first, one.second) for one in found_across])
    sizes = [size for size in Counter(cell.source for cell in cells).values() if size > 1]
    together = {"images": sum(sizes), "groups": len(sizes), "largest": max(sizes, default=1)}
    return Kept(cells, together, len(cells) <= EXHAUSTIVE_IMAGES)


def _split(cells: Sequence[SourceCell], seed: int) -> dict[str, str]:
    """Source -> part; where that fails, why there are so few cells."""
    try:
        return split_cells(cells, seed)
    except InputError as error:
        if len({cell.source for cell in cells}) == len(cells):
            raise
        why = "Images that show the same count as one cell; --no-repeats does not look for them."
        raise InputError(error.what, f"{error.way_out}\n{why}".strip()) from None


def join_cells(cells: Sequence[SourceCell], pairs: Iterable[tuple[int, int]]) -> list[SourceCell]:
    """Give cells that are paired, directly or through others, one source: the first of theirs by name."""
    leader = {cell.source: cell.source for cell in cells}

    def lead(source: str) -> str:
        while leader[source] != source:
            leader[source] = source = leader[leader[source]]
        return source

    for first, second in pairs:
        one, other = sorted((lead(cells[first].source), lead(cells[second].source)))
        leader[other] = one
    return [replace(cell, source=lead(cell.source)) for cell in cells]


def _same_files(cells: Sequence[SourceCell]) -> list[tuple[int, int]]:
    """Pairs of equal bytes and boxes; a blank image has nothing else to be found by."""
    first_of: dict[tuple, int] = {}
    pairs = []
    for index, cell in enumerate(cells):
        known = first_of.setdefault((file_sha256(cell.image), cell.box), index)
        if known != index:
            pairs.append((known, index))
    return pairs


def _pictures(cells: Sequence[SourceCell], stages: Stages) -> list[Callable[[], np.ndarray]]:
    """A function for each cell that makes what `data check` would read of it."""

    @lru_cache(maxsize=_HELD)
    def staged(index: int) -> np.ndarray:
        return reduce_picture(run_stages(cells[index], stages).pixels)

    return [
        partial(staged, index) if stages.touches(cell) else partial(read_picture, cell.image)
        for index, cell in enumerate(cells)
    ]
