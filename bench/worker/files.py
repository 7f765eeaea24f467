"""Texts and JSON that are written whole or not at all, by `wbc.files`."""

import json
from pathlib import Path
from typing import Any

from wbc.files import whole_path

PARTIAL = ".partial"
"""Suffix of what is being written; a killed process may leave such files behind."""


def is_being_written(partial: Path) -> bool:
    """Whether the process that `whole_path` named a file for is there, on this machine."""
    writer = partial.name.removesuffix(PARTIAL).rpartition(".")[2]
    return writer.isdecimal() and Path(f"/proc/{writer}").exists()


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; characters that it cannot encode are replaced."""
    with whole_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def write_json(path: Path, content: Any) -> None:
    """Write JSON values, indented."""
    write_text(path, json.dumps(content, indent=1) + "\n")
