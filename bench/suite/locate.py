"""Find the line of a key in a TOML text, for messages; `tomllib` does not keep positions."""

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]\[]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.-])+)\s*=""")


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line (from 1) on which the deepest part of `path` that can be found stands.

    A key inside an inline table or a list of several lines is found as the key that holds it.

    Args:
        text: The TOML text.
        path: Keys and list positions, such as `("matrix", 1, "backbone", 0)`.
    """
    best: tuple[int, int] | None = None
    table: tuple[str | int, ...] = ()
    repeated: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                index = repeated[header[2]] = repeated.get(header[2], -1) + 1
                table = (*table, index)
            found = table
        elif key := _KEY.match(line):
            found = (*table, *_parts(key[1]))
        else:
            continue
        depth = len(found)
        if tuple(path[:depth]) == found and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in name.split("."))
