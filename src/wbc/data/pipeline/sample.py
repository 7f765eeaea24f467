"""A part of a data set, for a pilot: few images of each class, from as many sources as possible."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Protocol, TypeVar

import numpy as np

from wbc.errors import InputError

NOT_SAMPLED = "more images than max_images_per_class"
"""Why an image is left out."""


class Sampled(Protocol):
    """What can be sampled: an image, or an original."""

    @property
    def class_name(self) -> str:
        """Its class."""

    @property
    def source(self) -> str:
        """What it shares with others."""

    @property
    def split(self) -> str:
        """Its split; empty if it has none yet."""


T = TypeVar("T", bound=Sampled)


def sample(images: Sequence[T], most: int, seed: int) -> tuple[list[T], list[T]]:
    """Choose at most so many images of each class in each split.

    One image of each source is taken after another, sources in an order that the seed determines. A class with
    few images keeps all.

    Returns:
        The chosen images and the others, both in the order given.

    Raises:
        InputError: No image of each class would be left.
    """
    if most < 1:
        raise InputError(f"max_images_per_class is {most}", "Give 1 or more.")
    own: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, image in enumerate(images):
        own[image.split, image.class_name][image.source].append(index)
    chosen: set[int] = set()
    for key in sorted(own):
        rng = np.random.default_rng([seed, *map(ord, "/".join(key))])
        sources = [own[key][name] for name in sorted(own[key])]
        shuffled = [rng.permutation(sources[index]).tolist() for index in rng.permutation(len(sources))]
        in_turn = [index for index in chain(*zip_longest(*shuffled)) if index is not None]
        chosen.update(in_turn[:most])
    kept = [image for index, image in enumerate(images) if index in chosen]
    return kept, [image for index, image in enumerate(images) if index not in chosen]
