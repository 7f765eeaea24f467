"""What a trial reads on a node that does not see the driver's folders: images, weights and shared features.

The node looks for what it lacks and asks the driver's machine for it, in pieces, through Ray's object store. Each
file is kept under the hash of its content, which is verified, so it comes to a node once, whatever data sets it is
part of. What a trial reads are folders of links to these files, which appear whole or not at all.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.runner.cluster.transfer import LARGE, Piece
from bench.trials.layout import ENTRY
from bench.worker.files import PARTIAL
from bench.worker.jsonl import Facts
from wbc.data.manifest import Manifest
from wbc.files import file_sha256, whole_folder

FOLDERS = {"manifest": "data_folder", "external_manifest": "external_folder"}
"""In a specification: the manifest of a data set, and the folder of its images."""

STORE_TRIES = 20
"""How often something is asked for again while Ray's object store is full."""

_AT_ONCE = 1000
"""Names of files in one request, at most."""

Hashes = dict[str, str]
"""Name of a file below its folder -> SHA-256."""


class Needs(Struct, frozen=True):
    """What a trial reads, as the driver's machine has it."""

    files: Hashes
    """Manifests and weights: path -> SHA-256."""
    features: dict[str, Hashes]
    """Sets of shared features that the trial may use: folder in the cache -> its files."""


class Depot:
    """Where files come from. Ray runs it as an actor on the driver's machine."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int, int], str] = {}

    def needs(self, specification: Facts) -> Needs:
        """What a specification needs."""
        weights, cache = specification.get("weights"), specification.get("feature_cache")
        paths = [specification[name] for name in FOLDERS if specification.get(name)]
        paths += [weights["path"]] if weights else []
        features = _features_for(Path(cache["folder"]), specification) if cache else {}
        return Needs({path: self._hash(path) for path in paths}, features)

    def read(self, paths: list[str], offset: int) -> list[Piece]:
        """The next bytes of some files, from `offset` of the first one on."""
        pieces: list[Piece] = []
        room = LARGE
        for path in paths:
            with Path(path).open("rb") as file:
                file.seek(offset)
                content = file.read(room)
                whole = file.tell() >= os.fstat(file.fileno()).st_size
            pieces.append(Piece(path, offset, content, whole))
            offset, room = 0, room - len(content)
            if not whole or room <= 0:
                break
        return pieces

    def files(self, folder: str) -> list[str]:
        """The files of a trial's checkpoint, which nothing changes before the trial goes on."""
        return sorted(str(path) for path in Path(folder).glob("*") if path.suffix != PARTIAL)

    def _hash(self, path: str) -> str:
        found = Path(path).stat()
        key = path, found.st_size, found.st_mtime_ns
        if key not in self._hashes:
            self._hashes[key] = file_sha256(Path(path))
        return self._hashes[key]


class Inputs:
    """What this node has of what trials read.

    Args:
        home: Gets what comes.
        needs, read: Those of a `Depot`.
    """

    def __init__(
        self, home: Path, needs: Callable[[Facts], Needs], read: Callable[[list[str], int], list[Piece]]
    ) -> None:
        self.home, self._needs, self._read = home, needs, read
        self.received = 0
        """Bytes of files that came."""

    def place(self, specification: Facts) -> Facts:
        """The specification with the places where this node has what it reads; what it lacks is asked for.

        Raises:
            OSError: A file is gone or has changed, or there is no room for it.
        """
        needs, placed = self._needs(specification), dict(specification)
        for name, images in FOLDERS.items():
            if path := specification.get(name):
                placed[name] = self._file(path, needs)
                files = {one.file: one.sha256 for one in Manifest.read_file(Path(placed[name])).images}
                placed[images] = str(self._folder(Path(specification[images]), files))
        if weights := specification.get("weights"):
            placed["weights"] = {**weights, "path": self._file(weights["path"], needs)}
        if cache := specification.get("feature_cache"):
            shared = placed["manifest"] == specification["manifest"]
            folder = self._features(Path(cache["folder"]), shared, needs.features)
            placed["feature_cache"] = {**cache, "folder": str(folder)}
        return placed

    def _file(self, path: str, needs: Needs) -> str:
        place = Path(path)
        return str(self._folder(place.parent, {place.name: needs.files[path]}) / place.name)

    def _folder(self, theirs: Path, files: Hashes) -> Path:
        """A folder with these files: the driver's where this node sees it, else one of links to what came."""
        if self._holds(theirs, files):
            return theirs
        ours = self.home / "folders" / _digest(files)
        with self._alone():
            if not self._holds(ours, files):
                self._receive(theirs, files)
                shutil.rmtree(ours, ignore_errors=True)  # damaged since
                with whole_folder(ours) as partial:
                    self._put(partial, files, os.link)
        return ours

    def _features(self, theirs: Path, shared: bool, sets: Mapping[str, Hashes]) -> Path:
        """The folder of shared features: the driver's, or this node's own with what the driver has."""
        shared = shared or bool(sets)
        if shared and all(self._holds(theirs / name, {ENTRY: sets[name][ENTRY]}) for name in sets):
            return theirs
        ours = self.home / "features"
        with self._alone():
            for name, files in sets.items():
                with contextlib.suppress(OSError):  # evicted, or just made here: trials extract their own
                    if not (ours / name / ENTRY).exists():  # trials check the files
                        self._receive(theirs / name, files)
                        with whole_folder(ours / name) as partial:
                            self._put(partial, files, os.rename)
        return ours

    def _holds(self, folder: Path, files: Hashes) -> bool:
        """Whether a folder has these files. They are read once; later their sizes and times tell."""
        seen = []
        try:
            for name, digest in files.items():
                found = (folder / name).stat()
                seen.append([name, digest, found.st_size, found.st_mtime_ns])
            note = self.home / "seen" / _digest([str(folder), seen])
            if note.exists():
                return True
            if any(file_sha256(folder / name) != digest for name, digest in files.items()):
                return False
        except OSError:
            return False
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other trial of this node receives anything; it may be the same."""
        self._kept.mkdir(parents=True, exist_ok=True)
        with (self.home / "receiving.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for partial in self._kept.glob(f"*{PARTIAL}"):  # of a trial that was killed
                partial.unlink()
            yield

    def _receive(self, theirs: Path, files: Hashes) -> None:
        """Get the files that are not kept yet, each content once."""
        missing = {digest: theirs / name for name, digest in files.items()}
        waiting = deque(one for one in missing.items() if not self._is_kept(one[0]))
        offset = 0
        while waiting:
            asked = [str(path) for _, path in islice(waiting, _AT_ONCE)]
            for piece in self._read(asked, offset):
                digest, path = waiting[0]
                partial = self._kept / f"{digest}{PARTIAL}"
                with partial.open("ab" if piece.offset else "wb") as file:
                    file.write(piece.content)
                self.received += len(piece.content)
                offset += len(piece.content)
                if piece.whole:
                    if file_sha256(partial) != digest:
                        raise OSError(f"{path} has changed on the driver's machine since it was looked at")
                    partial.rename(self._kept / digest)
                    waiting.popleft()
                    offset = 0
        os.sync()  # once, and not for each of thousands of images

    def _put(self, folder: Path, files: Hashes, put: Any) -> None:
        for name, digest in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            put(self._kept / digest, folder / name)

    @property
    def _kept(self) -> Path:
        return self.home / "files"

    def _is_kept(self, digest: str) -> bool:
        try:
            return file_sha256(self._kept / digest) == digest
        except OSError:
            return False


def fetch(paths: list[str], folder: Path, read: Callable[[list[str], int], list[Piece]]) -> None:
    """Copy files of the driver's into a folder.

    Args:
        paths: On the driver's machine.
        folder: Gets them.
        read: That of a `Depot`.
    """
    for path in paths:
        folder.mkdir(exist_ok=True)
        with (folder / Path(path).name).open("wb") as file:
            whole = False
            while not whole:
                (piece,) = read([path], file.tell())
                file.write(piece.content)
                whole = piece.whole


def _features_for(cache: Path, specification: Facts) -> dict[str, Hashes]:
    """The sets of features in the driver's cache that were made for such trials."""
    found = {}
    for about in cache.glob(f"*/{ENTRY}"):
        # One that was evicted meanwhile, or is damaged, is no loss.
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
            entry = json.loads(about.read_bytes())
            made_from, files = entry["made_from"], entry["files"]
            # Of the weights, one has the place and the other one the content.
            if "weights" not in made_from:  # pixels, which a node decodes itself
                continue
            compared = made_from.keys() & specification.keys() - {"weights"}
            if all(made_from[name] == specification[name] for name in compared):
                hashes = {f"{split}.npy": str(digest) for split, digest in files.items()}
                found[about.parent.name] = {**hashes, ENTRY: file_sha256(about)}
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def asked(method: Any) -> Callable[..., Any]:
    """A method of an actor of Ray's as a function that asks again while Ray's store is full."""
    import ray
    from ray import exceptions

    def ask(*arguments: object) -> Any:
        for left in reversed(range(STORE_TRIES)):
            try:
                return ray.get(method.remote(*arguments))
            except (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError):
                if not left:
                    raise
                time.sleep(1.0)

    return ask
