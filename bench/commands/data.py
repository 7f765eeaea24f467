"""`data ...`: make and look at data sets."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Make and look at data sets.")


@app.command()
def prepare(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A folder with a folder of images a class.")],
    destination: Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")],
    split_seed: Annotated[
        int, typer.Option("--split-seed", min=0, help="Another seed splits otherwise.")
    ] = 0,
    repeats: Annotated[
        bool, typer.Option(help="Keep repeated photographs of one field together; compares every pair.")
    ] = True,
) -> None:
    """Split a folder of classes into train/, validation/ and test/; repeated photographs stay together."""
    from wbc.data.prepare import split_folder

    manifest = split_folder(source, destination, split_seed, repeats)
    _print_counts(destination, manifest)


@app.command()
def show(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A split folder, or one of results/cache/data.")
    ],
    sheet: Annotated[Path, typer.Argument(metavar="PNG", help="The picture to write.")],
    part: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
) -> None:
    """Draw a contact sheet of a data set, a row a class."""
    from wbc.data.contact_sheet import sheet_of_manifest
    from wbc.data.folders import inspect_folder

    sheet_of_manifest(folder, inspect_folder(folder), part=part).save(sheet)
    print(f"wrote {sheet}")


def _print_counts(folder: Path, manifest) -> None:
    from rich.console import Console
    from rich.table import Table

    from wbc.data import PARTS

    counts = manifest.counts()
    table = Table(title=f"{folder}: {len(manifest.images)} images", title_justify="left")
    table.add_column("class")
    for part in PARTS:
        table.add_column(part, justify="right")
    for name in manifest.classes:
        table.add_row(name, *(str(counts[part][name]) for part in PARTS))
    Console().print(table)
    for reason, files in manifest.left_out.items():
        print(f"left out, {reason}: {len(files)}")
