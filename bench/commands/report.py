"""`report SUITE|DIR`: tables, figures and one page to look at, from what is recorded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    ResultsOption,
    WeightsOption,
)

LONGEST = 40
"""Text that is longer takes several lines."""


QUICK_CELLS = 200
"""So many cells make a page in seconds; a run of more leaves it to `report`."""

MOST_ROWS = 60
"""Of a table in the terminal; its files hold all."""


def report(
    suite: Annotated[
        Path,
        typer.Argument(
            metavar="SUITE|DIR", help="A suite file, or the results of one, such as results/demo."
        ),
    ],
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="NAME", help="Set published figures beside ours: thesis-2018."),
    ] = None,
) -> None:
    """Make tables, figures and report.html of a suite from what is recorded, and print the tables.

    Cells that did not run, or failed, are rows too.
    """
    from bench.commands.terminal import Terminal
    from bench.journal.results import SuiteResults
    from bench.report.reference import require_reference
    from bench.report.report import FILE, make_report
    from bench.report.selection import Selection, select_folder
    from bench.suite.open import open_suite

    require_reference(reference)
    if suite.is_dir():
        selected = select_folder(suite)
    else:
        resolved = open_suite(suite, results / "cache", devices, data, weights).resolved
        ids = [cell.id for cell in resolved.cells]
        selected = Selection(SuiteResults(results, resolved.name), ids, resolved.description)
    console = Terminal()
    said = f"python -m bench report {suite}" + (f" --reference {reference}" if reference else "")
    contents = make_report(
        selected.results, selected.cell_ids, reference, selected.description, selected.notes, said
    )
    for table in contents.tables.values():
        print_table(console, table)
    for note in contents.notes:
        console.print(note, markup=False)
    console.print(
        f"{selected.results.report / FILE}: open it in a browser. Tables (CSV, Markdown, LaTeX) and figures "
        "lie beside it.",
        markup=False,
    )


def print_tables(console, results, cell_ids: Sequence[str], shown: Sequence[str] | None = None) -> None:
    """Write the tables of a suite beside its records, and print them, or those of some of its cells."""
    from bench.report.tables import make_tables, write_tables

    tables = make_tables(results, cell_ids)
    write_tables(tables, results)
    if shown is not None and len(shown) < len(cell_ids):
        tables = make_tables(results, shown)
    for table in tables:
        print_table(console, table)


def write_page(console, results, cell_ids: Sequence[str], suite: Path) -> Path | None:
    """Write the page at the end of a run, where that is quick; None where it was not written.

    What goes wrong here is said and never fails a run: everything is recorded, and the page can be made
    again.
    """
    if len(cell_ids) > QUICK_CELLS:
        return None
    from bench.report.report import FILE, make_report
    from bench.suite.load import load_suite

    try:
        description = load_suite(suite)[0].suite.description
        make_report(results, cell_ids, description=description, command=f"python -m bench run {suite}")
    except Exception as error:
        console.print(f"The page could not be written: {type(error).__name__}: {error}", markup=False)
        return None
    return results.report / FILE


def print_table(console, table) -> None:
    """Print a table; where it is wider than the terminal, in pieces that each begin with the rows' names.

    What names every row alike is said once, above them.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Printed
    from rich.text import Text

    from bench.report.tables import NAMES

    headings, every = table.written()
    rows = every[:MOST_ROWS]
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
    if len(every) > len(rows):
        console.print(f"{len(rows)} of {len(every):,} rows; all are in {table.file}.csv.\n", markup=False)
    for note in table.notes:
        console.print(Text(note, style="dim"))


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
