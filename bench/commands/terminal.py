"""What every verb prints to: results on standard output; progress, notes and errors on standard error."""

import os
import sys
from contextvars import ContextVar
from typing import Any

from rich.console import Console

WIDTH = 120
"""Columns where there is no terminal to ask: files and pipes have room."""

_level: ContextVar[int] = ContextVar("level", default=0)
"""-1 with `--quiet`, 1 with `--verbose`."""


def set_level(quiet: bool = False, verbose: bool = False) -> None:
    """Say how much is printed from now on."""
    _level.set(verbose - quiet)


def is_verbose() -> bool:
    """Whether details are wanted."""
    return _level.get() > 0


class Terminal(Console):
    """A console that falls silent when its reader is gone: `run ... | head` must not end a suite."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        if not self.is_terminal and "COLUMNS" not in os.environ and "width" not in options:
            self.width = WIDTH

    def on_broken_pipe(self) -> None:
        """Go on in silence; what the interpreter flushes at its end goes nowhere as well."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def line(self, text: str, style: str | None = None) -> None:
        """Print plain text, whole: no markup, no color of numbers, no line breaks at the terminal's width."""
        self.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def messages() -> Terminal:
    """Where progress and notes go: standard error, or nowhere with `--quiet`."""
    return Terminal(stderr=True, quiet=_level.get() < 0)


def print_document(document: object) -> None:
    """Print the JSON document of a verb on standard output, see `bench.commands.documents`."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=1).decode()
    Terminal(soft_wrap=True).out(text, highlight=False)


def print_error(what: str, way_out: str = "") -> None:
    """Print an error, and what to do about it."""
    print(f"error: {what}", file=sys.stderr)
    if way_out:
        print(f"hint: {way_out}", file=sys.stderr, flush=True)


def say_at_once(text: str) -> None:
    """Print a line on a terminal's standard error, before slow imports begin."""
    if sys.stderr.isatty() and _level.get() >= 0:
        print(text, file=sys.stderr, flush=True)
