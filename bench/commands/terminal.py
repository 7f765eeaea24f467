"""The terminal: where results, progress and notes go, and tables that fit it."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench.commands.output import is_quiet, silence

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.tables.table import Table as ReportTable

WIDTH = 120
"""Columns where there is no terminal to ask: files and pipes have room."""

LONGEST, SHORTEST = 40, 10
"""Text that is longer takes several lines; text columns are not made narrower than this."""

MOST_ROWS = 60
"""Most rows of a table on the terminal; its files have all."""

MOST_PIECES = 2
"""Most pieces of a wide table; its files have the columns that do not fit."""

LEAST_ROOM = 30
"""Characters that names leave to values."""

SENTENCES = ("reason", "disturbed", "note")
"""Columns that tables on the terminal leave out: they are printed below, or counted."""

FIRST = ("balanced %", "accuracy %", "result s", "status", "fit s", "loss", "images/s")
"""Columns of a short table that take precedence where not all fit, first ones first."""


class Terminal(Console):
    """A console that falls silent when its reader is gone: `run ... | head` must not end a suite."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        if not self.is_terminal and "COLUMNS" not in os.environ and "width" not in options:
            self.width = WIDTH

    def on_broken_pipe(self) -> None:
        """Go on in silence."""
        self.quiet = True
        silence(self.file)

    def say(self, text: str, style: str | None = None) -> None:
        """Print plain text, whole: no markup, no colored numbers, no line breaks at the terminal's width."""
        self.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def messages() -> Terminal:
    """Where progress and notes go: standard error, or nowhere with `--quiet`."""
    return Terminal(stderr=True, quiet=is_quiet())


def warn(sentences: Iterable[str]) -> None:
    """Print warnings, each one once."""
    for sentence in dict.fromkeys(sentences):
        messages().say(f"warning: {sentence}", style="yellow")


def print_rows(
    console: Terminal, headings: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", whole: int = 1
) -> None:
    """Print rows whose first columns stay whole: as a table, or in lines of their own where the terminal is narrow.

    Args:
        console: Where to print.
        headings: Of the columns.
        rows: Texts; the first one names the row.
        title: Above them.
        whole: Columns that are never broken, because people copy them.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    needed = sum(widths[:whole]) + sum(min(width, SHORTEST) for width in widths[whole:]) + 2 * len(widths)
    if needed <= console.width:
        table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, heading in enumerate(headings):
            table.add_column(heading, overflow="fold", no_wrap=number < whole)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    else:
        _print_lines(console, headings, rows, title)


def _print_lines(
    console: Terminal, headings: Sequence[str], rows: Sequence[Sequence[str]], title: str
) -> None:
    """Each row in lines of its own, below the text of its first column."""
    if title:
        console.say(title)
    for first, *others in rows:
        console.say(first)
        for heading, text in zip(headings[1:], others, strict=True):
            if text:
                console.say(f"  {heading}: {text}")


def print_table(console: Terminal, table: "ReportTable", pieces: int = MOST_PIECES) -> None:
    """Print a table; where it is wider than the terminal, in pieces that each begin with the rows' names.

    Names that are equal in all rows are printed once, above them. Columns that do not fit are left out, and
    named below. Where names leave no room for values, each row has lines of its own.

    Args:
        console: Where to print.
        table: The table.
        pieces: How many at most. In one piece, the columns of `FIRST` take precedence.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Printed
    from rich.text import Text

    from bench.report.tables.table import NAMES

    headings, every = table.written()
    rows = every[:MOST_ROWS]
    naming = [number for number, heading in enumerate(headings) if heading in (*NAMES, "trial")]
    others = [
        number for number, heading in enumerate(headings) if heading not in (*NAMES, "trial", *SENTENCES)
    ]
    alike = [number for number in naming if len(rows) > 1 and len({row[number] for row in rows}) == 1]
    names = [number for number in naming if number not in alike]
    said = ", ".join(f"{headings[number]} {rows[0][number]}" for number in alike)
    title = f"{table.title} ({said})" if said else table.title
    # Neither numbers nor headings are broken, only long text.
    shown = [_short(heading) for heading in headings]
    widths = [
        min(LONGEST, max(map(len, (shown[number], *(row[number] for row in rows)))))
        for number in range(len(headings))
    ]
    _narrow(names, widths, console.width - LEAST_ROOM)
    room = console.width - sum(widths[number] + 2 for number in names) - 2
    if others and room < min(SHORTEST, max(widths[number] for number in others)) + 2:
        named = [" ".join(row[number] for number in names or naming) for row in rows]
        lines = [[name, *(row[number] for number in others)] for name, row in zip(named, rows, strict=True)]
        _print_lines(console, ["", *(headings[number] for number in others)], lines, title)
        others = []
    widths = [
        width if number in names else min(width, max(room - 2, SHORTEST))
        for number, width in enumerate(widths)
    ]
    kept = _chosen(others, headings, widths, room) if pieces == 1 else others
    found = _pieces(kept, widths, room)[:pieces] if others else []
    for count, piece in enumerate(found):
        printed = Printed(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold", title_justify="left")
        if count == 0:
            printed.title = Text(title)
        for number in (*names, *piece):
            numeric = any(row[number][:1].isdigit() for row in rows)
            printed.add_column(
                Text(shown[number]),
                justify="right" if numeric else "left",
                min_width=widths[number],
                max_width=widths[number],
                overflow="fold",
            )
        for row in rows:
            printed.add_row(*(Text(row[number]) for number in (*names, *piece)))
        console.print(printed)
    if left := [headings[number] for number in others if not any(number in piece for piece in found)]:
        console.print(f"Columns that do not fit: {', '.join(left)}; see {table.file}.md.", markup=False)
    if len(every) > len(rows):
        console.print(f"{len(rows)} of {len(every):,} rows; all are in {table.file}.csv.", markup=False)
    for note in table.notes:
        console.print(Text(note, style="dim"))


def print_troubles(console: Terminal, trials: "pd.DataFrame") -> None:
    """Print a line for each trial that is not done, one on the largest class, and one that counts disturbed trials."""
    from bench.report.tables.summary import disturbed_line, majority_line, troubles

    for line in troubles(trials):
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    if said := majority_line(trials):
        console.print(said, highlight=False, soft_wrap=True)
    if said := disturbed_line(trials):
        console.print(said, style="yellow", highlight=False, soft_wrap=True)


def _narrow(names: Sequence[int], widths: list[int], most: int) -> None:
    """Make the widest names narrower until all together leave room for values."""
    while sum(widths[number] + 2 for number in names) > most:
        widest = max(names, key=lambda number: widths[number])
        if widths[widest] <= SHORTEST:
            return
        widths[widest] -= 1


def _chosen(columns: Sequence[int], headings: Sequence[str], widths: Sequence[int], room: int) -> list[int]:
    """The most important columns that fit into one piece; in their order."""
    rank = {heading: place for place, heading in enumerate(FIRST)}
    kept = []
    for number in sorted(columns, key=lambda number: rank.get(headings[number], -1)):
        if widths[number] + 2 <= room:
            kept.append(number)
            room -= widths[number] + 2
    return sorted(kept)


def _pieces(columns: Sequence[int], widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns in pieces that fit the room; at least one a piece."""
    pieces: list[list[int]] = [[]]
    left = room
    for number in columns:
        if pieces[-1] and widths[number] + 2 > left:
            pieces.append([])
            left = room
        pieces[-1].append(number)
        left -= widths[number] + 2
    return pieces


def _short(heading: str) -> str:
    """Long class names would squeeze the other columns; their beginnings tell them apart."""
    name = heading.removesuffix(" %")
    return f"{name[:9]}. %" if name != heading and len(name) > 10 else heading
