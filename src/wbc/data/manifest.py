"""What a data set consists of: every file with its split, class, source and hash."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wbc.data import SPLITS
from wbc.errors import InputError, did_you_mean

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class ImageEntry:
    """One image of a data set."""

    file: str
    """Path below the folder of the data set, with forward slashes."""
    split: str
    """`train`, `validation` or `test`."""
    class_name: str
    """The true class."""
    source: str
    """What the image shares with others: a field of view, or the original of augmented copies.

    Images of one source stay in one split, and intervals are resampled by source.
    """
    sha256: str
    """Hash of the file's bytes."""


class LeftOut(defaultdict[str, list[str]]):
    """Reason -> the source files that were left out for it."""

    def __init__(self) -> None:
        super().__init__(list)

    def ordered(self) -> dict[str, list[str]]:
        """The same as a plain dictionary, with reasons and files in alphabetical order."""
        return {reason: sorted(self[reason]) for reason in sorted(self) if self[reason]}


@dataclass(frozen=True)
class Manifest:
    """All images of a data set."""

    images: tuple[ImageEntry, ...]
    """Ordered by split, then by file name."""
    classes: tuple[str, ...]
    """Class names in label order."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The settings that made the data set; empty for a folder that a user brought."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the source files that were left out for it."""

    def split(self, name: str) -> list[ImageEntry]:
        """The images of one split, in file order."""
        return [image for image in self.images if image.split == name]

    def counts(self) -> dict[str, Counter[str]]:
        """Images by split and class: `counts()["train"]["MONOCYTE"]`."""
        counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for image in self.images:
            counts[image.split][image.class_name] += 1
        return counts

    @cached_property
    def digest(self) -> str:
        """SHA-256 over classes, file names, splits, sources and file hashes: the identity of the data set."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for image in sorted(self.images, key=lambda image: image.file):
            line = [image.file, image.split, image.class_name, image.source, image.sha256]
            digest.update(("\n" + "\0".join(line)).encode())
        return digest.hexdigest()

    def leaked_files(self) -> list[tuple[str, ...]]:
        """Files of equal bytes that are in more than one split, one tuple for each content."""
        same_bytes: dict[str, list[ImageEntry]] = {}
        for image in self.images:
            same_bytes.setdefault(image.sha256, []).append(image)
        leaked = [same for same in same_bytes.values() if len({image.split for image in same}) > 1]
        return [tuple(image.file for image in same) for same in leaked]

    def write(self, folder: Path) -> None:
        """Write the manifest as `manifest.json` into `folder`."""
        content = {
            "digest": self.digest,
            "classes": list(self.classes),
            "settings": self.settings,
            "left_out": self.left_out,
            "images": [asdict(image) for image in self.images],
        }
        (folder / MANIFEST_NAME).write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of a folder; see `read_file`."""
        return cls.read_file(folder / MANIFEST_NAME)

    @classmethod
    def read_file(cls, path: Path) -> "Manifest":
        """Read a file that `write` wrote.

        Raises:
            OSError: There is no such file.
            ValueError, KeyError, TypeError: It is not a manifest.
        """
        content = json.loads(path.read_text())
        return cls(
            images=tuple(ImageEntry(**image) for image in content["images"]),
            classes=tuple(content["classes"]),
            settings=content["settings"],
            left_out=content["left_out"],
        )


def check_groups(groups: Mapping[str, Sequence[str]], classes: Sequence[str]) -> None:
    """Check that classes can be merged into groups, such as mononuclear and polynuclear cells.

    Raises:
        InputError: There are fewer than two groups, one is empty, or a class is unknown or in two of them.
    """
    if len(groups) < 2:
        raise InputError(
            f"groups has {len(groups)} group{'' if len(groups) == 1 else 's'}",
            "A classifier needs at least two.",
        )
    seen: dict[str, str] = {}
    for group, names in groups.items():
        if not names:
            raise InputError(f"the group {group} is empty", f"Known classes are {', '.join(classes)}.")
        for name in names:
            if name not in classes:
                hint = did_you_mean(name, classes) or f"Known are {', '.join(classes)}."
                raise InputError(f"there is no class {name!r} for the group {group}", hint)
            if seen.setdefault(name, group) != group or list(names).count(name) > 1:
                raise InputError(f"the class {name} is in groups twice", "Name each class once.")


def check_class_weight(names: Iterable[str], classes: Sequence[str]) -> None:
    """Check that a table of weights names classes that there are.

    Raises:
        InputError: It names another.
    """
    for name in names:
        if name not in classes:
            raise InputError(
                f"class_weight names {name!r}, but the classes are {', '.join(classes)}",
                did_you_mean(name, classes) or "Name classes as their folders are called.",
            )


def group_classes(manifest: Manifest, groups: Mapping[str, Sequence[str]]) -> Manifest:
    """The manifest with groups in place of classes. Images of a class that is in no group are left out.

    Args:
        manifest: Of the whole data set; the files stay where they are.
        groups: New class, in label order -> the classes that it merges.

    Raises:
        InputError: See `check_groups`.
    """
    check_groups(groups, manifest.classes)
    group_of = {name: group for group, names in groups.items() for name in names}
    images = [
        replace(image, class_name=group_of[image.class_name])
        for image in manifest.images
        if image.class_name in group_of
    ]
    images.sort(key=lambda image: (SPLITS.index(image.split), image.file))
    left_out = dict(manifest.left_out)
    dropped = [image.file for image in manifest.images if image.class_name not in group_of]
    if dropped:
        left_out["class in no group"] = dropped
    settings = {**manifest.settings, "groups": {group: list(names) for group, names in groups.items()}}
    return Manifest(tuple(images), tuple(groups), settings, left_out)
