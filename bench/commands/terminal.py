"""The terminal that every verb prints to."""

import os
import sys
from typing import Any

from rich.console import Console

WIDTH = 120
"""Columns where there is no terminal to ask: files and pipes have room."""


class Terminal(Console):
    """A console that falls silent when nobody reads any more: `run ... | head` must not end a suite."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        if not self.is_terminal and "COLUMNS" not in os.environ and "width" not in options:
            self.width = WIDTH

    def on_broken_pipe(self) -> None:
        """Go on in silence; what the interpreter flushes at its end goes nowhere as well."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_at_once(text: str) -> None:
    """A line on a terminal's standard error, before what takes a while is even imported."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
