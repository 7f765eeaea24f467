"""What is wrong with a split folder: unreadable images, unbalanced classes, leaks between splits."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from wbc.data import SPLITS
from wbc.data.folders import check_image, class_folders, list_images
from wbc.data.manifest import MANIFEST_NAME, ImageEntry, Manifest
from wbc.data.pipeline.decoding import decoding_pool
from wbc.data.pipeline.stages import Progress, no_progress
from wbc.duplicates import find_near_duplicates, read_picture, searches_all_shifts
from wbc.errors import InputError, command
from wbc.files import file_sha256


@dataclass(frozen=True)
class Leak:
    """An image of one split that another split shows as well."""

    first: str
    """The file in the earlier of the two splits: train, validation, test."""
    second: str
    """The file in the later split."""
    how: str
    """How the two agree, in words."""


@dataclass(frozen=True)
class Report:
    """What was found in a folder."""

    manifest: Manifest
    """Every image that can be read."""
    sizes: Counter[tuple[int, int]]
    """(width, height) in pixels -> number of images."""
    sources: dict[str, tuple[int, int]]
    """Split -> (sources, images), if the folder has a manifest; else empty."""
    unreadable: list[tuple[str, str]]
    """(file, reason)."""
    leaks: list[Leak]
    all_shifts: bool = True
    """Whether photographs were searched for that share only a part of a field; not in large sets."""

    @property
    def clean(self) -> bool:
        """Whether the folder can be used for training as it is."""
        return not self.unreadable and not self.leaks

    def sizes_in_words(self) -> str:
        """The most common sizes."""
        common = ", ".join(f"{w} x {h} ({n})" for (w, h), n in self.sizes.most_common(4))
        return common + f" and {len(self.sizes) - 4} others" * (len(self.sizes) > 4)

    def balance_in_words(self) -> str:
        """Ratio of the largest class to the smallest, split by split."""
        counts = self.manifest.counts()
        ratios = []
        for split in SPLITS:
            numbers = [counts[split][name] for name in self.manifest.classes]
            fewest = min(numbers, default=0)
            ratios.append(f"{split} " + (f"{max(numbers) / fewest:.1f} to 1" if fewest else "lacks a class"))
        return ", ".join(ratios)

    def sources_in_words(self) -> str:
        """Sources and images of each split; additional images are near-duplicates or augmented copies."""
        return ", ".join(
            f"{split} {sources} -> {images}" for split, (sources, images) in self.sources.items()
        )


def check_folder(root: Path, progress: Progress = no_progress) -> Report:
    """Check a folder with `train/`, `validation/` and `test/`, each with one folder per class.

    Args:
        root: The folder. If it contains a `manifest.json`, images of one source in two splits are leaks, too.
        progress: Called as the search goes on.

    Raises:
        InputError: The folder has fewer than two splits.
    """
    files = _files(root)
    with decoding_pool() as pool:
        results = list(pool.map(lambda item: _read(root, *item), files))
    unreadable, sizes, entries = [], Counter[tuple[int, int]](), []
    known_sources = _sources(root)
    for (split, name, file), result in zip(files, results, strict=True):
        if isinstance(result, str):
            unreadable.append((file, result))
            continue
        sha256, size = result
        sizes[size] += 1
        entries.append(ImageEntry(file, split, name, known_sources.get(file, file), sha256))
    images = tuple(entries)
    classes = tuple(sorted({image.class_name for image in images}))
    sources = {}
    if known_sources:
        for split in SPLITS:
            here = [image for image in images if image.split == split]
            sources[split] = (len({image.source for image in here}), len(here))
    leaks = _leaks(root, images, progress)
    all_shifts = searches_all_shifts([image.split for image in images])
    return Report(Manifest(images, classes), sizes, sources, unreadable, leaks, all_shifts)


def _files(root: Path) -> list[tuple[str, str, str]]:
    """(split, class, file) of every image."""
    if not root.is_dir():
        raise InputError(f"there is no folder {root}", "Give a folder with train/, validation/ and test/.")
    splits = [split for split in SPLITS if (root / split).is_dir()]
    if len(splits) < 2:
        raise InputError(
            f"{root} has fewer than two of train/, validation/ and test/, so there can be no leaks",
            f"Split it with: {command()} data prepare {root} TO",
        )
    return [
        (split, name, path.relative_to(root).as_posix())
        for split in splits
        for name in class_folders(root / split)
        for path in list_images(root / split / name)
    ]


def _read(root: Path, split: str, name: str, file: str) -> tuple[str, tuple[int, int]] | str:
    """Hash and size of an image, or the reason why it cannot be read."""
    try:
        check_image(root / file)
        with Image.open(root / file) as image:
            return file_sha256(root / file), image.size
    except InputError as error:
        return error.what.removeprefix(f"{root / file} ")
    except OSError as error:
        return str(error.strerror)


def _sources(root: Path) -> dict[str, str]:
    """File -> source, if the folder has a manifest."""
    try:
        return {image.file: image.source for image in Manifest.read(root).images}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root / MANIFEST_NAME} is not a manifest ({error})", "Remove it.") from None


def _leaks(root: Path, images: tuple[ImageEntry, ...], progress: Progress) -> list[Leak]:
    """What is in two splits, each image once."""
    leaks: dict[str, Leak] = {}
    by_hash: dict[str, list[ImageEntry]] = {}
    by_source: dict[str, list[ImageEntry]] = {}
    for image in images:
        for known, how in (
            (by_hash.setdefault(image.sha256, []), "the same file"),
            (by_source.setdefault(image.source, []), "the same source, according to the manifest"),
        ):
            other = next((one for one in known if one.split != image.split), None)
            if other is not None:
                leaks.setdefault(image.file, Leak(other.file, image.file, how))
            known.append(image)
    pictures = [partial(read_picture, root / image.file) for image in images]
    for found in find_near_duplicates(pictures, [image.split for image in images], progress):
        first, second = images[found.first].file, images[found.second].file
        leaks.setdefault(second, Leak(first, second, found.match.in_words()))
    return sorted(leaks.values(), key=lambda leak: leak.second)
