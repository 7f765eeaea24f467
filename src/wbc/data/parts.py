"""From source cells to the three parts of a data set: split by source, dealt by quota, staged."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from wbc.data import PARTS
from wbc.data.manifest import ImageEntry
from wbc.data.quotas import Quota, deal
from wbc.data.splitting import split_groups
from wbc.data.stages import Progress, SourceCell, Stages, no_progress, write_images
from wbc.errors import InputError


def split_cells(cells: Sequence[SourceCell], seed: int) -> dict[str, str]:
    """Source -> part; see `split_groups`.

    Raises:
        InputError: A class has too few cells.
    """
    classes_of = defaultdict(set)
    for cell in cells:
        classes_of[cell.source].add(cell.class_name)
    return split_groups(classes_of, seed=seed)


def make_parts(
    cells: Sequence[SourceCell],
    classes: Sequence[str],
    quotas: Mapping[str, Quota],
    stages: Stages,
    seed: int,
    destination: Path,
    progress: Progress = no_progress,
) -> tuple[list[ImageEntry], dict[str, list[str]], list[SourceCell]]:
    """Split cells, choose the images of each part, and write them.

    Args:
        cells: The source cells; those that share a `source` stay together.
        classes: Class names in label order.
        quotas: Part -> how many images it gets.
        stages: What happens to each cell.
        seed: Of the split, of the choice and of the augmentation.
        destination: The folder to write into.
        progress: Told how far it is.

    Returns:
        The entries of the manifest in their order; reason -> files whose background was removed by guess; the
        cells that no image was made of.

    Raises:
        InputError: A class has too few cells, or too few for its quota.
    """
    present = {cell.class_name for cell in cells}
    for name in classes:
        if name not in present:
            raise InputError(f"there is no usable cell of class {name}", "Complete the folder.")
    part_of = split_cells(cells, seed)
    chosen, surplus = [], []
    for part in PARTS:
        here = {(cell.class_name, cell.name): cell for cell in cells if part_of[cell.source] == part}
        names = {name: sorted(cell for of, cell in here if of == name) for name in classes}
        dealt = deal(names, quotas[part], part, seed)
        chosen += [(here[key], part, copy) for key, copy in dealt]
        used = {key for key, _ in dealt}
        surplus += [cell for key, cell in here.items() if key not in used]
    images, guessed = write_images(destination, chosen, stages, seed, progress)
    images.sort(key=lambda image: (PARTS.index(image.part), image.file))
    return images, guessed, surplus
