"""`report SUITE`: the tables again, from the records."""

from collections.abc import Sequence

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)

LONGEST = 40
"""Text that is longer takes several lines."""


def report(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Make and print the tables of a suite from what is recorded; cells that did not run are rows too."""
    from bench.commands.terminal import Terminal
    from bench.journal.results import SuiteResults
    from bench.suite.open import open_suite

    resolved = open_suite(suite, results / "cache", devices, data, weights).resolved
    print_tables(Terminal(), SuiteResults(results, resolved.name), [cell.id for cell in resolved.cells])


def print_tables(console, results, cell_ids: Sequence[str], shown: Sequence[str] | None = None) -> None:
    """Write the tables of a suite beside its records, and print them, or those of some of its cells."""
    from bench.report.tables import make_tables, write_tables

    tables = make_tables(results, cell_ids)
    write_tables(tables, results)
    if shown is not None and len(shown) < len(cell_ids):
        tables = make_tables(results, shown)
    for table in tables:
        print_table(console, table)


def print_table(console, table) -> None:
    """Print a table; where it is wider than the terminal, in pieces that each begin with the rows' names.

    What names every row alike is said once, above them.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Printed
    from rich.text import Text

    from bench.report.tables import NAMES

    headings, rows = table.written()
    naming = [number for number, heading in enumerate(headings) if heading in NAMES]
    others = [number for number in range(len(headings)) if number not in naming]
    alike = [number for number in naming if len(rows) > 1 and len({row[number] for row in rows}) == 1]
    names = [number for number in naming if number not in alike]
    # Neither numbers nor headings are broken, only long text.
    shown = [_short(heading) for heading in headings]
    widths = [
        min(LONGEST, max(map(len, (shown[number], *(row[number] for row in rows)))))
        for number in range(len(headings))
    ]
    room = console.width - sum(widths[number] + 2 for number in names) - 2
    widths = [min(width, max(room - 2, 10)) for width in widths]
    for count, piece in enumerate(_pieces(others, widths, room)):
        printed = Printed(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold", title_justify="left")
        if count == 0:
            said = ", ".join(f"{headings[number]} {rows[0][number]}" for number in alike)
            printed.title = Text(f"{table.title} ({said})" if said else table.title)
        for number in (*names, *piece):
            numeric = any(row[number][:1].isdigit() for row in rows)
            printed.add_column(
                Text(shown[number]),
                justify="right" if numeric else "left",
                min_width=widths[number],
                overflow="fold",
            )
        for row in rows:
            printed.add_row(*(Text(row[number]) for number in (*names, *piece)))
        console.print(printed)


def _pieces(columns: list[int], widths: list[int], room: int) -> list[list[int]]:
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
