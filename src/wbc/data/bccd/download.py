"""Download BCCD from where it is published: pinned, checked file by file, and resumable.

Photographs and boxes come from one repository, the kinds of the cells from another. `files.json` names the
commit of each, and the hash and size of every file.
"""

import json
import shutil
import time
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from wbc.data.download import RemoteFile, check, download, is_there
from wbc.data.progress import Progress, no_progress
from wbc.errors import InputError

BASE = "https://raw.githubusercontent.com"
"""Address of the repositories: files are at BASE/OWNER/NAME/COMMIT/PATH."""


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
        check(file, partial, str(source / file.name))

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
        download(file, base, partial, "Get BCCD in another way and give its folder with --from DIR.", sleep)

    return _collect(destination, fetch, progress)


def _collect(destination: Path, fetch: Callable[[RemoteFile, Path], None], progress: Progress) -> int:
    fetched = 0
    wanted = bccd_files()
    for number, file in enumerate(wanted, 1):
        target = destination / file.name
        if not is_there(file, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            fetch(file, partial)
            partial.replace(target)
            fetched += 1
        progress("files", number, len(wanted))
    return fetched
