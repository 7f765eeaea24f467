"""Arrays on the disk that trials share, so that they are made once: pixels, and features of frozen backbones.

An entry is a folder that is named after a hash of everything that its arrays depend on. It holds one `.npy` file
for each array, and `entry.json` with the hashes of these files and what it took to make them. It appears whole or not
at all. Who makes an entry holds a lock, for which others wait. Who uses one holds another lock, which keeps it from
being evicted. Whatever goes wrong with the files, a trial makes its own arrays and says so.

Arrays are made in their files and read from there, so a process never holds them whole.
"""

import errno
import fcntl
import hashlib
import json
import math
import mmap
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wbc.errors import reason_of
from wbc.files import file_sha256, sync, whole_folder
from wbc.specification import FeatureCache

ABOUT = "entry.json"
POLL_S = 0.5
"""How often it is looked whether another process has made an entry."""

IN_PROCESS_BYTES = 64 << 20
"""How much of a file is read or written until its pages leave the process."""

_LOCKS = ".locks"
"""Folder of the files that are locked: empty, and out of the way of who looks at the entries."""

_PARTIAL = ".partial"
"""Suffix that `wbc.files.whole_folder` gives to what is being written."""

Arrays = dict[str, NDArray[Any]]
"""Split -> its pixels or features; the first axis is that of the images."""

Place = Callable[[str, tuple[int, ...], DTypeLike], NDArray[Any]]
"""From the name of an array, its shape and type to an empty one to fill."""


def in_memory(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """A `Place` for who keeps nothing."""
    return np.empty(shape, dtype)


class Mapped(np.memmap[Any, Any]):
    """An array in a file whose pages leave the memory of the process once many were read or written.

    They stay in the kernel's cache, which all processes share, for as long as there is room.
    """

    _touched = 0

    def __getitem__(self, index: Any) -> Any:
        """A part of it, as a plain array."""
        found = self.view(np.ndarray)[index]
        self._touch(found.nbytes)
        return found

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write a part of it."""
        plain = self.view(np.ndarray)
        plain[index] = values
        self._touch(plain[index].nbytes)

    def _touch(self, size: int) -> None:
        self._touched += size
        mapping = getattr(self, "_mmap", None)
        if self._touched > IN_PROCESS_BYTES and mapping is not None:
            self._touched = 0
            mapping.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Kept:
    """Arrays, made or found."""

    arrays: Arrays
    more: dict[str, Any]
    """What their maker said of them, as JSON values."""
    figures: dict[str, Any]
    """`extraction_s` and `extraction_cpu_s`, what it took to make them; `made_by`, the attempt that did, where it was
    another one; `not_shared`, why they are in no cache."""


def key_of(ingredients: Mapping[str, Any]) -> str:
    """Name of the entry."""
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True, default=str).encode()).hexdigest()[:32]


def keep_once(
    cache: FeatureCache,
    ingredients: Mapping[str, Any],
    make: Callable[[Place], tuple[Arrays, dict[str, Any]]],
    waiting: Callable[[], None],
) -> Kept:
    """The arrays of an entry, which is made if nobody has made it.

    Args:
        cache: Where, and how large it may become.
        ingredients: Everything that they depend on, as JSON values.
        make: Makes the arrays, in the places that it is given, and says what is to be kept of how.
        waiting: Is called again and again while another process makes them.
    """
    entry = Entry(cache.folder / key_of(ingredients))
    found, reason = None, ""
    with ExitStack() as stack:
        try:
            found = entry.read()
            if found is None:
                stack.enter_context(entry.being_made(waiting))
                found = entry.read()
        except OSError as error:
            reason = _why(error)
        if found is not None:
            return _told(found, cache.tag)
        made = None
        if not reason:
            files = _Files(cache, entry.folder)
            try:
                with files.whole():
                    made = _timed(make, files.place, cache.tag)
                    files.describe(made, ingredients)
                # The finished files in place of those that were written, as every other trial has them.
                return _told(entry.read(check=False) or made, cache.tag)
            except OSError as error:
                if made is None and files.folder is not None:  # of the making itself
                    raise
                reason = _why(error)
        made = made or _timed(make, in_memory, cache.tag)
        return _told(replace(made, figures={**made.figures, "not_shared": reason}), cache.tag)


def _timed(make: Callable[[Place], tuple[Arrays, dict[str, Any]]], place: Place, tag: str) -> Kept:
    began, began_cpu = time.perf_counter(), time.process_time()
    arrays, more = make(place)
    took: dict[str, Any] = {
        "extraction_s": time.perf_counter() - began,
        "extraction_cpu_s": time.process_time() - began_cpu,
    }
    return Kept(arrays, more, {**took, "made_by": tag})


@dataclass
class _Files:
    """The files of an entry while it is made; one that gets no room is an array in memory, and nothing is kept."""

    cache: FeatureCache
    destination: Path
    folder: Path | None = None
    """Where they are written; None: it could not be made."""
    names: list[str] = field(default_factory=list)
    bytes: int = 0
    failed: OSError | None = None
    """Why one got no room."""

    @contextmanager
    def whole(self) -> Iterator[None]:
        """The entry appears at the end, in place of a damaged one."""
        shutil.rmtree(self.destination, ignore_errors=True)
        with whole_folder(self.destination) as self.folder:
            yield
        sync(self.destination.parent)

    def place(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A `Place` whose bytes are reserved: writing to a mapped file on a full disk would end the process."""
        assert self.folder is not None
        path = self.folder / f"{name}.npy"
        try:
            self.bytes += math.prod(shape) * np.dtype(dtype).itemsize
            if not make_room(self.cache.folder, self.cache.limit_bytes - self.bytes):
                raise OSError(errno.EDQUOT, "the limit of the cache is too low")
            mapped = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            self.failed = self.failed or error
            path.unlink(missing_ok=True)
            return in_memory(name, shape, dtype)
        self.names.append(name)
        return mapped.view(Mapped)

    def describe(self, made: Kept, ingredients: Mapping[str, Any]) -> None:
        """Put everything on the disk.

        Raises:
            OSError: There is no room for it.
        """
        if self.failed is not None:
            raise self.failed
        assert self.folder is not None
        files = {}
        for name in self.names:
            path = self.folder / f"{name}.npy"
            sync(path)
            files[name] = file_sha256(path)
        about = {**made.figures, **made.more, "files": files, "made_from": ingredients}
        (self.folder / ABOUT).write_text(json.dumps(about, indent=1, default=str) + "\n")
        sync(self.folder / ABOUT)
        sync(self.folder)


@dataclass(frozen=True)
class Entry:
    """One set of arrays on the disk."""

    folder: Path

    def read(self, check: bool = True) -> Kept | None:
        """The entry, mapped into memory; None where there is none, or it is damaged or being evicted.

        It cannot be evicted as long as one of the arrays lives.

        Args:
            check: Whether to compare the files with their hashes.

        Raises:
            OSError: It cannot be read.
        """
        try:
            about = json.loads((self.folder / ABOUT).read_bytes())
            arrays: Arrays = {}
            for name, digest in about.pop("files").items():
                used, path = (self.folder / ABOUT).open("rb"), self.folder / f"{name}.npy"
                if not _locks(used, fcntl.LOCK_SH) or (check and file_sha256(path) != digest):
                    return None
                mapped = np.load(path, mmap_mode="r")
                weakref.finalize(mapped, used.close)
                arrays[name] = mapped.view(Mapped)
            os.utime(
                self.folder / ABOUT, ns=(time.time_ns(), time.time_ns())
            )  # the kernel's own time is coarse
            figures = {name: about.pop(name) for name in ("extraction_s", "extraction_cpu_s", "made_by")}
            return Kept(arrays, about, figures)
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError, AttributeError):
            return None

    @contextmanager
    def being_made(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Wait until no other process makes this entry, and keep others waiting meanwhile."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock_of(self.folder.parent, self.folder.name) as lock:
            while not _locks(lock, fcntl.LOCK_EX):
                waiting()
                time.sleep(POLL_S)
            yield


def make_room(folder: Path, room: int) -> bool:
    """Evict entries, those that were not used for longest first, until the others take so many bytes at most.

    What killed processes left half-written goes as well. An entry that a process uses stays.

    Returns:
        Whether that was enough.
    """
    for partial in folder.glob(f"*{_PARTIAL}"):
        with _lock_of(folder, partial.name.partition(".")[0]) as lock:
            if _locks(lock, fcntl.LOCK_EX):
                shutil.rmtree(partial, ignore_errors=True)
    entries = sorted(_entries_of(folder), key=lambda one: one.used)
    taken = sum(one.bytes for one in entries)
    for one in entries:
        if taken <= room:
            break
        with suppress(FileNotFoundError), (one.folder / ABOUT).open("rb") as used:
            if _locks(used, fcntl.LOCK_EX):
                gone = one.folder.rename(one.folder.with_name(f"{one.folder.name}.{os.getpid()}{_PARTIAL}"))
                shutil.rmtree(gone, ignore_errors=True)
                taken -= one.bytes
    return taken <= room


@dataclass(frozen=True)
class _Evictable:
    """An entry that may be evicted."""

    folder: Path
    used: int
    """When it was used last."""
    bytes: int


def _entries_of(folder: Path) -> Iterator[_Evictable]:
    for about in folder.glob(f"*/{ABOUT}"):
        with suppress(FileNotFoundError):  # evicted by another process
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            yield _Evictable(about.parent, about.stat().st_mtime_ns, size)


def _told(kept: Kept, tag: str) -> Kept:
    """Without the attempt that made the arrays, where that is this one."""
    figures = {name: value for name, value in kept.figures.items() if (name, value) != ("made_by", tag)}
    return replace(kept, figures=figures)


def _why(error: OSError) -> str:
    """Why files cannot be used, for people: without the class of the error and its number."""
    if not error.strerror:
        return reason_of(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _lock_of(folder: Path, key: str) -> IO[bytes]:
    """The file that makers of an entry lock. It stays: two processes might lock two files of one name otherwise."""
    locks = folder / _LOCKS
    locks.mkdir(exist_ok=True)
    return (locks / key).open("ab")


def _locks(file: IO[bytes], kind: int) -> bool:
    """Lock a file until it is closed; False where another process holds it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
