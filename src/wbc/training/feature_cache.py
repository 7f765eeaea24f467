"""Features of a frozen backbone on the disk, so that trials that need the same ones extract them once.

An entry is a folder that is named after a hash of everything that its features depend on. It holds one `.npy` file
for each split, and `entry.json` with the hashes of these files and what the extraction cost. It appears whole or not
at all. Who makes an entry holds a lock, for which others wait. Who uses one holds another lock, which keeps it from
being evicted. Whatever goes wrong with the files, a trial extracts its own features and says so.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.data.loading import Split
from wbc.errors import reason_of
from wbc.evaluation.cost import Cost
from wbc.files import file_sha256, sync, whole_folder
from wbc.networks.catalog import find_network
from wbc.observer import Figures
from wbc.specification import FeatureCache, Specification

ABOUT = "entry.json"
POLL_S = 0.5
"""How often it is looked whether another process has made an entry."""

_LOCKS = ".locks"
"""Folder of the files that are locked: empty, and out of the way of who looks at the entries."""

_PARTIAL = ".partial"
"""Suffix that `wbc.files.whole_folder` gives to what is being written."""

Features = dict[str, NDArray[np.float32]]
"""Split -> features; shape (images, height, width, channels)."""


@dataclass(frozen=True)
class Extracted:
    """Features, made or found."""

    features: Features
    cost: Cost
    """Of the backbone, when it made them."""
    figures: Figures
    """`extraction_s` and `extraction_cpu_s`, what it took to make them; `made_by`, the attempt that did, where it was
    another one; `not_shared`, why they are in no cache."""


def ingredients_of(
    backbone: keras.Model, splits: Mapping[str, Split], specification: Specification
) -> dict[str, Any]:
    """Everything that the features depend on: the pixels and weights themselves, and what computes with them."""
    cache = specification.feature_cache
    return {
        "images": {name: _digest(split.inputs) for name, split in splits.items()},
        "weights": _digest(*(keras.ops.convert_to_numpy(one) for one in backbone.weights)),
        "network": specification.network,
        "options": specification.options,
        "sources": find_network(specification.network, specification.options).sources(),
        "features": [list(backbone.output_shape[1:]), backbone.compute_dtype],
        "image_size": specification.image_size,
        "preprocessing": specification.preprocessing,
        "batch_size": specification.batch_size,
        "deterministic": specification.deterministic,
        "replicas": specification.replicas,
        "backend": specification.backend,
        "made_on": dict(cache.made_on) if cache else {},
    }


def key_of(ingredients: Mapping[str, Any]) -> str:
    """Name of the entry."""
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True, default=str).encode()).hexdigest()[:32]


def extract_once(
    cache: FeatureCache,
    ingredients: Mapping[str, Any],
    extract: Callable[[], tuple[Features, Cost]],
    waiting: Callable[[], None],
) -> Extracted:
    """The features of an entry, which is made if nobody has made it.

    Args:
        cache: Where, and how large it may become.
        ingredients: See `ingredients_of`.
        extract: Makes the features.
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
        began, began_cpu = time.perf_counter(), time.process_time()
        features, cost = extract()
        took: Figures = {
            "extraction_s": time.perf_counter() - began,
            "extraction_cpu_s": time.process_time() - began_cpu,
        }
        made = Extracted(features, cost, {**took, "made_by": cache.tag})
        if not reason:
            try:
                if make_room(cache.folder, cache.limit_bytes - sum(one.nbytes for one in features.values())):
                    entry.write(made, ingredients)
                    # The mapped files in place of the arrays, as every other trial has them.
                    return _told(entry.read(check=False) or made, cache.tag)
                reason = "the limit of the cache is too low"
            except OSError as error:
                reason = _why(error)
        return _told(replace(made, figures={**made.figures, "not_shared": reason}), cache.tag)


@dataclass(frozen=True)
class Entry:
    """One set of features on the disk."""

    folder: Path

    def read(self, check: bool = True) -> Extracted | None:
        """The entry, mapped into memory; None where there is none, or it is damaged or being evicted.

        It cannot be evicted as long as one of the arrays lives.

        Args:
            check: Whether to compare the files with their hashes.

        Raises:
            OSError: It cannot be read.
        """
        try:
            about = json.loads((self.folder / ABOUT).read_bytes())
            features: Features = {}
            for name, digest in about["files"].items():
                used, path = (self.folder / ABOUT).open("rb"), self.folder / f"{name}.npy"
                if not _locks(used, fcntl.LOCK_SH) or (check and file_sha256(path) != digest):
                    return None
                mapped = np.load(path, mmap_mode="r")
                weakref.finalize(mapped, used.close)
                features[name] = mapped.view(np.ndarray)
            os.utime(
                self.folder / ABOUT, ns=(time.time_ns(), time.time_ns())
            )  # the kernel's own time is coarse
            figures = {name: about[name] for name in ("extraction_s", "extraction_cpu_s", "made_by")}
            return Extracted(features, Cost(**about["cost"]), figures)
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

    def write(self, made: Extracted, ingredients: Mapping[str, Any]) -> None:
        """Write it in place of a damaged one; call it within `being_made`.

        Raises:
            OSError: It cannot be written. Nothing remains of it.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        with whole_folder(self.folder) as partial:
            files = {}
            for name, array in made.features.items():
                path = partial / f"{name}.npy"
                np.save(path, array)
                sync(path)
                files[name] = file_sha256(path)
            about = {**made.figures, "cost": asdict(made.cost), "files": files, "made_from": ingredients}
            (partial / ABOUT).write_text(json.dumps(about, indent=1, default=str) + "\n")
            sync(partial / ABOUT)
            sync(partial)
        sync(self.folder.parent)


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
class _Kept:
    """An entry that may be evicted."""

    folder: Path
    used: int
    """When it was used last."""
    bytes: int


def _entries_of(folder: Path) -> Iterator[_Kept]:
    for about in folder.glob(f"*/{ABOUT}"):
        with suppress(FileNotFoundError):  # evicted by another process
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            yield _Kept(about.parent, about.stat().st_mtime_ns, size)


def _told(extracted: Extracted, tag: str) -> Extracted:
    """Without the attempt that made the features, where that is this one."""
    figures = {name: value for name, value in extracted.figures.items() if (name, value) != ("made_by", tag)}
    return replace(extracted, figures=figures)


def _why(error: OSError) -> str:
    """Why files cannot be used, for people: without the class of the error and its number."""
    if not error.strerror:
        return reason_of(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


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
