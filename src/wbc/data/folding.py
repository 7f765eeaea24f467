"""Split a folder without copying it: by a seed, in folds, or only validation out of train."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.join_sources import join_near_duplicates
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.folds import Splitting, folds_of, split_by, split_originals
from wbc.data.pipeline.stages import Original, Stages
from wbc.data.progress import Progress, no_progress
from wbc.data.reading import Reading


def originals_of(manifest: Manifest, folder: Path) -> list[Original]:
    """The images of a folder as originals. What their author put into test has other sources than the rest."""
    return [
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


def split_manifest(
    manifest: Manifest,
    folder: Path,
    splitting: Splitting,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Split the images of a folder by source, stratified by class; near-duplicates stay together.

    Images that their author put into test stay there.

    Args:
        manifest: Of the folder, without splits, or with train and test only.
        folder: The folder.
        splitting: How.
        cache: Folder that keeps near-duplicates that were found; None: no cache.
        progress: Called as the search goes on.

    Raises:
        InputError: A class has too few sources.
    """
    originals = originals_of(manifest, folder)
    stages = Stages(reading=replace(Reading.of(manifest.settings), fit="squash"))
    split = partial(folds_of, splitting.folds) if splitting.folds else split_originals
    joined = join_near_duplicates(originals, stages, splitting.split_seed, cache, progress, split)
    split_of = split_by(joined.originals, splitting, joined.split_of)
    source_of = {one.name: one.source for one in joined.originals}
    images: list[ImageEntry] = [
        replace(image, source=source_of[image.file], split=split_of[source_of[image.file]])
        for image in manifest.images
    ]
    images.sort(key=lambda image: (SPLITS.index(image.split), image.file))
    settings = {**manifest.settings, "kept_together": joined.together, "all_shifts": joined.all_shifts}
    return Manifest(tuple(images), manifest.classes, settings, manifest.left_out)
