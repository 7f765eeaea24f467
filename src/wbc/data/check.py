"""What is wrong with a split folder: unreadable images, classes out of balance, parts that leak."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from wbc.data import PARTS
from wbc.data.decoding import decoding_pool
from wbc.data.duplicates import Duplicate, find_duplicates, searches_all_shifts
from wbc.data.duplicates.frames import read_picture
from wbc.data.folders import check_image, class_folders, list_images
from wbc.data.manifest import MANIFEST_NAME, ImageEntry, Manifest, file_sha256
from wbc.errors import InputError

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


@dataclass(frozen=True)
class Leak:
    """An image of one part that another part shows as well.

    Attributes:
        first, second: The files; the first is in the part that is named first: train, validation, test.
        how: In words.
    """

    first: str
    second: str
    how: str


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        manifest: Every image that can be read.
        sizes: (width, height) in pixels -> how many images.
        augmented: Part -> (source cells, images), where the folder's manifest tells; else empty.
        unreadable: (file, reason).
        leaks: What stands in two parts.
        all_shifts: Whether photographs of one field that share only a part of it were looked for, too; in
            large sets they are not.
    """

    manifest: Manifest
    sizes: Counter
    augmented: dict[str, tuple[int, int]]
    unreadable: list[tuple[str, str]]
    leaks: list[Leak]
    all_shifts: bool = True

    @property
    def clean(self) -> bool:
        """Whether nothing has to be put right before training."""
        return not self.unreadable and not self.leaks

    def sizes_in_words(self) -> str:
        """The commonest sizes."""
        common = ", ".join(f"{w} x {h} ({n})" for (w, h), n in self.sizes.most_common(4))
        return common + f" and {len(self.sizes) - 4} others" * (len(self.sizes) > 4)

    def balance_in_words(self) -> str:
        """How many times the smallest class fits into the largest, part by part."""
        counts = self.manifest.counts()
        ratios = []
        for part in PARTS:
            numbers = [counts[part][name] for name in self.manifest.classes]
            least = min(numbers, default=0)
            ratios.append(f"{part} " + (f"{max(numbers) / least:.1f} to 1" if least else "lacks a class"))
        return ", ".join(ratios)

    def augmented_in_words(self) -> str:
        """Source cells and images of each part; more images are second photographs or augmented copies."""
        return ", ".join(f"{part} {cells} -> {images}" for part, (cells, images) in self.augmented.items())


def check_folder(root: Path, progress: Progress = lambda what, done, total: None) -> Report:
    """Check a folder with `train/ validation/ test/`, in each a folder a class.

    Args:
        root: The folder. A `manifest.json` in it tells which images are of one source cell; such cells must
            not stand in two parts either.
        progress: Told how far it is.

    Raises:
        InputError: The folder has no such parts.
    """
    files = _files(root)
    with decoding_pool() as pool:
        looked = list(pool.map(lambda item: _look(root, *item), files))
    unreadable = [
        (file, found) for (_, _, file), found in zip(files, looked, strict=True) if isinstance(found, str)
    ]
    readable = [
        (item, found) for item, found in zip(files, looked, strict=True) if not isinstance(found, str)
    ]
    sources = _sources(root)
    images = tuple(
        ImageEntry(file, part, name, sources.get(file, file), sha256)
        for (part, name, file), (sha256, _) in readable
    )
    classes = tuple(sorted({image.class_name for image in images}))
    sizes = Counter(size for _, (_, size) in readable)
    leaks = _leaks(root, images, progress)
    augmented = {}
    if sources:
        for part in PARTS:
            here = [image for image in images if image.part == part]
            augmented[part] = (len({image.source for image in here}), len(here))
    all_shifts = searches_all_shifts([image.part for image in images])
    return Report(Manifest(images, classes), sizes, augmented, unreadable, leaks, all_shifts)


def _files(root: Path) -> list[tuple[str, str, str]]:
    """(part, class, file) of every image."""
    if not root.is_dir():
        raise InputError(f"there is no folder {root}", "Give a folder with train/, validation/ and test/.")
    parts = [part for part in PARTS if (root / part).is_dir()]
    if len(parts) < 2:
        raise InputError(
            f"{root} has fewer than two of train/, validation/ and test/: nothing could leak",
            f"Split it with: python -m bench data prepare {root} TO",
        )
    return [
        (part, name, path.relative_to(root).as_posix())
        for part in parts
        for name in class_folders(root / part)
        for path in list_images(root / part / name)
    ]


def _look(root: Path, part: str, name: str, file: str) -> tuple[str, tuple[int, int]] | str:
    """Hash and size of an image, or why it cannot be read."""
    try:
        check_image(root / file)
        with Image.open(root / file) as image:
            return file_sha256(root / file), image.size
    except InputError as error:
        return error.what.removeprefix(f"{root / file} ")
    except OSError as error:
        return str(error.strerror)


def _sources(root: Path) -> dict[str, str]:
    """File -> source cell, where the folder carries a manifest."""
    try:
        return {image.file: image.source for image in Manifest.read(root).images}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root / MANIFEST_NAME} is not a manifest ({error})", "Remove it.") from None


def _leaks(root: Path, images: tuple[ImageEntry, ...], progress: Progress) -> list[Leak]:
    """What stands in two parts, each image once."""
    leaks: dict[str, Leak] = {}
    by_hash: dict[str, list[ImageEntry]] = {}
    by_source: dict[str, list[ImageEntry]] = {}
    for image in images:
        for known, what, how in (
            (by_hash.setdefault(image.sha256, []), image, "the same file"),
            (by_source.setdefault(image.source, []), image, "the same source cell, says the manifest"),
        ):
            other = next((one for one in known if one.part != what.part), None)
            if other is not None:
                leaks.setdefault(what.file, Leak(other.file, what.file, how))
            known.append(what)
    pictures = [partial(read_picture, root / image.file) for image in images]
    for found in find_duplicates(pictures, [image.part for image in images], progress):
        first, second = images[found.first].file, images[found.second].file
        leaks.setdefault(second, Leak(first, second, describe(found)))
    return sorted(leaks.values(), key=lambda leak: leak.second)


def describe(found: Duplicate) -> str:
    """How two images agree, in words."""
    match = found.match
    angle = (match.angle + 180) % 360 - 180
    words = ["mirrored"] if match.mirrored else []
    if abs(angle) >= 2:
        words.append(f"turned by {abs(angle):.0f} degrees")
    if abs(match.scale - 1) >= 0.03:
        words.append(f"scaled by {match.scale:.2f}")
    moved = float(np.abs(match.shift).max())
    if moved >= 0.03:
        words.append(f"moved by {moved:.0%}")
    return f"{', '.join(words) or 'the same image'} (correlation {match.correlation:.2f})"
