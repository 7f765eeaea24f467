"""Where the images of a suite come from, and the cache in which they are prepared once.

A data set has a digest before it is made: a hash of what it is made from. `wbc` makes the images. The cache
is in the results folder, and the digest is its key.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.trials.settings import digest_of
from bench.worker.files import whole_folder, write_text
from wbc.data import CELL_CLASSES
from wbc.data.folders import FileState, inspect_folder
from wbc.data.manifest import MANIFEST_NAME, Manifest
from wbc.errors import InputError, UnsplitFolderError, command

SourceSettings = dict[str, Any]
"""Settings of the images, as in `[data]` of a suite."""

DEFAULT_BCCD = Path("data/bccd")

MADE_BY = {
    "synthetic": ("data/__init__.py", "data/manifest.py", "data/synthetic"),
    "bccd": ("data/__init__.py", "data/manifest.py", "data/pipeline", "data/bccd", "duplicates"),
}
"""Source -> the files and whole folders of `wbc` that can change its pixels or its manifest.

They are part of the digest: when their code changes, the images are made again.
"""


@dataclass(frozen=True)
class DataSet:
    """A data set that may not be made yet."""

    source: str
    """`synthetic`, `bccd` or `folder`."""
    settings: SourceSettings
    """What it is made with; part of a trial's settings."""
    digest: str
    """Identity of what it is made from."""
    images: Path
    """Folder below which the files of the manifest are."""
    manifest: Path
    """Path of its manifest, once it is made."""
    make: Callable[[Path], Manifest]
    """Writes it into an empty folder and returns its manifest."""
    classes: tuple[str, ...] = CELL_CLASSES
    """Class names in label order."""
    warning: str = ""
    """Why it is a poor choice, in a sentence; usually empty."""

    @property
    def ready(self) -> bool:
        """Whether it is in the cache, with every file that is kept there."""
        try:
            manifest = Manifest.read_file(self.manifest)
        except (OSError, ValueError, TypeError, KeyError):
            return False
        kept = self.images == self.manifest.parent
        return not kept or all((self.images / image.file).is_file() for image in manifest.images)

    def prepare(self) -> Manifest:
        """Make the data set unless it is in the cache; it appears whole or not at all.

        Raises:
            InputError: The source cannot be made into a data set.
        """
        if self.ready:
            return Manifest.read_file(self.manifest)
        folder = self.manifest.parent
        shutil.rmtree(folder, ignore_errors=True)  # damaged
        with whole_folder(folder) as partial:
            manifest = self.make(partial)
            manifest.write(partial)
        return manifest


class DataSets:
    """Looks data sets up, each once."""

    def __init__(self, cache: Path, path: Path | None, groups: dict[str, list[str]] | None = None):
        """Look them up for one suite.

        Args:
            cache: The cache in the results folder.
            path: Folder with the user's images, or with BCCD; None: the default.
            groups: New class -> the classes that it merges; None: the classes as they are.
        """
        self.cache, self.path, self.groups = cache, path, groups
        self._known: dict[str, DataSet] = {}

    def find(self, source: str, data: SourceSettings, image_size: int) -> DataSet:
        """The data set of a combination.

        Args:
            source: `synthetic`, `bccd` or `folder`.
            data: The settings of the source.
            image_size: Height and width in pixels.

        Raises:
            InputError: The folder is missing or cannot be used.
        """
        wanted = json.dumps([source, data, image_size], sort_keys=True)
        if wanted not in self._known:
            find = {"synthetic": self._synthetic, "bccd": self._bccd, "folder": self._folder}[source]
            found = find(data, image_size)
            self._known[wanted] = self._grouped(found) if self.groups else found
        return self._known[wanted]

    def _grouped(self, base: DataSet) -> DataSet:
        """The same images with groups in place of classes; only a manifest is made."""
        from wbc.data.manifest import check_groups, group_classes

        groups = self.groups or {}
        check_groups(groups, base.classes)
        digest = digest_of([base.digest, groups])
        return DataSet(
            base.source,
            {**base.settings, "groups": groups},
            digest,
            base.images,
            self.cache / "data" / digest[:16] / MANIFEST_NAME,
            lambda folder: group_classes(base.prepare(), groups),
            tuple(groups),
            base.warning,
        )

    def _cached(
        self,
        source: str,
        settings: SourceSettings,
        identity: list[object],
        make: Callable[[Path], Manifest],
        images: Path | None = None,
        classes: tuple[str, ...] = CELL_CLASSES,
    ) -> DataSet:
        digest = digest_of([source, *identity])
        folder = self.cache / "data" / digest[:16]
        return DataSet(source, settings, digest, images or folder, folder / MANIFEST_NAME, make, classes)

    def _synthetic(self, data: SourceSettings, image_size: int) -> DataSet:
        from wbc.data.synthetic import SyntheticSettings, generate

        settings = SyntheticSettings(image_size=image_size, **data)
        code = source_digest(*MADE_BY["synthetic"])
        return self._cached(
            "synthetic", asdict(settings), [asdict(settings), code], lambda folder: generate(folder, settings)
        )

    def _bccd(self, data: SourceSettings, image_size: int) -> DataSet:
        from wbc.data.bccd import BccdSettings, bccd_fingerprint, check_bccd_folder, import_bccd

        folder = self.path or DEFAULT_BCCD
        check_bccd_folder(folder)
        settings = BccdSettings(image_size=image_size, **data)
        code = source_digest(*MADE_BY["bccd"])
        return self._cached(
            "bccd",
            asdict(settings),
            [asdict(settings), bccd_fingerprint(folder), code],
            lambda destination: import_bccd(folder, destination, settings, self.cache / "near-duplicates"),
        )

    def _folder(self, data: SourceSettings, image_size: int) -> DataSet:
        if self.path is None:
            raise InputError(
                'source = "folder" needs a path', 'Add path = "FOLDER" to [data], or give --data FOLDER.'
            )
        manifest = self._inspect(self.path.resolve())
        found = self._cached(
            "folder",
            {"name": self.path.name},
            [manifest.digest],
            lambda destination: manifest,
            self.path.resolve(),
            manifest.classes,
        )
        return replace(found, warning=_leak(manifest, self.path))

    def _inspect(self, folder: Path) -> Manifest:
        """Read a user's folder; files that have not changed since they were decoded are not decoded again."""
        index = FolderIndex(self.cache / "index" / f"{digest_of(str(folder))[:16]}.json", folder)
        try:
            manifest = inspect_folder(folder, index.hash_of)
        except UnsplitFolderError as error:
            raise InputError(
                error.what, f"Split it with: {command()} data prepare {folder} data/{folder.name}"
            ) from None
        index.remember(manifest)
        return manifest


def _leak(manifest: Manifest, folder: Path) -> str:
    """A warning about files that are in two splits, or nothing."""
    leaked = manifest.leaked_files()
    if not leaked:
        return ""
    count = "1 image is" if len(leaked) == 1 else f"{len(leaked)} images are"
    return (
        f"{count} in more than one split, such as {' and '.join(leaked[0][:2])}, so the test contains what "
        f"training has shown. `{command()} data check {folder}` lists them, and near-duplicates."
    )


class FolderIndex:
    """Hashes of the files of a folder, with the size and time that each file had.

    It is written only into an existing cache: `plan` must not create files.
    """

    def __init__(self, path: Path, folder: Path):
        self.path, self.folder = path, folder
        try:
            self.known = json.loads(path.read_text())
        except (OSError, ValueError):
            self.known = {}

    def hash_of(self, file: str, state: FileState) -> str | None:
        """The hash of a file that has not changed since, or None."""
        size, mtime_ns, sha256 = self.known.get(file, (None, None, None))
        return sha256 if FileState(size, mtime_ns) == state else None

    def remember(self, manifest: Manifest) -> None:
        """Keep the hashes of a manifest for the next time."""
        if not self.path.parent.parent.is_dir():
            return
        known = {}
        for image in manifest.images:
            state = FileState.of(self.folder / image.file)
            known[image.file] = [state.size, state.mtime_ns, image.sha256]
        if known != self.known:
            self.path.parent.mkdir(exist_ok=True)
            write_text(self.path, json.dumps(known))


def source_digest(*places: str, root: Path | None = None) -> str:
    """SHA-256 over the Python source of `wbc`, or of the files and folders in it that are named.

    Args:
        places: Files and folders in it; none: all of it.
        root: Folder of the package; None: the one that is running.
    """
    if root is None:
        import wbc

        root = Path(wbc.__file__).parent
    paths = [root / place for place in places] or [root]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
