"""`report SUITE`: the tables again, from the records."""

from collections.abc import Sequence

from bench.commands.options import DEFAULT_RESULTS, DataOption, ResultsOption, SuiteArgument, WeightsOption

TEXTS = ("network", "weights", "mode", "variant", "seeds", "status", "reason")
"""Headings of columns that hold words."""

LONG = ("variant", "reason")
"""Headings of columns that may take several lines."""

LEFT_OUT = {"cost": ("weights", "fit CPU s")}
"""Columns for which 80 characters have no room; the files have them."""


def report(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Make and print the tables of a suite from what is recorded; cells that did not run are rows too."""
    from rich.console import Console

    from bench.journal.results import SuiteResults
    from bench.runtime import find_device, find_runtime
    from bench.suite.resolve import resolve_suite

    resolved = resolve_suite(suite, find_runtime(find_device()), results / "cache", data, weights)
    print_tables(Console(), SuiteResults(results, resolved.name), [cell.id for cell in resolved.cells])


def print_tables(console, results, cell_ids: Sequence[str]) -> None:
    """Write the tables of a suite beside its records, and print them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Printed
    from rich.text import Text

    from bench.report.tables import make_tables, write_tables

    tables = make_tables(results, cell_ids)
    write_tables(tables, results)
    for table in tables:
        for group, what in (("learning", ""), ("classes", ", each class"), ("cost", ", cost")):
            headings, rows = table.written(group)
            left_out = LEFT_OUT.get(group, ())
            printed = Printed(
                title=Text(table.title + what),
                title_justify="left",
                header_style="bold",
                box=SIMPLE_HEAD,
                padding=(0, 1, 0, 0),
            )
            kept = [number for number, heading in enumerate(headings) if heading not in left_out]
            for number in kept:
                heading = _short(headings[number]) if group == "classes" else headings[number]
                # A number is never broken; a heading only between its words.
                words = [*heading.split(), *(row[number] for row in rows)]
                flexible = headings[number] in LONG
                printed.add_column(
                    Text(heading),
                    justify="left" if headings[number] in TEXTS else "right",
                    min_width=None if flexible else max(map(len, words)),
                    overflow="fold",
                )
            for row in rows:
                printed.add_row(*(Text(row[number]) for number in kept))
            console.print(printed)


def _short(heading: str) -> str:
    """Long class names would squeeze the other columns; their beginnings tell them apart."""
    name = heading.removesuffix(" %")
    return f"{name[:5]}. %" if name != heading and len(name) > 6 else heading
