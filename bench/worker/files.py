"""The one place that writes a file or a folder whole or not at all. Standard library only.

The content goes into a neighbor whose name ends in `PARTIAL`. It is synced, then renamed over the target.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTIAL = ".partial"
"""Suffix of what is still being written; a killed process may leave such files behind."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; its content replaces `path` at the end, unless an error comes first.

    Two processes that write the same file do not disturb each other: the last one wins.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8; characters that it cannot hold are replaced."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def write_json(path: Path, content: Any) -> None:
    """Write JSON values, indented."""
    write_text(path, json.dumps(content, indent=1) + "\n")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a new empty folder; at the end it becomes `path`, unless an error comes first.

    What a killed process left behind is removed. Only one process may make a folder at a time.

    Raises:
        OSError: `path` is there already and not empty, or the disk is full.
    """
    partial = path.with_name(path.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
