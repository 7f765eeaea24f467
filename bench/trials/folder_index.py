"""What is known of the files of a user's folder, so that none is decoded twice."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.worker.files import write_text
from wbc.data.folders import FileState, Looked


class FolderIndex:
    """What is known of a folder's files, with the state that each had.

    Written only into a cache that exists: to look at a suite must leave nothing behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, tuple[FileState, Looked]] = {}
        self.asked: dict[str, FileState] = {}
        with contextlib.suppress(OSError, ValueError):  # if damaged, it is written again
            self.known = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[FileState, Looked]])

    def of(self, file: str, state: FileState) -> Looked | None:
        """What is known of a file that has not changed since, or None."""
        self.asked[file] = state
        before, looked = self.known.get(file, (None, None))
        return looked if before == state else None

    def remember(self, found: Mapping[str, Looked]) -> None:
        """Write what is known of the files that were asked for."""
        if not self.path.parent.parent.is_dir():
            return
        known = {file: (self.asked[file], looked) for file, looked in found.items()}
        if known != self.known:
            self.path.parent.mkdir(exist_ok=True)
            write_text(self.path, msgspec.json.encode(known).decode())
