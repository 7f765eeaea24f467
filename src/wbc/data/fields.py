"""Which photographs show one field of a smear, kept in a cache: comparing all pairs takes a while."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from wbc.data.manifest import file_sha256
from wbc.data.repeats import METHOD, Repeat, find_repeats, group_fields, read_field

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is no image, or a damaged one."""

Corner = tuple[float, float]


def find_fields(images: list[Path], cache: Path | None = None) -> dict[Path, tuple[Path, Corner]]:
    """Find out which photographs show one field.

    Args:
        images: The photographs. One that cannot be read is a field of its own.
        cache: Folder in which the result is kept, under a hash of the images and of the method.

    Returns:
        Photograph -> the first photograph of its field, and where its upper left corner lies in that one
        (down, right; fractions).
    """
    images = sorted(images)
    fields = {}
    for field in group_fields(len(images), _remembered_repeats(images, cache)):
        first = images[next(iter(field))]
        fields.update({images[index]: (first, corner) for index, corner in field.items()})
    return fields


def _remembered_repeats(images: list[Path], cache: Path | None) -> list[Repeat]:
    """The repeats from the cache, else found anew and kept there."""

    def identity() -> list:
        return [METHOD, [(image.name, file_sha256(image)) for image in images]]

    def found() -> list:
        return [[one.first, one.second, one.shift, one.correlation] for one in _register(images)]

    return remembered(
        cache,
        identity,
        found,
        lambda kept: [Repeat(first, second, (down, right), r) for first, second, (down, right), r in kept],
    )


def remembered(
    cache: Path | None,
    identity: Callable[[], list],
    find: Callable[[], list],
    read: Callable[[list], list],
) -> list:
    """What a search found, from the cache, else found anew and kept there.

    Args:
        cache: Folder of the cache; None: nothing is kept.
        identity: Everything that the result depends on; its hash is the key.
        find: The search; its result can be written as JSON.
        read: Makes of that what is returned; raises ValueError or TypeError where it is damaged.
    """
    if cache is None:
        return read(find())
    key = hashlib.sha256(json.dumps(identity(), sort_keys=True).encode()).hexdigest()
    file = cache / f"{key[:32]}.json"
    try:
        return read(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):  # not there yet, or damaged: both end with a whole one
        content = find()
    cache.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=cache, suffix=".partial")
    try:
        with os.fdopen(handle, "w") as stream:
            json.dump(content, stream)
        Path(partial).replace(file)
    finally:
        Path(partial).unlink(missing_ok=True)
    return read(content)


def _register(images: list[Path]) -> list[Repeat]:
    grey = []
    for image in images:
        try:
            grey.append(read_field(image))
        except UNREADABLE:
            grey.append(np.zeros((3, 4), np.uint8))  # without texture, repeats nothing
    return find_repeats(grey)
