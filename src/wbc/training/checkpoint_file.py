"""The file of a checkpoint: a zip archive of arrays and metadata. Free of Keras."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wbc.files import sync

META = "meta.json"


class UnusableCheckpointError(Exception):
    """There is a checkpoint, but training cannot resume from it; the message says why."""


def write_checkpoint(
    path: Path, meta: Mapping[str, Any], groups: Mapping[str, Sequence[NDArray[Any]]]
) -> None:
    """Write a checkpoint atomically: the last one stays in place until the new one is on disk.

    Args:
        path: The file. A missing folder is created.
        meta: JSON values.
        groups: Name -> its arrays, in an order that the reader knows.

    Raises:
        OSError: It cannot be written. Nothing remains of it, and the last one is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            # Stored, not compressed: weights hardly shrink. The archive has a checksum of every member.
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                lengths = {name: len(arrays) for name, arrays in groups.items()}
                archive.writestr(META, json.dumps({**meta, "arrays": lengths}, indent=1))
                for name, arrays in groups.items():
                    for index, array in enumerate(arrays):
                        with archive.open(_member(name, index), "w", force_zip64=True) as member:
                            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


def read_meta(path: Path) -> dict[str, Any] | None:
    """The metadata of a checkpoint; None without a checkpoint.

    Raises:
        UnusableCheckpointError: The file is damaged, or no checkpoint.
    """
    if not path.is_file():
        return None
    with _readable(path) as archive:
        meta: dict[str, Any] = json.loads(archive.read(META))
        return meta


def read_arrays(path: Path) -> dict[str, list[NDArray[Any]]]:
    """The arrays of a checkpoint, each verified by its checksum.

    Raises:
        UnusableCheckpointError: The file is damaged, or no checkpoint.
    """
    with _readable(path) as archive:
        lengths = json.loads(archive.read(META))["arrays"]
        groups: dict[str, list[NDArray[Any]]] = {}
        for name, length in lengths.items():
            groups[name] = []
            for index in range(length):
                with archive.open(_member(name, index)) as member:
                    groups[name].append(np.lib.format.read_array(member, allow_pickle=False))
        return groups


def _member(name: str, index: int) -> str:
    return f"{name}/{index:05d}.npy"


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a checkpoint, and turn every error into UnusableCheckpointError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise UnusableCheckpointError(f"it cannot be read ({error})") from error
