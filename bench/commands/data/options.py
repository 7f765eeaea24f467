"""Arguments and options of the verbs that read images."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from wbc.data.layout import FolderOptions
    from wbc.data.reading import Reading

FolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="A data set: train/, validation/ and test/, each with one folder of images per class.",
    ),
]
NewFolderArgument = Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        "--image-size", min=1, metavar="PIXELS", help="Height and width of the images that are written."
    ),
]
PictureOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="PICTURE", help="Write a picture to this file, such as sheet.png."
    ),
]


def _column(what: str) -> Any:
    return typer.Option(f"--{what}-column", metavar="NAME", help=f"Column of the table: {_COLUMNS[what]}.")


_COLUMNS = {
    "file": "names of files",
    "label": "classes",
    "split": "train, validation or test",
    "group": "what belongs together, such as patients",
}


@dataclass(frozen=True)
class FolderFlags:
    """What neither a folder nor its files say of themselves: one option for each field."""

    white: Annotated[
        float | None,
        typer.Option(
            "--white",
            min=0,
            metavar="NUMBER",
            help="What is white in images of more than 8 bits, such as 4095.",
        ),
    ] = None
    black: Annotated[
        float,
        typer.Option("--black", metavar="NUMBER", help="What is black in images of more than 8 bits."),
    ] = 0.0
    pages: Annotated[
        str | None,
        typer.Option(
            "--pages",
            metavar="N|max|mean|min|each",
            help="Of files with several pages: one page, or a projection; each (prepare only) makes images of all.",
        ),
    ] = None
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="folder|PATTERN",
            help="Keep together what shares a subfolder of its class, or what a pattern finds in its name.",
        ),
    ] = None
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="TABLE", help="A .csv or .tsv in the folder that holds the labels."),
    ] = None
    file_column: Annotated[str | None, _column("file")] = None
    label_column: Annotated[str | None, _column("label")] = None
    split_column: Annotated[str | None, _column("split")] = None
    group_column: Annotated[str | None, _column("group")] = None

    def folder(self) -> "FolderOptions":
        """Those about the folder."""
        from wbc.data.layout import FolderOptions

        return FolderOptions(
            self.group, self.labels, self.file_column, self.label_column, self.split_column, self.group_column
        )

    def reading(self, fit: str = "squash") -> "Reading":
        """Those about files; `each` is no page."""
        from wbc.data.reading import Reading

        pages = None if self.pages == "each" else self.pages
        return Reading(self.white, self.black, int(pages) if pages and pages.isdigit() else pages, fit)


NO_FLAGS = FolderFlags()
