"""Published collections of blood cells: downloaded, checked, and unpacked into folders of classes.

Every archive is pinned by the hash that its publisher states. Where none is known to us, the user gives one.
"""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from wbc.data import SPLITS
from wbc.data.download import RemoteFile, Sleep, Told, check, download, is_there
from wbc.data.progress import Progress, no_progress
from wbc.errors import InputError
from wbc.files import whole_folder

_UNPINNED = ""
_SHA256 = re.compile("[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Collection:
    """A published collection in one archive."""

    name: str
    """Its name in commands."""
    base: str
    """Address of its server."""
    archive: RemoteFile
    """`.npz` as MedMNIST has it, or `.zip` of folders of classes."""
    about: str
    """What is in it, in a sentence."""
    license: str
    citation: str
    classes: tuple[str, ...]
    """In the order of its labels; of a `.zip` the names of its folders."""


_BLOODMNIST = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
_MEDMNIST = "Yang et al., MedMNIST v2, Scientific Data 10:41, 2023"
_ACEVEDO = "Acevedo et al., Data in Brief 30:105474, 2020"


def _bloodmnist(side: int, md5: str) -> Collection:
    suffix = "" if side == 28 else f"_{side}"
    file = f"bloodmnist{suffix}.npz"
    return Collection(
        f"bloodmnist{suffix.replace('_', '-')}",
        "https://zenodo.org",
        RemoteFile(file, f"records/10519652/files/{file}", md5, algorithm="md5"),
        f"17,092 images of {side} x {side} pixels, 8 classes, with its own split",
        "CC BY 4.0",
        f"{_MEDMNIST}; images by {_ACEVEDO}",
        _BLOODMNIST,
    )


COLLECTIONS = {
    one.name: one
    for one in (
        _bloodmnist(28, "7053d0359d879ad8a5505303e11de1dc"),
        _bloodmnist(64, "2b94928a2ae4916078ca51e05b6b800b"),
        _bloodmnist(128, "adace1e0ed228fccda1f39692059dd4c"),
        _bloodmnist(224, "b718ff6835fcbdb22ba9eacccd7b2601"),
        Collection(
            "pbc",
            "https://data.mendeley.com",
            RemoteFile(
                "PBC_dataset_normal_DIB.zip",
                "public-files/datasets/snkd93bnjr/files/2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded",
                _UNPINNED,
            ),
            "17,092 images of 360 x 363 pixels, 8 classes, basophils among them; not split",
            "CC BY 4.0",
            _ACEVEDO,
            (
                "basophil",
                "eosinophil",
                "erythroblast",
                "ig",
                "lymphocyte",
                "monocyte",
                "neutrophil",
                "platelet",
            ),
        ),
    )
}
"""Name -> collection."""


def fetch_collection(
    name: str,
    destination: Path,
    base: str | None = None,
    sha256: str | None = None,
    source: Path | None = None,
    progress: Progress = no_progress,
    sleep: Sleep | None = None,
) -> int:
    """Download a collection and unpack it.

    Args:
        name: A key of `COLLECTIONS`.
        destination: A new folder. The archive lies beside it until it is unpacked, so that a download that
            stopped is resumed.
        base: Address of another server.
        sha256: Of the archive, in place of the pinned hash.
        source: A folder that has the archive already.
        progress: Called with the bytes, then with the images that are there.
        sleep: Waits, in seconds, between two attempts.

    Returns:
        Number of images.

    Raises:
        InputError: The destination exists, no hash is known, the archive cannot be downloaded, is not the pinned
            one, or does not hold what it should.
    """
    one = COLLECTIONS[name]
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise InputError(
            f"{sha256!r} is no SHA-256 hash: it has 64 hexadecimal digits", "Copy it whole: --sha256 HASH."
        )
    file = replace(one.archive, hash=sha256.lower(), algorithm="sha256") if sha256 else one.archive
    if file.hash == _UNPINNED:
        raise InputError(
            f"no hash of {file.name} is known, so it would not be checked",
            f"Give the one that {one.base} shows for the file: --sha256 HASH.",
        )
    if destination.exists() and any(destination.iterdir()):
        raise InputError(f"{destination} exists already and is not empty", "Give the name of a new folder.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    archive = destination.with_name(f"{destination.name}.{file.name}.partial")
    if source is not None:
        if not (source / file.name).is_file():
            raise InputError(
                f"{source / file.name} is missing", "Give the folder that holds it, or download it."
            )
        archive = source / file.name
        check(file, archive, str(archive), discard=False)
    elif not is_there(file, archive):
        told: Told = lambda done, whole: progress("bytes", done, whole or done)  # noqa: E731
        waits = {} if sleep is None else {"sleep": sleep}
        download(
            file, base or one.base, archive, "Get it in another way and give its folder with --from DIR.",
            told=told, **waits,
        )  # fmt: skip
    if destination.exists():
        destination.rmdir()
    with whole_folder(destination) as folder:
        unpack = _unpack_npz if file.name.endswith(".npz") else _unpack_zip
        count = unpack(archive, folder, one, progress)
        (folder / "LICENSE.txt").write_text(f"{one.name}: {one.about}.\n{one.license}\n{one.citation}\n")
    if source is None:
        archive.unlink()
    return count


_PARTS = {"train": "train", "validation": "val", "test": "test"}


def _unpack_npz(archive: Path, folder: Path, one: Collection, progress: Progress) -> int:
    """Write MedMNIST's arrays as `<split>/<class>/<number>.png`."""
    with _readable(archive), np.load(archive, allow_pickle=False) as arrays:
        parts = {
            split: (arrays[f"{part}_images"], arrays[f"{part}_labels"].reshape(-1))
            for split, part in _PARTS.items()
        }
    total, done = sum(len(labels) for _, labels in parts.values()), 0
    for split in SPLITS:
        images, labels = parts[split]
        fits = (
            images.dtype == np.uint8
            and images.ndim == 4
            and images.shape[-1] == 3
            and len(images) == len(labels)
        )
        if not fits or (len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(one.classes)):
            raise InputError(
                f"{archive} does not hold color images of {len(one.classes)} classes as {one.name} does"
            )
        for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
            place = folder / split / one.classes[int(label)]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{number:05d}.png", compress_level=1)
            done += 1
            progress("images", done, total)
    return total


def _unpack_zip(archive: Path, folder: Path, one: Collection, progress: Progress) -> int:
    """Write the images of a `.zip` as `<class>/<name>`; what lies elsewhere in it is left out."""
    count = 0
    with _readable(archive), zipfile.ZipFile(archive) as content:
        members = [
            (member, path)
            for member in content.infolist()
            if (path := PurePosixPath(member.filename)).suffix.lower() in (".jpg", ".jpeg", ".png")
            and path.parent.name in one.classes
            and not path.name.startswith(".")
            and "__MACOSX" not in path.parts
        ]
        for member, path in members:
            place = (
                folder / path.parent.name
            )  # only the last two names: nothing is written outside the folder
            place.mkdir(exist_ok=True)
            if (place / path.name).exists():
                raise InputError(f"{archive} holds {path.parent.name}/{path.name} twice")
            (place / path.name).write_bytes(content.read(member))
            count += 1
            progress("images", count, len(members))
    if missing := [name for name in one.classes if not (folder / name).is_dir()]:
        raise InputError(f"{archive} has no images of {', '.join(missing)}, but {one.name} has")
    return count


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Turn what damaged archives raise into an error for people."""
    try:
        yield
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise InputError(f"{archive} is not the archive that it should be: {error}") from None
