"""Writes a file whole or not at all; `wbc.files` does the same for folders. Standard library only.

The content goes into a neighbor whose name ends in `PARTIAL`. It is synced, then renamed over the target, then the
folder is synced: a loss of power leaves the old content or the new one.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTIAL = ".partial"
"""Suffix of what is being written; a killed process may leave such files behind."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `path` if the block succeeds.

    Processes that write the same file do not disturb each other: the last one wins.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def is_being_written(partial: Path) -> bool:
    """Whether the process that `whole_file` named a file for is there, on this machine."""
    writer = partial.name.removesuffix(PARTIAL).rpartition(".")[2]
    return writer.isdecimal() and Path(f"/proc/{writer}").exists()


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; characters that it cannot encode are replaced."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def write_json(path: Path, content: Any) -> None:
    """Write JSON values, indented."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
