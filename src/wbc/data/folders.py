"""Image folders as users have them: `train/`, `validation/` and `test/`, each with one folder per class."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.manifest import MANIFEST_NAME, ImageEntry, Manifest
from wbc.errors import InputError, UnsplitFolderError, command, did_you_mean
from wbc.files import file_sha256

JUNK = {"thumbs.db", "desktop.ini"}
"""Files that file managers leave behind; hidden files are ignored as well."""


@dataclass(frozen=True)
class FileState:
    """What shows whether a file has changed since it was read."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change, in nanoseconds since the epoch."""

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """The current state of a file."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)


Remembered = Callable[[str, FileState], str | None]
"""(relative path, state) -> the hash of a file that was decoded before, or None."""


def inspect_folder(root: Path, remembered: Remembered = lambda file, state: None) -> Manifest:
    """Read an image folder and make sure that every image in it can be used.

    Every image is decoded once, unless `remembered` knows the file in its current state. A `manifest.json`
    in the folder tells which images share a source. Without one, each image is a source of its own.

    Returns:
        The manifest, its images sorted by split and file name.

    Raises:
        UnsplitFolderError: The folder is not split yet.
        InputError: A split, a class or an image is missing or cannot be used.
    """
    classes = _check_layout(root)
    found: list[tuple[str, str, Path]] = []
    for split in SPLITS:
        for name in classes:
            files = list_images(root / split / name)
            if not files:
                raise InputError(
                    f"{root / split / name} contains no image, but every class needs some in every split",
                    f"Put images of class {name} into {split}/, or remove the class from all splits.",
                )
            found += [(split, name, path) for path in files]

    known_sources = _sources(root)

    def entry(item: tuple[str, str, Path]) -> ImageEntry:
        split, name, path = item
        file = path.relative_to(root).as_posix()
        try:
            state = FileState.of(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}", "Replace it, or remove it from the folder."
            ) from None
        sha256 = remembered(file, state)
        if sha256 is None:
            check_image(path)
            sha256 = file_sha256(path)
        return ImageEntry(file, split, name, known_sources.get((file, sha256), file), sha256)

    from wbc.data.pipeline.decoding import decoding_pool  # loads NumPy

    with decoding_pool() as pool:
        images = tuple(pool.map(entry, found))
    return Manifest(images=images, classes=tuple(classes))


def list_images(folder: Path) -> list[Path]:
    """The files of a class folder by name, without hidden ones and what file managers leave behind.

    Raises:
        InputError: The folder contains another folder, or a name that is not UTF-8.
    """
    if not folder.is_dir():
        return []
    files = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name.lower() in JUNK:
            continue
        if path.is_dir():
            raise InputError(
                f"{path} is a folder inside a class folder",
                f"Move its images up into {folder}, or remove the folder.",
            )
        if not path.is_file():
            raise InputError(f"{path} is not a file", f"Remove it from {folder}.")
        _check_name(path)
        files.append(path)
    return files


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, in order, without hidden ones.

    Raises:
        InputError: A name is not UTF-8.
    """
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for path in folders:
        _check_name(path)
    return sorted(path.name for path in folders)


def check_image(path: Path) -> None:
    """Decode an image.

    Raises:
        InputError: It cannot be decoded; the message names the file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        raise InputError(f"{path} is not an image", "Replace it, or remove it from the folder.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as an image: {error}", "Replace it, or remove it from the folder."
        ) from None


def _check_name(path: Path) -> None:
    """Check a name for UTF-8: a file system takes any bytes, but manifests, tables and hashes do not."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name {path.name!r} in {path.parent} is not UTF-8", "Rename the file or folder."
        ) from None


def _split_meant(name: str, missing: list[str]) -> str:
    """A question that names the missing split most similar to `name`; `val` is too short for similarity."""
    begun = next((split for split in missing if len(name) > 1 and split.startswith(name.lower())), None)
    return f"did you mean {begun}?" if begun else did_you_mean(name, missing)


def _check_layout(root: Path) -> list[str]:
    """The class names of a split folder."""
    layout = (
        "It should contain train/, validation/ and test/, each with one folder per class. "
        f"`{command()} data prepare FROM TO` makes such a folder from one with a folder per class."
    )
    if not root.is_dir():
        raise InputError(f"there is no folder {root}", layout)
    folders = class_folders(root)
    missing = [split for split in SPLITS if split not in folders]
    if missing == list(SPLITS) and any(
        path.is_file() for name in folders for path in (root / name).iterdir()
    ):
        raise UnsplitFolderError(f"{root} is not split into train/, validation/ and test/ yet")
    if missing:
        hints = [(name, _split_meant(name, missing)) for name in folders if name not in SPLITS]
        hint = next((f" ({name}/: {hint})" for name, hint in hints if hint), "")
        raise InputError(f"{root} has no {' and no '.join(f'{split}/' for split in missing)}{hint}", layout)
    by_split = {split: class_folders(root / split) for split in SPLITS}
    classes = sorted(set().union(*by_split.values()))
    for split, names in by_split.items():
        absent = [name for name in classes if name not in names]
        if absent:
            raise InputError(
                f"class {absent[0]} is missing from {root / split}",
                "Every class needs a folder with images in train/, validation/ and test/.",
            )
    if len(classes) < 2:
        raise InputError(
            f"{root} has {len(classes)} class{'' if len(classes) == 1 else 'es'}, "
            "but a classifier needs at least two",
            "Each split should contain one folder per class.",
        )
    return classes


def _sources(root: Path) -> dict[tuple[str, str], str]:
    """(file, hash) -> source, from the manifest of a prepared folder."""
    if not (root / MANIFEST_NAME).is_file():
        return {}
    try:
        images = Manifest.read(root).images
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{root / MANIFEST_NAME} is not a manifest ({error})",
            "Prepare the folder again, or remove the file: each image is then a source of its own.",
        ) from None
    return {(image.file, image.sha256): image.source for image in images}
