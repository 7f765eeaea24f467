"""How often growing results were looked at: every look at what was learned spends part of the error rate."""

import json
from pathlib import Path

from bench.worker.files import write_json

FILE = "looks.json"
"""In the folder of a comparison: hashes of what was looked at, in order."""


def number_of_look(folder: Path, content: str) -> int:
    """Number of this look, from 1; it is kept. What was looked at before is the same look again.

    Args:
        folder: Of the comparison. Another folder, and so another name, starts anew.
        content: Hash of what is looked at; empty where nothing is tested, which is no look.
    """
    seen = _seen(folder)
    if content and content not in seen:
        seen.append(content)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, seen)
    return max(1, seen.index(content) + 1 if content else len(seen) + 1)


def start_anew(folder: Path) -> None:
    """Forget all looks: nothing that was looked at counts any more."""
    (folder / FILE).unlink(missing_ok=True)


def _seen(folder: Path) -> list[str]:
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [str(one) for one in content] if isinstance(content, list) else []
