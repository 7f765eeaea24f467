"""`data bccd TO`: BCCD, downloaded or from a folder, every file checked."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.data.output import progress_on_terminal


def bccd(
    destination: Annotated[Path, typer.Argument(metavar="TO", help="Gets the files, such as data/bccd.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Copy from this folder; no download.")
    ] = None,
) -> None:
    """Get BCCD: photographs, boxes and labels, each checked by SHA-256. Goes on where it stopped."""
    from wbc.data.bccd.download import BASE, copy_bccd, download_bccd

    with progress_on_terminal() as progress:
        if source is not None:
            fetched = copy_bccd(source, destination, progress)
        else:
            # Mirrors, and tests, serve the repositories from somewhere else.
            fetched = download_bccd(destination, os.environ.get("LEUKOBENCH_BCCD_URL", BASE), progress)
    print(f"{destination}: BCCD is complete, {fetched} files are new; every SHA-256 is right.")
