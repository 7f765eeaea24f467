"""What a person should know of a data set before training with it: sentences, from its manifest."""

from dataclasses import replace
from pathlib import Path

from wbc.data.manifest import MANIFEST_NAME, Manifest
from wbc.data.reading import Reading
from wbc.errors import command


def external_images(manifest: Manifest) -> Manifest:
    """The images of an external test: the test split of a folder that is split, else all of its images."""
    chosen = manifest.split("test") or list(manifest.images)
    return replace(manifest, images=tuple(replace(image, split="test") for image in chosen))


def unchecked(images: Path, folder: Path) -> str:
    """A caution about a split in which nobody has looked for near-duplicates, or nothing.

    `data prepare` looks for them, and leaves a manifest.
    """
    if (images / MANIFEST_NAME).is_file():
        return ""
    return (
        f"nobody has looked for near-duplicates across the splits of {folder}. No files are equal, but there may be "
        f"shifted, turned or cropped copies. `{command()} data check {folder}` looks."
    )


def lost(manifest: Manifest, folder: Path) -> str:
    """A warning about files that may be images and are no part of the data set, or nothing."""
    from wbc.data.pipeline.sample import NOT_SAMPLED

    reasons = {
        reason: len(files)
        for reason, files in manifest.left_out.items()
        if not reason.startswith("no image") and reason != NOT_SAMPLED
    }
    if not reasons:
        return ""
    count = sum(reasons.values())
    said = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
    return f"{count} file{'s' * (count > 1)} of {folder} {'are' if count > 1 else 'is'} left out: {said}."


def leak(manifest: Manifest, folder: Path) -> str:
    """A warning about files that are in two splits, or nothing."""
    leaked = manifest.leaked_files()
    if not leaked:
        return ""
    count = "1 image is" if len(leaked) == 1 else f"{len(leaked)} images are"
    splits = {image.file: image.split for image in manifest.images}
    first, *others = leaked[0]
    elsewhere = next(file for file in others if splits[file] != splits[first])
    return (
        f"{count} in more than one split, such as {first} and {elsewhere}, so the test contains what "
        f"training has shown. `{command()} data check {folder}` lists them, and near-duplicates."
    )


def shared(own: Manifest, other: Manifest, path: Path, test_path: Path, grouped: bool) -> str:
    """A warning about images and groups that both folders have, and about scales that differ, or nothing.

    Args:
        own: Of the folder that is trained on.
        other: Of the folder of the external test.
        path: The first folder.
        test_path: The second one.
        grouped: Whether sources are groups that somebody named.
    """
    tested = external_images(other)
    first = {image.sha256: image.file for image in own.images}
    again = [image for image in tested.images if image.sha256 in first]
    said = []
    if again:
        count = "1 image" if len(again) == 1 else f"{len(again)} images"
        said.append(
            f"{count} of {test_path} {'is' if len(again) == 1 else 'are'} in {path}, too, such as "
            f"{again[0].file} = {first[again[0].sha256]}: the external test contains what training may have shown."
        )
    if grouped:
        files = {image.file for image in (*own.images, *tested.images)}
        groups = {image.source for image in own.images} & {image.source for image in tested.images} - files
        if groups:
            count = "1 group is" if len(groups) == 1 else f"{len(groups)} groups are"
            said.append(
                f"{count} in both folders, such as {min(groups)}. If these are the same patients, the external "
                "test contains what training has shown."
            )
    mine, its = Reading.of(own.settings).white, Reading.of(other.settings).white
    if mine and its and mine != its:
        said.append(
            f"White was taken for {mine:g} in {path}, but for {its:g} in {test_path}: equal "
            "numbers become different grays. Declare white in [data]."
        )
    return " ".join(said)
