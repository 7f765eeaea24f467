"""Download pinned files: each is checked by a published hash, and resumed where it stopped."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from wbc.errors import InputError

TIMEOUT_S = 30.0
"""Seconds without a byte until a connection counts as lost."""
ATTEMPTS = 3
"""Attempts per file; each resumes where the previous one stopped."""

_CHUNK = 1 << 16
_NOT_SATISFIABLE = 416

Sleep = Callable[[float], None]
Told = Callable[[int, int | None], None]
"""Called with the bytes that are there, and those of the whole file if the server says so."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is published somewhere."""

    name: str
    """Its path in the folder that it is downloaded to."""
    place: str
    """Its address, without that of the server."""
    hash: str
    """In hexadecimal."""
    size: int | None = None
    """Bytes; None: as many as the server says."""
    algorithm: str = "sha256"
    """Of the hash, as `hashlib` calls it: what its publisher states."""


def file_hash(path: Path, algorithm: str) -> str:
    """Hash of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def is_there(file: RemoteFile, target: Path) -> bool:
    """Whether a file is complete and the pinned one."""
    return (
        target.is_file()
        and file.size in (None, target.stat().st_size)
        and file_hash(target, file.algorithm) == file.hash
    )


def download(
    file: RemoteFile,
    base: str,
    partial: Path,
    way_out: str,
    sleep: Sleep = time.sleep,
    told: Told | None = None,
) -> None:
    """Complete a partial file and check it. A file that is not the pinned one is removed.

    Args:
        file: What is wanted.
        base: Address of the server.
        partial: Has the first bytes, or does not exist.
        way_out: What else the user can do.
        sleep: Waits, in seconds, between two attempts.
        told: Learns of progress.

    Raises:
        InputError: The server cannot be reached or lacks the file, or it is not the pinned one.
    """
    address = f"{base.rstrip('/')}/{file.place}"
    for attempt in range(ATTEMPTS):
        try:
            _fetch(address, file, partial, told)
            break
        except HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS - 1:
                raise InputError(
                    f"{file.name} cannot be downloaded: {address} answered {error.code} {error.reason}",
                    way_out,
                ) from None
        except ValueError:
            raise InputError(
                f"{address} is no address", "It should begin with https:// or http://."
            ) from None
        except (OSError, HTTPException) as error:  # refused, timed out, reset, or not HTTP
            if attempt == ATTEMPTS - 1:
                raise InputError(
                    f"{file.name} cannot be downloaded from {address}: {getattr(error, 'reason', error)}",
                    f"Repeat the command to resume, or {way_out[:1].lower()}{way_out[1:]}",
                ) from None
        sleep(2.0**attempt)
    check(file, partial, address)


def check(file: RemoteFile, partial: Path, origin: str, discard: bool = True) -> None:
    """Make sure that a file is the pinned one.

    Args:
        file: What is wanted.
        partial: The file.
        origin: Where it comes from, for messages.
        discard: Remove it if it is another one; False for a file of the user's.

    Raises:
        InputError: It is not.
    """
    found = file_hash(partial, file.algorithm)
    if found != file.hash:
        if discard:
            partial.unlink()
        named = {"sha256": "SHA-256", "md5": "MD5"}.get(file.algorithm, file.algorithm)
        raise InputError(
            f"{file.name} is not the pinned file: {origin} has {named} {found[:16]}..., expected "
            f"{file.hash[:16]}...",
            f"{'The file was discarded. Try again, or g' if discard else 'Download it, or g'}ive another folder with "
            "--from DIR.",
        )


def _fetch(address: str, file: RemoteFile, partial: Path, told: Told | None) -> None:
    """Download what is missing of a partial file."""
    have = partial.stat().st_size if partial.is_file() else 0
    if file.size is not None and have >= file.size:  # complete or wrong: the hash decides
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        answer = urlopen(Request(address, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        if have and error.code == _NOT_SATISFIABLE:  # nothing is missing, or too much is there
            return
        raise
    with answer:
        resumed = have > 0 and answer.status == 206
        written = have if resumed else 0
        length = answer.headers.get("Content-Length")
        whole = file.size if file.size is not None else written + int(length) if length else None
        with partial.open("ab" if resumed else "wb") as out:
            while chunk := answer.read(_CHUNK):
                out.write(chunk)
                written += len(chunk)
                if told is not None:
                    told(written, whole)
    if whole is not None and written < whole:
        raise ConnectionError(f"the connection ended after {written} of {whole} bytes")
