"""`data show FOLDER PNG`: a contact sheet of a data set."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A split folder, or one of results/cache/data.")
    ],
    sheet: Annotated[Path, typer.Argument(metavar="PNG", help="The picture to write.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    per_class: Annotated[int, typer.Option("--per-class", min=1, help="Images of each class.")] = 8,
) -> None:
    """Draw a contact sheet of a data set, a row a class."""
    from wbc.data.contact_sheet import sheet_of_manifest
    from wbc.data.folders import inspect_folder

    sheet_of_manifest(folder, inspect_folder(folder), per_class, split).save(sheet)
    print(f"wrote {sheet}")
