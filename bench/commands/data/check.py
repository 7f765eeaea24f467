"""`data check`: what is wrong with a split folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.data.options import NO_FLAGS, FolderArgument, FolderFlags
from bench.commands.data.output import DataDocument, data_document, print_counts, progress
from bench.commands.options import JsonOption
from bench.errors import ExitCode, InputError

if TYPE_CHECKING:
    from wbc.data.check import Leak, Report

SHOWN_LEAKS = 40
"""Pairs that are printed; the rest is counted."""

SHOWN_FILES = 40
"""Unreadable files that are printed; `--json` has all."""


@dataclass(frozen=True)
class CheckDocument:
    """What `data check --json` prints."""

    data: DataDocument
    sizes: list[tuple[int, int, int]]
    """Width and height in pixels, and the number of images of that size; most common first."""
    unreadable: list[tuple[str, str]]
    """File and reason."""
    leaks: list["Leak"]
    thorough: bool
    """Whether photographs that share a part of their field were searched for; not in large sets."""
    warnings: list[str]
    """What is odd about the images, in sentences."""
    scale: str
    """How numbers of more than 8 bits become pixels; empty if there are none."""


def check(
    folder: FolderArgument,
    given: FolderFlags = NO_FLAGS,
    test_path: Annotated[
        Path | None,
        typer.Option(
            "--test-path", metavar="OTHER", help="Search among these images for those of an external test."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Search for unreadable images, and for images in two splits.

    Exit codes: 0, 1 some were found, 2 the folder cannot be used as it is.
    """
    from bench.commands.output import print_document
    from wbc.data.check import check_folder

    with progress() as show:
        report = check_folder(folder, show, given.folder(), given.reading(), test_path)
    if as_json:
        sizes = [(width, height, number) for (width, height), number in report.sizes.most_common()]
        data = data_document(folder, report.manifest)
        print_document(
            CheckDocument(
                data,
                sizes,
                report.unreadable,
                report.leaks,
                report.all_shifts,
                list(report.warnings),
                report.scale,
            )
        )
    else:
        print_counts(folder, report.manifest)
        _print_report(report)
    if report.lacking:
        raise InputError(
            f"{folder}: a class has no image that can be read in one of the splits",
            "\n".join(report.ways_out),
        )
    return ExitCode.OK if report.clean else ExitCode.FINDINGS


def _print_report(report: "Report") -> None:
    """Print what `data check` found."""
    from rich.table import Table
    from rich.text import Text

    from bench.commands.terminal import Terminal

    print(f"sizes in pixels: {report.sizes_in_words()}")
    print(f"balance: {report.balance_in_words()}")
    if report.scale:
        print(f"scale: {report.scale}")
    for warning in report.warnings:
        print(f"warning: {warning}")
    if report.sources:
        print(f"sources -> images: {report.sources_in_words()}")
    if not report.all_shifts:
        print(
            "In so large a set, only copies and small shifts are searched for, not photographs that share a part "
            "of their field. Check the original images for those before they are augmented."
        )
    for file, reason in report.unreadable[:SHOWN_FILES]:
        print(f"unreadable: {file}: {reason}")
    if len(report.unreadable) > SHOWN_FILES:
        print(f"and {len(report.unreadable) - SHOWN_FILES} more that are unreadable")
    for way in report.ways_out:
        print(f"hint: {way}")
    if report.leaks:
        count = "1 image is" if len(report.leaks) == 1 else f"{len(report.leaks)} images are"
        where = "in two splits or in the external test" if report.external else "in two splits"
        table = Table(title=f"{count} {where}", title_justify="left")
        for heading in ("image", "shows the same as", "how"):
            table.add_column(heading, overflow="fold")
        for leak in report.leaks[:SHOWN_LEAKS]:
            table.add_row(Text(leak.second), Text(leak.first), Text(leak.how))
        Terminal().print(table)
        if len(report.leaks) > SHOWN_LEAKS:
            print(f"and {len(report.leaks) - SHOWN_LEAKS} more")
    elif not report.unreadable:
        one = "the external test or of one split" if report.external else "one split"
        print(
            f"No image of {one} was found in another. Searched were equal files, and copies that are scaled, "
            "turned, mirrored or shifted; some are missed, most of small, smooth, sheared or strongly changed "
            "pictures. Group by name what you know belongs together."
        )
    if report.groups:
        print(report.groups)
