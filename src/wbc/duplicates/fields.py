"""Which photographs show one field of view, and a cache of what a search found."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from wbc.duplicates.shifted import METHOD, Gray, Progress, ShiftedPair, find_shifted_pairs, read_gray
from wbc.files import file_sha256, whole_file

Corner = tuple[float, float]
"""Where the upper left corner of a photograph is in another one: (down, right), as fractions."""

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is not an image, or a damaged one."""

_Found = TypeVar("_Found")


def find_fields(
    images: Sequence[Path],
    cache: Path | None = None,
    read_image: Callable[[Path], Gray] = read_gray,
    how: object = None,
    progress: Progress = lambda done, total: None,
) -> dict[Path, tuple[Path, Corner]]:
    """Find out which photographs show one field of view.

    Args:
        images: The photographs. One that cannot be read is a field of its own.
        cache: Folder that keeps the result under a hash of the images and of the method; None: no cache.
        read_image: Reads an image in gray.
        how: What that depends on, as a JSON value, for the cache.
        progress: Called with (pairs done, all pairs).

    Returns:
        Photograph -> the first photograph of its field, and the corner in that one.
    """
    images = sorted(images)

    def identity() -> list[object]:
        return [METHOD, [(image.name, file_sha256(image)) for image in images], *([how] if how else [])]

    def find() -> list[object]:
        pairs = find_shifted_pairs([_read(image, read_image) for image in images], progress)
        return [[one.first, one.second, one.shift, one.correlation] for one in pairs]

    def read(kept: Any) -> list[ShiftedPair]:
        return [ShiftedPair(first, second, (down, right), r) for first, second, (down, right), r in kept]

    fields: dict[Path, tuple[Path, Corner]] = {}
    for field in group_fields(len(images), remembered(cache, identity, find, read)):
        first = images[next(iter(field))]
        fields.update({images[index]: (first, corner) for index, corner in field.items()})
    return fields


def _read(image: Path, read_image: Callable[[Path], Gray]) -> Gray:
    try:
        return read_image(image)
    except UNREADABLE:
        return np.zeros((3, 4), np.uint8)  # without texture, so similar to no other


def group_fields(count: int, pairs: Sequence[ShiftedPair]) -> list[dict[int, Corner]]:
    """Join images that are paired, directly or through others, into fields.

    Args:
        count: Number of images.
        pairs: What `find_shifted_pairs` found among them.

    Returns:
        One dictionary per field, in the order of its first image. It maps the index of each image to its
        corner in the field's first image. Every image is in exactly one field, most of them alone.
    """
    neighbors: list[list[tuple[int, float, float]]] = [[] for _ in range(count)]
    for pair in pairs:
        down, right = pair.shift
        neighbors[pair.first].append((pair.second, down, right))
        neighbors[pair.second].append((pair.first, -down, -right))
    fields: list[dict[int, Corner]] = []
    seen: set[int] = set()
    for start in range(count):
        if start in seen:
            continue
        corners, waiting = {start: (0.0, 0.0)}, [start]
        while waiting:
            index = waiting.pop(0)
            for other, down, right in neighbors[index]:
                if other not in corners:
                    corners[other] = (corners[index][0] + down, corners[index][1] + right)
                    waiting.append(other)
        seen.update(corners)
        fields.append(dict(sorted(corners.items())))
    return fields


def remembered(
    cache: Path | None,
    identity: Callable[[], object],
    find: Callable[[], object],
    read: Callable[[Any], _Found],
) -> _Found:
    """What a search found: from the cache, or else found now and kept there.

    Args:
        cache: Folder of the cache; None: nothing is kept.
        identity: Everything that the result depends on, as JSON values; its hash is the key.
        find: The search. It returns JSON values.
        read: Converts those into the result. It raises ValueError or TypeError if they are damaged.
    """
    if cache is None:
        return read(find())
    key = hashlib.sha256(json.dumps(identity(), sort_keys=True).encode()).hexdigest()
    file = cache / f"{key[:32]}.json"
    try:
        return read(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):  # missing or damaged: the search runs in both cases
        content = find()
    cache.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as stream:
        json.dump(content, stream)
    return read(content)
