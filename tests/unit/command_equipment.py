"""The verbs of the command line."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from bench.commands.main import app


def verbs(program: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb of the program, with the words that name it."""
    program = program or get_command(app)
    inner = getattr(program, "commands", None)
    if inner is None:
        yield path, program
    for name, one in (inner or {}).items():
        yield from verbs(one, (*path, name))


VERBS = dict(verbs())
