"""Split a folder without copying it: by a seed, in folds, or only validation out of train."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.join_sources import join_near_duplicates
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.build import classes_by_source, split_originals
from wbc.data.pipeline.splitting import split_sources
from wbc.data.pipeline.stages import Original, Progress, Stages, no_progress
from wbc.data.reading import Reading
from wbc.errors import InputError

HELD_OUT = {"train": 0.8, "validation": 0.2}
"""How the images that are not in the tested fold are shared."""


@dataclass(frozen=True)
class Splitting:
    """How a folder is split.

    Raises:
        InputError: There are fewer than two folds, or no such fold.
    """

    split_seed: int = 0
    folds: int | None = None
    """Number of folds; None: one split by usual shares."""
    fold: int | None = None
    """The fold that is the test, from 1."""

    def __post_init__(self) -> None:
        if self.folds is not None and not (self.folds >= 2 and 1 <= (self.fold or 0) <= self.folds):
            raise InputError(f"fold {self.fold} of {self.folds} is asked for", "Give 2 folds or more.")


def split_manifest(
    manifest: Manifest,
    folder: Path,
    splitting: Splitting,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Split the images of a folder by source, stratified by class; near-duplicates stay together.

    In `k` folds every source is tested in exactly one of the `k` manifests. The folds do not depend on which
    of them is asked for. Images that their author put into test stay there.

    Args:
        manifest: Of the folder, without splits, or with train and test only.
        folder: The folder.
        splitting: How.
        cache: Folder that keeps near-duplicates that were found; None: no cache.
        progress: Called as the search goes on.

    Raises:
        InputError: A class has too few sources.
    """
    originals = [
        Original(
            image.file,
            folder / image.file,
            image.class_name,
            f"test/{image.source}" if image.split == "test" else image.source,
            plain=False,
            split="test" if image.split == "test" else "",
        )
        for image in manifest.images
    ]
    stages = Stages(reading=replace(Reading.of(manifest.settings), fit="squash"))
    split = partial(_folds, splitting.folds) if splitting.folds else split_originals
    joined = join_near_duplicates(originals, stages, splitting.split_seed, cache, progress, split)
    if splitting.folds is None:
        split_of = split_originals(joined.originals, splitting.split_seed)
    else:
        fold_of = _folds(splitting.folds, joined.originals, splitting.split_seed)
        rest = {
            source: names
            for source, names in classes_by_source(joined.originals).items()
            if fold_of[source] != str(splitting.fold)
        }
        split_of = dict.fromkeys(fold_of, "test") | split_sources(rest, HELD_OUT, splitting.split_seed)
    source_of = {one.name: one.source for one in joined.originals}
    images: list[ImageEntry] = [
        replace(image, source=source_of[image.file], split=split_of[source_of[image.file]])
        for image in manifest.images
    ]
    images.sort(key=lambda image: (SPLITS.index(image.split), image.file))
    settings = {**manifest.settings, "kept_together": joined.together, "all_shifts": joined.all_shifts}
    return Manifest(tuple(images), manifest.classes, settings, manifest.left_out)


def _folds(folds: int, originals: Sequence[Original], seed: int) -> dict[str, str]:
    """Source -> number of the fold in which it is tested."""
    shares = {str(number): 1 / folds for number in range(1, folds + 1)}
    return split_sources(classes_by_source(originals), shares, seed)
