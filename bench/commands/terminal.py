"""The terminal that every verb prints to."""

import os
import sys

from rich.console import Console


class Terminal(Console):
    """A console that falls silent when nobody reads any more: `run ... | head` must not end a suite."""

    def on_broken_pipe(self) -> None:
        """Go on in silence; what the interpreter flushes at its end goes nowhere as well."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
