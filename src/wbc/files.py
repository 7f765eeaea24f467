"""Files and folders that appear whole or not at all, and hashes of files."""

import hashlib
import os
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain_letters(text: str) -> str:
    """A text for the name of a file, with ASCII in place of other letters.

    One that had others ends in a hash, so that texts that differ stay different: `ünï` and `uni`.
    """
    text = unicodedata.normalize("NFC", text)
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:6]}"


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """Yield the path of a file to write; it takes its name only once it is complete and on the disk.

    It is synced, then renamed over the target, then the folder is synced: a loss of power leaves the old content or the
    new one. If the block raises, `path` stays as it was. Processes that write the same path do not disturb each other:
    the last one wins.

    Args:
        path: The file, in an existing folder.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open a UTF-8 text file that appears whole or not at all, see `whole_path`.

    Args:
        path: The file, in an existing folder.
        newline: As in `open`; `""` for the `csv` module.
    """
    with whole_path(path) as partial, partial.open("w", encoding="utf-8", newline=newline) as file:
        yield file


@contextmanager
def whole_folder(destination: Path) -> Iterator[Path]:
    """Yield a new folder that is renamed to `destination` if the block succeeds, else removed.

    Args:
        destination: A path that does not exist yet.
    """
    partial = destination.with_name(destination.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
