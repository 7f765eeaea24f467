"""What a data set consists of: every file with its part, class, source cell and hash."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from wbc.data import PARTS

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class ImageEntry:
    """One image of a data set.

    Attributes:
        file: Path below the data set's folder, with forward slashes.
        part: `train`, `validation` or `test`.
        class_name: The true class.
        source: The source cell. Images that show the same cell (repeated photographs,
            augmented copies) share it; intervals are resampled by it.
        sha256: Hash of the file's bytes.
    """

    file: str
    part: str
    class_name: str
    source: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A data set, complete.

    Attributes:
        images: In the order of their file names, part by part.
        classes: Class names in label order.
        settings: The settings that made the data set; empty for a folder that a user brought.
        left_out: Reason -> the source files that were left out for it.
    """

    images: tuple[ImageEntry, ...]
    classes: tuple[str, ...]
    settings: dict = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def part(self, name: str) -> list[ImageEntry]:
        """The images of one part, in file order."""
        return [image for image in self.images if image.part == name]

    def counts(self) -> dict[str, Counter]:
        """Images by part and class: `counts()["train"]["MONOCYTE"]`."""
        counts = {part: Counter() for part in PARTS}
        for image in self.images:
            counts[image.part][image.class_name] += 1
        return counts

    @cached_property
    def digest(self) -> str:
        """SHA-256 over classes, file names, parts, sources and file hashes: the identity of the data set."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for image in sorted(self.images, key=lambda image: image.file):
            line = [image.file, image.part, image.class_name, image.source, image.sha256]
            digest.update(("\n" + "\0".join(line)).encode())
        return digest.hexdigest()

    def shared(self) -> list[tuple[str, ...]]:
        """Files of equal bytes that stand in more than one part, a tuple for each picture."""
        alike: dict[str, list[ImageEntry]] = {}
        for image in self.images:
            alike.setdefault(image.sha256, []).append(image)
        several = [same for same in alike.values() if len({image.part for image in same}) > 1]
        return [tuple(image.file for image in same) for same in several]

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
        """Read the manifest of a folder."""
        return cls.read_file(folder / MANIFEST_NAME)

    @classmethod
    def read_file(cls, path: Path) -> "Manifest":
        """Read what `write` wrote, wherever it lies."""
        content = json.loads(path.read_text())
        return cls(
            images=tuple(ImageEntry(**image) for image in content["images"]),
            classes=tuple(content["classes"]),
            settings=content["settings"],
            left_out=content["left_out"],
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
