"""Download BCCD from where it is published: pinned, checked file by file, and resumable.

Photographs and boxes come from one repository, the kinds of the cells from another. `files.json` names the
commit of each, and the hash and size of every file.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from wbc.data.pipeline.stages import Progress, no_progress
from wbc.errors import InputError
from wbc.files import file_sha256

BASE = "https://raw.githubusercontent.com"
"""Address of the repositories: files are at BASE/OWNER/NAME/COMMIT/PATH."""

TIMEOUT_S = 30.0
"""Seconds without a byte until a connection counts as lost."""
ATTEMPTS = 3
"""Attempts per file; each resumes where the previous one stopped."""

_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of BCCD."""

    name: str
    """Its path in the BCCD folder."""
    place: str
    """`OWNER/NAME/COMMIT/PATH`."""
    sha256: str
    size: int
    """Bytes."""


@cache
def bccd_files() -> tuple[RemoteFile, ...]:
    """Every file of BCCD, in the order in which they are downloaded: the labels first."""
    content = json.loads(files("wbc.data.bccd").joinpath("files.json").read_text())
    return tuple(
        RemoteFile(name, f"{one['repository']}/{one['commit']}/{one['folder']}{name}", sha256, size)
        for one in content["repositories"]
        for name, (sha256, size) in one["files"].items()
    )


def copy_bccd(source: Path, destination: Path, progress: Progress = no_progress) -> int:
    """Copy BCCD from a folder and check every file.

    Args:
        source: A folder that contains the files; other files in it are ignored.
        destination: Gets the files. Correct files that are there already are kept.
        progress: Called after each file.

    Returns:
        Number of files that were copied.

    Raises:
        InputError: A file is missing or not the published one; the message names it.
    """

    def fetch(file: RemoteFile, partial: Path) -> None:
        if not (source / file.name).is_file():
            raise InputError(f"{source / file.name} is missing", "Give the whole folder, or download it.")
        shutil.copyfile(source / file.name, partial)
        _check(file, partial, str(source / file.name))

    return _collect(destination, fetch, progress)


def download_bccd(
    destination: Path,
    base: str = BASE,
    progress: Progress = no_progress,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Download BCCD. Correct files are not downloaded again; partial files are completed.

    Args:
        destination: Gets the files.
        base: Address of the repositories, see `BASE`.
        progress: Called after each file.
        sleep: Waits, in seconds, between two attempts for a file.

    Returns:
        Number of files that were downloaded.

    Raises:
        InputError: The server cannot be reached or lacks a file, or a file is not the pinned one. The message
            names the file.
    """

    def fetch(file: RemoteFile, partial: Path) -> None:
        address = f"{base.rstrip('/')}/{file.place}"
        for attempt in range(ATTEMPTS):
            try:
                _fetch(address, file, partial)
                break
            except HTTPError as error:
                if error.code < 500 or attempt == ATTEMPTS - 1:
                    raise InputError(
                        f"{file.name} cannot be downloaded: {address} answered {error.code} {error.reason}",
                        "Get BCCD in another way and give its folder with --from DIR.",
                    ) from None
            except OSError as error:  # refused, timed out, reset: those of urllib are OSErrors, too
                if attempt == ATTEMPTS - 1:
                    raise InputError(
                        f"{file.name} cannot be downloaded from {address}: {getattr(error, 'reason', error)}",
                        "Repeat the command to resume, or give a folder with --from DIR.",
                    ) from None
            sleep(2.0**attempt)
        _check(file, partial, address)

    return _collect(destination, fetch, progress)


def _collect(destination: Path, fetch: Callable[[RemoteFile, Path], None], progress: Progress) -> int:
    fetched = 0
    wanted = bccd_files()
    for number, file in enumerate(wanted, 1):
        target = destination / file.name
        if not (
            target.is_file() and target.stat().st_size == file.size and file_sha256(target) == file.sha256
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            fetch(file, partial)
            partial.replace(target)
            fetched += 1
        progress("files", number, len(wanted))
    return fetched


def _fetch(address: str, file: RemoteFile, partial: Path) -> None:
    """Download what is missing of a partial file."""
    have = partial.stat().st_size if partial.is_file() else 0
    if have >= file.size:  # complete or wrong: the hash decides
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    with urlopen(Request(address, headers=headers), timeout=TIMEOUT_S) as answer:
        resumed = have > 0 and answer.status == 206
        with partial.open("ab" if resumed else "wb") as out:
            written = have if resumed else 0
            while chunk := answer.read(_CHUNK):
                out.write(chunk)
                written += len(chunk)
    if written < file.size:
        raise ConnectionError(f"the connection ended after {written} of {file.size} bytes")


def _check(file: RemoteFile, partial: Path, origin: str) -> None:
    found = file_sha256(partial)
    if found != file.sha256:
        partial.unlink()
        raise InputError(
            f"{file.name} is not the pinned file: {origin} has SHA-256 {found[:16]}..., expected "
            f"{file.sha256[:16]}...",
            "The file was discarded. Try again, or give another folder with --from DIR.",
        )
