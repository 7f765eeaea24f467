"""Errors whose text is written for the person at the terminal."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path


class InputError(ValueError):
    """Something that the user gave is wrong: data, weights, a name, a setting."""

    what: str
    """One sentence: what is wrong and where (file, key, line)."""
    way_out: str
    """What to do about it; empty when `what` already says so."""

    def __init__(self, what: str, way_out: str = "") -> None:
        self.what, self.way_out = shortened(what), shortened(way_out)
        super().__init__(self.what)

    def __str__(self) -> str:
        return two_sentences(self.what, self.way_out)


LONGEST = 440
"""Characters of each half of a message: nobody reads more, and a value of the user's may have a million."""


def shortened(text: str) -> str:
    """A text without its middle, where it is longer than `LONGEST`: its beginning and its end say what is wrong."""
    half = (LONGEST - 5) // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


def two_sentences(what: str, way_out: str) -> str:
    """What is wrong and what to do about it: two lines, and still two sentences if somebody joins them."""
    if not way_out:
        return what
    stop = "" if what.endswith((".", "!", "?", ":")) else "."
    return f"{what}{stop}\n{way_out.replace('did you mean', 'Did you mean', 1)}"


class DataKeyError(InputError):
    """A key of `[data]` has a value that does not suit the images.

    Args:
        key: Its name.
        what: What is wrong with it.
        way_out: What to do about it.
    """

    def __init__(self, key: str, what: str, way_out: str = "") -> None:
        self.key = key
        super().__init__(what, way_out)


class UnsplitFolderError(InputError):
    """An image folder holds class folders where `train/`, `validation/` and `test/` should be."""


class TrainingDivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


class OutOfMemoryError(Exception):
    """The device that computes has no memory left, as its backend reports."""

    of_host: bool
    """The memory of the host is meant, although a GPU may compute."""

    def __init__(self, message: str, of_host: bool = False) -> None:
        super().__init__(message)
        self.of_host = of_host


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A question that names the known word most similar to `word`, or an empty string."""
    near = nearest(word, known)
    return "" if near is None else f"did you mean {near}?"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word most similar to `word`, or None if none is similar."""
    lowered = {name.lower(): name for name in known}
    near = get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def reason_of(error: BaseException) -> str:
    """Class and message of an unexpected error in one line of at most 300 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def command() -> str:
    """How the reader of a message starts leukobench: `python -m bench` where this process was, else `leukobench`."""
    started = Path(sys.argv[0]) if sys.argv else Path()
    return "python -m bench" if started.parts[-2:] == ("bench", "__main__.py") else "leukobench"
