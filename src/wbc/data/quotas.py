"""How many images of every class a part gets, and which cells they are of."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wbc.errors import InputError


@dataclass(frozen=True)
class Quota:
    """The images of one part.

    Attributes:
        images_per_class: Images of each class by class name, or one number for all; None: `times` every cell.
        times: How often each cell is there, itself included.
        cells: Cells of each class at most; None: all.
        balanced: Without a number of images: as many of every class as the largest has cells.
        copies: Whether augmented copies may make up for missing cells.
    """

    images_per_class: int | Mapping[str, int] | None = None
    times: int = 1
    cells: int | None = None
    balanced: bool = False
    copies: bool = False

    @classmethod
    def of_total(cls, images: int, classes: Sequence[str], **others) -> "Quota":
        """A number of images altogether, spread evenly; the first classes get what is over."""
        each, over = divmod(images, len(classes))
        return cls({name: each + (number < over) for number, name in enumerate(classes)}, **others)

    def wanted(self, class_name: str, available: int, largest: int) -> int:
        """Images of a class of which `available` cells are used; the largest class has `largest`."""
        if isinstance(self.images_per_class, int):
            return self.images_per_class
        if self.images_per_class is not None:
            return self.images_per_class[class_name]
        return largest if self.balanced else available * self.times


def deal(
    cells: Mapping[str, Sequence[str]], quota: Quota, part: str, seed: int
) -> list[tuple[tuple[str, str], int]]:
    """Choose the images of a part.

    Args:
        cells: Class -> names of its cells in this part.
        quota: What is asked for.
        part: Its name, for messages.
        seed: Decides which cells are taken, and which are there once more than others.

    Returns:
        ((class, name of the cell), number of the augmented copy, 0 for the cell itself), by class.

    Raises:
        InputError: More images are asked for than there are cells, and no copies may be made.
    """
    chosen = []
    used = {}
    for name, found in cells.items():
        order = generator(seed, name, 0).permutation(len(found))
        used[name] = [found[index] for index in order][: quota.cells]
    largest = max(map(len, used.values()), default=0)
    for name, found in used.items():
        wanted = quota.wanted(name, len(found), largest)
        if wanted > len(found) and not quota.copies:
            raise InputError(
                f"{wanted} images of {name} are asked for in {part}, which has {len(found)} cells of it",
                "Ask for fewer: it holds no augmented copies, unless the protocol is thesis-2018.",
            )
        for number in range(wanted):
            copy, index = divmod(number, len(found))
            chosen.append(((name, found[index]), copy))
    return chosen


def copy_name(name: str, copy: int) -> str:
    """The name of an image: of the cell itself, or with the number of the copy."""
    return f"{name}-a{copy:02d}" if copy else name


def generator(seed: int, name: str, copy: int) -> np.random.Generator:
    """A generator of its own for every image, so that no order matters."""
    return np.random.default_rng([seed, copy, *hashlib.sha256(name.encode()).digest()])
