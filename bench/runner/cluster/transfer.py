"""How the files of an attempt get from one machine to another: in pieces, the journals while they grow.

A record is made of what has arrived, so the order matters when a node is lost in between. Predictions come after
all other artifacts, and the end of the events last of all, for without them an attempt is not done. A checkpoint
comes after the events that lead to it.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bench.worker.files import PARTIAL
from wbc.files import sync

JOURNALS = ("telemetry.jsonl", "worker.log", "runner.jsonl", "events.jsonl")
"""Files that grow, and are sent meanwhile, in this order."""

CHECKPOINT = "checkpoint/"
"""Begins the names of files that belong to the trial's checkpoint."""

SMALL, LARGE = 16 << 10, 4 << 20
"""Bytes of a journal, and of all other files, in one answer. Ray sends less than 100 KB without its object store."""

_SENT_BEFORE, _LAST = "trial.json", "predictions.csv"


class Piece(Struct, frozen=True):
    """Some bytes of a file."""

    name: str
    """Below the folder of the attempt; or `CHECKPOINT` and a name."""
    offset: int
    content: bytes
    whole: bool = False
    """The file is complete with it. Never true of a journal."""


class Outbox:
    """What of an attempt is still to be sent.

    Args:
        folder: Of the attempt.
        checkpoint: Folder of the trial's checkpoint. What it holds now was sent here, and is not sent back.
    """

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.folder, self.checkpoint = folder, checkpoint
        self.empty = False
        """Whether the last `take` took all that there was."""
        self._sent: Counter[str] = Counter()
        self._whole: set[str] = set()
        self._known = {file.name: _identity(file) for file in self._checkpoint_files()}
        self._copies: dict[str, Path] = {}

    def take(self, over: bool, resumable: bool = True) -> list[Piece]:
        """The next pieces.

        Args:
            over: Whether the attempt is over, so that nothing changes any more.
            resumable: Whether another attempt may need the checkpoint.
        """
        if resumable and not self._copies:
            self._copy_checkpoint()
        pieces: list[Piece] = []
        room = LARGE
        for name, path in self._due(over):
            journal = name in JOURNALS
            piece = self._next(name, path, SMALL if journal else room)
            if piece is None:
                continue
            pieces.append(piece)
            room -= len(piece.content)
            left = len(piece.content) == SMALL if journal else not piece.whole
            if left or room <= 0:
                self.empty = False
                return pieces
        self.empty = True
        return pieces

    def _due(self, over: bool) -> Iterator[tuple[str, Path]]:
        if over:
            files = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix != PARTIAL]
            names = {path.relative_to(self.folder).as_posix(): path for path in files}
            for name in sorted(names, key=lambda name: (name == _LAST, name)):
                if name not in (*JOURNALS, _SENT_BEFORE):
                    yield name, names[name]
        yield from ((name, self.folder / name) for name in JOURNALS)
        yield from list(self._copies.items())

    def _next(self, name: str, path: Path, most: int) -> Piece | None:
        if name in self._whole:
            return None
        try:
            with path.open("rb") as file:
                file.seek(self._sent[name])
                content = file.read(most)
                rest = os.fstat(file.fileno()).st_size - file.tell()
        except FileNotFoundError:
            return None
        whole = name not in JOURNALS and rest <= 0
        if not content and not whole:
            return None
        piece = Piece(name, self._sent[name], content, whole)
        self._sent[name] += len(content)
        if name in self._copies and whole:  # the next checkpoint is another file
            self._copies.pop(name).unlink()
            del self._sent[name]
        elif whole:
            self._whole.add(name)
        return piece

    def _copy_checkpoint(self) -> None:
        """Keep the checkpoint as it is now, under another name: the worker may replace it while it is sent."""
        for file in self._checkpoint_files():
            copy = self.folder.parent / f"{file.name}.sending"
            copy.unlink(missing_ok=True)
            os.link(file, copy)
            if self._known.get(file.name) == _identity(copy):
                copy.unlink()
                continue
            self._known[file.name] = _identity(copy)
            self._copies[CHECKPOINT + file.name] = copy

    def _checkpoint_files(self) -> list[Path]:
        if not self.checkpoint.is_dir():
            return []
        return [file for file in self.checkpoint.iterdir() if file.suffix != PARTIAL]


class Inbox:
    """Where the pieces of an attempt arrive, those of a file in their order.

    Args:
        folder: Of the attempt.
        checkpoint: Folder of the trial's checkpoint.
    """

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.folder, self.checkpoint = folder, checkpoint

    def put(self, piece: Piece) -> None:
        """Write a piece. A file that is no journal takes its name when it is whole."""
        target = self.folder / piece.name
        if piece.name.startswith(CHECKPOINT):
            target = self.checkpoint / piece.name.removeprefix(CHECKPOINT)
        path = target if piece.name in JOURNALS else target.with_name(target.name + PARTIAL)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if piece.offset and path.exists() else "wb") as file:
            file.seek(piece.offset)
            file.write(piece.content)
        if piece.whole:
            sync(path)
            path.replace(target)
            sync(target.parent)

    def close(self) -> None:
        """Put the journals on the disk; a line that was cut when the node was lost ends here."""
        for name in JOURNALS:
            path = self.folder / name
            if path.is_file():
                with path.open("r+b") as file:
                    if file.seek(0, os.SEEK_END) and name.endswith(".jsonl"):
                        file.seek(-1, os.SEEK_END)
                        if file.read() != b"\n":
                            file.write(b"\n")
                    os.fsync(file.fileno())


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns
