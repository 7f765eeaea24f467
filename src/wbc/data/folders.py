"""Image folders as users bring them: `train/ validation/ test/`, in each a folder a class."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wbc.data import PARTS
from wbc.data.decoding import decoding_pool
from wbc.data.manifest import MANIFEST_NAME, ImageEntry, Manifest, file_sha256
from wbc.errors import InputError, did_you_mean

JUNK = {"thumbs.db", "desktop.ini"}
"""Files that file managers leave behind; hidden files are passed over as well."""


class UnsplitFolderError(InputError):
    """The folder holds classes where `train/ validation/ test/` should be."""


@dataclass(frozen=True)
class FileState:
    """What tells whether a file changed since it was read."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """The state of the file as it is now."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)


Remembered = Callable[[str, FileState], str | None]
"""(relative path, state) -> the hash of a file that was decoded before, or None."""


def inspect_folder(root: Path, remembered: Remembered = lambda file, state: None) -> Manifest:
    """Read an image folder and make sure that every image in it can be used.

    Every image is decoded once; `remembered` may vouch for files that were decoded earlier. A
    `manifest.json` beside the parts tells which images share a source cell; without one, each
    image counts as a cell of its own.

    Returns:
        The manifest, its images sorted by part and file name.

    Raises:
        UnsplitFolderError: The folder is not split into parts yet.
        InputError: A part, a class or an image is missing or cannot be used.
    """
    classes = _check_layout(root)
    found: list[tuple[str, str, Path]] = []
    for part in PARTS:
        for name in classes:
            files = list_images(root / part / name)
            if not files:
                raise InputError(
                    f"{root / part / name} holds no image, but every class needs some in every part",
                    f"Put images of class {name} into {part}/, or take the class out of all parts.",
                )
            found += [(part, name, path) for path in files]

    known_sources = _sources(root)

    def entry(item: tuple[str, str, Path]) -> ImageEntry:
        part, name, path = item
        file = path.relative_to(root).as_posix()
        try:
            state = FileState.of(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}", "Replace it, or take it out of the folder."
            ) from None
        sha256 = remembered(file, state)
        if sha256 is None:
            check_image(path)
            sha256 = file_sha256(path)
        return ImageEntry(file, part, name, known_sources.get((file, sha256), file), sha256)

    with decoding_pool() as pool:
        images = tuple(pool.map(entry, found))
    return Manifest(images=images, classes=tuple(classes))


def list_images(folder: Path) -> list[Path]:
    """The files of a class folder by name, without hidden ones and what file managers leave behind.

    Raises:
        InputError: There is a folder inside the folder, or a name that is not UTF-8.
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
                f"Move its images up into {folder}, or the folder away.",
            )
        if not path.is_file():
            raise InputError(f"{path} is no file", f"Take it out of {folder}.")
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
        InputError: It cannot be decoded; names the file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        raise InputError(f"{path} is no image", "Replace it, or take it out of the folder.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} cannot be read as an image: {error}", "Replace it, or take it out of the folder."
        ) from None


def _check_name(path: Path) -> None:
    """Names go into manifests, tables and hashes, which are UTF-8; a file system takes any bytes."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name {path.name!r} in {path.parent} is not UTF-8", "Rename the file or folder."
        ) from None


def _part_meant(name: str, missing: list[str]) -> str:
    """A question that names the missing part nearest to `name`; `val` is too short to be near anything."""
    begun = next((part for part in missing if len(name) > 1 and part.startswith(name.lower())), None)
    return f"did you mean {begun}?" if begun else did_you_mean(name, missing)


def _check_layout(root: Path) -> list[str]:
    """The class names of a split folder, or the reason why it is none."""
    if not root.is_dir():
        raise InputError(
            f"there is no folder {root}",
            "It should hold train/, validation/ and test/, in each a folder a class; "
            "python -m bench data prepare FROM TO makes such a folder from one with a folder a class.",
        )
    folders = class_folders(root)
    missing = [part for part in PARTS if part not in folders]
    if missing == list(PARTS) and any(path.is_file() for name in folders for path in (root / name).iterdir()):
        raise UnsplitFolderError(f"{root} is not split into train/, validation/ and test/ yet")
    if missing:
        hints = [(name, _part_meant(name, missing)) for name in folders if name not in PARTS]
        hint = next((f" ({name}/: {hint})" for name, hint in hints if hint), "")
        raise InputError(
            f"{root} has no {' and no '.join(f'{part}/' for part in missing)}{hint}",
            "It should hold train/, validation/ and test/, in each a folder a class; "
            "python -m bench data prepare FROM TO makes such a folder from one with a folder a class.",
        )
    by_part = {part: class_folders(root / part) for part in PARTS}
    classes = sorted(set().union(*by_part.values()))
    for part, names in by_part.items():
        absent = [name for name in classes if name not in names]
        if absent:
            raise InputError(
                f"class {absent[0]} is missing from {root / part}",
                "Every class needs a folder with images in train/, validation/ and test/.",
            )
    if len(classes) < 2:
        raise InputError(
            f"{root} has {len(classes)} class{'' if len(classes) == 1 else 'es'}; "
            "telling images apart takes at least two",
            "Each part should hold a folder a class.",
        )
    return classes


def _sources(root: Path) -> dict[tuple[str, str], str]:
    """(file, hash) -> source cell, from the manifest that a prepared folder carries."""
    if not (root / MANIFEST_NAME).is_file():
        return {}
    try:
        images = Manifest.read(root).images
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{root / MANIFEST_NAME} is not a manifest ({error})",
            "Prepare the folder again, or remove the file: then each image counts as a cell of its own.",
        ) from None
    return {(image.file, image.sha256): image.source for image in images}
