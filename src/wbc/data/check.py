"""What is wrong with a split folder: unreadable images, unbalanced classes, leaks between splits."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wbc.data import SPLITS
from wbc.data.folders import described, entries_of, known_sources, look_at_images
from wbc.data.layout import AS_IT_IS, FolderOptions, Layout, read_layout, suggested_groups
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.decoding import read_upright
from wbc.data.progress import Progress, no_progress
from wbc.data.reading import PLAIN, Reading
from wbc.duplicates import (
    SMALLEST_SIDE,
    find_near_duplicates,
    read_picture,
    reduce_picture,
    searches_all_shifts,
)
from wbc.errors import UnsplitFolderError

EXTERNAL = "external"
"""What the images of an external test are called among splits."""


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
    warnings: tuple[str, ...] = ()
    """What is odd, in sentences."""
    scale: str = ""
    """How numbers of more than 8 bits become pixels, in words; empty if there are none."""
    groups: str = ""
    """Groups that file names suggest, in a sentence; mostly empty."""
    external: bool = False
    """Whether images of an external test were searched for, too."""
    ways_out: tuple[str, ...] = ()
    """What to do about unreadable images."""

    @property
    def lacking(self) -> bool:
        """Whether a class has no image that can be read in a split."""
        counts = self.manifest.counts()
        return any(
            not counts[split][name] for split in counts if counts[split] for name in self.manifest.classes
        ) or not (counts["train"] and (counts["test"] or self.external))

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
            if split == "validation" and not counts[split]:
                continue  # it is taken out of train
            numbers = [counts[split][name] for name in self.manifest.classes]
            fewest = min(numbers, default=0)
            ratios.append(f"{split} " + (f"{max(numbers) / fewest:.1f} to 1" if fewest else "lacks a class"))
        return ", ".join(ratios)

    def sources_in_words(self) -> str:
        """Sources and images of each split; additional images are near-duplicates or augmented copies."""
        return ", ".join(
            f"{split} {sources} -> {images}" for split, (sources, images) in self.sources.items()
        )


def check_folder(
    root: Path,
    progress: Progress = no_progress,
    options: FolderOptions = AS_IT_IS,
    reading: Reading = PLAIN,
    test_path: Path | None = None,
) -> Report:
    """Check a split folder; see `wbc.data.layout`.

    Args:
        root: The folder. If it contains a `manifest.json`, images of one source in two splits are leaks, too.
        progress: Called as the search goes on.
        options: What the folder does not say of itself.
        reading: How files become pixels.
        test_path: Folder of an external test, whose images are searched for among these. The folder itself need
            not be split then.

    Raises:
        UnsplitFolderError: The folder is not split.
        InputError: A split or a class is missing, labels contradict each other, or white cannot be known.
    """
    layout = read_layout(root, options)
    try:
        layout.check_split()
    except UnsplitFolderError as error:
        if test_path is not None:
            return _check_against(layout, test_path, progress, options, reading)
        contents = look_at_images(layout, reading, progress=progress)
        contents.check()
        contents.check_labels()
        contents.scaled(reading)
        ways = [error.way_out, suggested_groups(layout.images)]
        raise UnsplitFolderError(error.what, "\n".join(way for way in ways if way)) from None
    return _check(layout, test_path, progress, options, reading)


def _check_against(
    layout: Layout, test_path: Path, progress: Progress, options: FolderOptions, reading: Reading
) -> Report:
    """Check a folder that is not split: whatever is in it, is for training."""
    layout.images = [replace(found, split="train") for found in layout.images]
    layout.notes.append("The folder is not split: only the external test is compared with it.")
    return _check(layout, test_path, progress, options, reading)


def _check(
    layout: Layout, test_path: Path | None, progress: Progress, options: FolderOptions, reading: Reading
) -> Report:
    root = layout.root
    contents = look_at_images(layout, reading, progress=progress)
    contents.check_labels()
    given, reading = reading, contents.scaled(reading)
    images = entries_of(root, contents)
    scales: dict[str, Reading] = {}
    facts = [looked.facts for _, looked in contents.images]
    sizes = Counter((one.width, one.height) for one in facts)
    grouped = bool(known_sources(root)) or any(found.group for found in layout.images)
    sources = {}
    if grouped:
        for split in SPLITS:
            here = [image for image in images if image.split == split]
            sources[split] = (len({image.source for image in here}), len(here))
    plain = {image.file: one.plain for image, one in zip(images, facts, strict=True)}
    compared = images
    if test_path is not None:
        others, other_reading, other_plain = _external(test_path.resolve(), options, given, progress)
        compared, plain = images + others, plain | other_plain
        scales = dict.fromkeys((image.file for image in others), other_reading)
    leaks = _leaks(
        root, compared, progress, lambda file: _picture(root, plain, scales.get(file, reading), file)
    )
    warnings = [*layout.notes, *contents.warnings(reading), *_copies(images)]
    small = sum(min(one.width, one.height) < SMALLEST_SIDE for one in facts)
    if small:
        warnings.append(f"Of {small} images below {SMALLEST_SIDE} pixels, only equal files can be found.")
    settings = {"reading": reading.spelled_out()} if reading.spelled_out() else {}
    return Report(
        Manifest(images, layout.classes, settings, layout.left_out.ordered()),
        sizes,
        sources,
        [(file, error.what.removeprefix(f"{root / file} ")) for file, error in contents.unreadable],
        leaks,
        searches_all_shifts([image.split for image in compared]),
        tuple(warnings),
        described(reading, facts),
        "" if grouped else suggested_groups(layout.images),
        test_path is not None,
        tuple(dict.fromkeys(error.way_out for _, error in contents.unreadable)),
    )


def _external(
    root: Path, options: FolderOptions, reading: Reading, progress: Progress
) -> tuple[tuple[ImageEntry, ...], Reading, dict[str, bool]]:
    """The images of an external test with their whole paths, how they are read, and which are plain."""
    layout = read_layout(root, options)
    layout.check()
    contents = look_at_images(layout, reading, progress=progress)
    contents.check()
    reading = contents.scaled_if_deep(reading)
    images = []
    plain = {}
    named = options.group is not None or options.group_column is not None
    for image, (found, looked) in zip(entries_of(root, contents), contents.images, strict=True):
        source = image.source if named else f"external/{image.source}"
        images.append(replace(image, file=str(found.path), split=EXTERNAL, source=source))
        plain[str(found.path)] = looked.facts.plain
    if any(found.split == "test" for found, _ in contents.images):
        images = [
            one for one, (found, _) in zip(images, contents.images, strict=True) if found.split == "test"
        ]
    return tuple(images), reading, plain


def _copies(images: tuple[ImageEntry, ...]) -> list[str]:
    """A sentence on files of equal bytes within a split."""
    counts = Counter((image.split, image.sha256) for image in images)
    copies = sum(count - 1 for count in counts.values())
    if not copies:
        return []
    again = [image.file for image in images if counts[image.split, image.sha256] > 1]
    number = "1 image is a copy" if copies == 1 else f"{copies} images are copies"
    return [
        f"{number} of others in the same split, such as {' and '.join(again[:2])}; equal bytes count as one source."
    ]


def _picture(root: Path, plain: dict[str, bool], reading: Reading, file: str) -> NDArray[np.uint8]:
    if plain[file]:
        return read_picture(root / file)
    return reduce_picture(read_upright(root / file, reading))


def _leaks(
    root: Path,
    images: tuple[ImageEntry, ...],
    progress: Progress,
    picture: Callable[[str], NDArray[np.uint8]],
) -> list[Leak]:
    """What is in two splits, each image once."""
    leaks: dict[str, Leak] = {}
    same_source = "the same source, according to the manifest" if known_sources(root) else "the same group"
    by_hash: dict[str, dict[str, ImageEntry]] = {}
    by_source: dict[str, dict[str, ImageEntry]] = {}
    for image in images:
        for firsts, how in (
            (by_hash.setdefault(image.sha256, {}), "the same file"),
            (by_source.setdefault(image.source, {}), same_source),
        ):
            other = next((one for split, one in firsts.items() if split != image.split), None)
            if other is not None:
                leaks.setdefault(image.file, Leak(other.file, image.file, how))
            firsts.setdefault(image.split, image)
    pictures = [partial(picture, image.file) for image in images]
    for found in find_near_duplicates(pictures, [image.split for image in images], progress):
        first, second = images[found.first].file, images[found.second].file
        leaks.setdefault(second, Leak(first, second, found.match.in_words()))
    return sorted(leaks.values(), key=lambda leak: leak.second)
