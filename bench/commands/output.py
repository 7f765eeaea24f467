"""How much a verb prints, its JSON document and its errors; without rich, so that `--help` is quick."""

import os
import sys
from contextvars import ContextVar
from typing import IO, Any

_level: ContextVar[int] = ContextVar("level", default=0)
"""-1 with `--quiet`, 1 with `--verbose`."""


def set_level(quiet: bool = False, verbose: bool = False) -> None:
    """Say how much is printed from now on."""
    _level.set(verbose - quiet)


def is_quiet() -> bool:
    """Whether nothing but results and errors is wanted."""
    return _level.get() < 0


def is_verbose() -> bool:
    """Whether details are wanted."""
    return _level.get() > 0


def print_document(document: object) -> None:
    """Print the JSON document of a verb on standard output.

    Args:
        document: A dataclass, described beside its verb. A number that is not finite becomes null.
    """
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=1).decode()
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence(sys.stdout)


def silence(stream: IO[Any]) -> None:
    """Nobody reads a stream any more: what is still written to it, at the end of the interpreter too, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_error(what: str, way_out: str = "") -> None:
    """Print an error, and what to do about it."""
    print(f"error: {what}", file=sys.stderr)
    if way_out:
        print(f"hint: {way_out}", file=sys.stderr, flush=True)


def say_at_once(text: str) -> None:
    """Print a line on a terminal's standard error, before slow imports begin."""
    if sys.stderr.isatty() and not is_quiet():
        print(text, file=sys.stderr, flush=True)
