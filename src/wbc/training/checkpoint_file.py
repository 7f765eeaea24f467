"""The file of a checkpoint: a zip archive of arrays and of what they belong to. Free of Keras."""

import contextlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

META = "meta.json"


class UnusableCheckpointError(Exception):
    """There is a checkpoint, but training cannot go on from it; the message says why."""


def write_checkpoint(path: Path, meta: dict, groups: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write a checkpoint whole: the one before stays in its place until this one is on the disk.

    Args:
        path: The file; its folder is made where it is missing.
        meta: JSON values.
        groups: Arrays by the name of what they are the state of, in an order that the reader knows.

    Raises:
        OSError: It cannot be written; nothing is left of it, and the one before is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            # Stored, not compressed: weights hardly shrink. The archive keeps a checksum of every member.
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
    _sync_folder(path.parent)


def read_meta(path: Path) -> dict | None:
    """What a checkpoint says of itself; None where there is no checkpoint.

    Raises:
        UnusableCheckpointError: The file is torn or no checkpoint.
    """
    if not path.is_file():
        return None
    with _readable(path) as archive:
        return json.loads(archive.read(META))


def read_arrays(path: Path) -> dict[str, list[np.ndarray]]:
    """The arrays of a checkpoint, each checked against its checksum.

    Raises:
        UnusableCheckpointError: The file is torn or no checkpoint.
    """
    with _readable(path) as archive:
        lengths = json.loads(archive.read(META))["arrays"]
        groups = {}
        for name, length in lengths.items():
            groups[name] = []
            for index in range(length):
                with archive.open(_member(name, index)) as member:
                    groups[name].append(np.lib.format.read_array(member, allow_pickle=False))
        return groups


def _member(name: str, index: int) -> str:
    return f"{name}/{index:05d}.npy"


@contextlib.contextmanager
def _readable(path: Path):
    """Open a checkpoint; whatever is wrong with it becomes one kind of error."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise UnusableCheckpointError(f"it cannot be read ({error})") from error


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
