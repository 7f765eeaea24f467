"""`data check FOLDER`: what is wrong with a data set, above all whether its splits leak into each other."""

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.data.output import print_counts, progress_on_terminal
from bench.errors import ExitCode

SHOWN = 40
"""Pairs that are printed; the rest is counted."""


def check(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="train/, validation/ and test/, in each a folder a class."),
    ],
) -> int:
    """Search for unreadable images, and for images in two splits.

    Exit code 2 if there are any, 0 otherwise.
    """
    from rich.table import Table

    from bench.commands.terminal import Terminal
    from wbc.data.check import check_folder

    with progress_on_terminal() as progress:
        report = check_folder(folder, progress)
    print_counts(folder, report.manifest)
    print(f"sizes in pixels: {report.sizes_in_words()}")
    print(f"balance: {report.balance_in_words()}")
    if report.sources:
        print(f"sources -> images: {report.sources_in_words()}")
    if not report.all_shifts:
        print(
            "In so large a set, only copies and small shifts are searched for, not photographs that share a part "
            "of their field. Check the original images for those before they are augmented."
        )
    for file, reason in report.unreadable:
        print(f"unreadable: {file}: {reason}")
    if report.leaks:
        count = "1 image is" if len(report.leaks) == 1 else f"{len(report.leaks)} images are"
        table = Table(title=f"{count} in two splits", title_justify="left")
        for heading in ("image", "shows the same as", "how"):
            table.add_column(heading, overflow="fold")
        for leak in report.leaks[:SHOWN]:
            table.add_row(leak.second, leak.first, leak.how)
        Terminal().print(table)
        if len(report.leaks) > SHOWN:
            print(f"and {len(report.leaks) - SHOWN} more")
    elif not report.unreadable:
        print("No image of one split was found in another.")
    return ExitCode.OK if report.clean else ExitCode.WRONG_INPUT
