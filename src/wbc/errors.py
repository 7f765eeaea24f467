"""Errors whose text is written for the person at the terminal."""

from collections.abc import Sequence
from difflib import get_close_matches


class InputError(ValueError):
    """What the user gave is wrong: data, weights, a name, a setting.

    Args:
        what: One sentence that says what is wrong and where (file, key, line).
        way_out: What to do about it; empty when the sentence already says it.
    """

    def __init__(self, what: str, way_out: str = ""):
        super().__init__(what)
        self.what = what
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.what}\n{self.way_out}" if self.way_out else self.what


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A question that names the known word nearest to `word`, or an empty string."""
    near = nearest(word, known)
    return "" if near is None else f"did you mean {near}?"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word nearest to `word`, or None where none is near."""
    lowered = {name.lower(): name for name in known}
    near = get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None
