"""`data show|bccd|fetch|synth`: look at a data set, or get one that is known."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.commands.data.options import (
    NO_FLAGS,
    FolderArgument,
    FolderFlags,
    ImageSizeOption,
    NewFolderArgument,
    PictureOption,
)
from bench.commands.data.output import data_document, picture_name, print_counts, progress, save
from bench.commands.options import JsonOption
from bench.errors import InputError


@dataclass(frozen=True)
class FetchDocument:
    """What `data bccd --json` and `data fetch --json` print."""

    folder: Path
    new_files: int
    """Files that were not there before."""


def _of_each(split: str) -> Any:
    return typer.Option(
        f"--{split}-per-class", min=1, metavar="N", help=f"Images of each class in the {split} split."
    )


def show(
    folder: FolderArgument,
    output: PictureOption = None,
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Split to draw: train, validation or test.")
    ] = "train",
    images: Annotated[
        int, typer.Option("--images", min=1, metavar="N", help="Images of each class to draw.")
    ] = 8,
    given: FolderFlags = NO_FLAGS,
) -> None:
    """Draw a contact sheet of a data set, one row per class.

    It goes to --output PICTURE; by default, to contact-sheet.png in the current folder.
    """
    from wbc.data.contact_sheet import sheet_of_manifest
    from wbc.data.folders import inspect_folder

    output = picture_name(output or Path("contact-sheet.png"))
    save(
        sheet_of_manifest(
            folder, inspect_folder(folder, options=given.folder(), reading=given.reading()), images, split
        ),
        output,
    )


def bccd(
    destination: Annotated[
        Path, typer.Argument(metavar="TO", help="Folder for the files, such as data/bccd.")
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Copy from this folder instead of downloading."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Get BCCD: photographs, boxes and labels.

    Each file is checked by SHA-256. Repeat the command to resume a download.
    """
    from bench.commands.output import print_document
    from wbc.data.bccd.download import BASE, copy_bccd, download_bccd

    with progress() as show:
        if source is not None:
            fetched = copy_bccd(source, destination, show)
        else:
            # Mirrors, and tests, serve the repositories from somewhere else.
            fetched = download_bccd(destination, os.environ.get("LEUKOBENCH_BCCD_URL", BASE), show)
    if as_json:
        print_document(FetchDocument(destination, fetched))
    else:
        print(f"{destination}: BCCD is complete, {fetched} files are new; every SHA-256 is right.")


def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="bloodmnist, bloodmnist-64, -128, -224, pbc or bccd.")
    ],
    destination: NewFolderArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Copy from this folder instead of downloading."),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", metavar="HASH", help="Hash of the archive, in place of the pinned one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Get a published collection of blood cells, as folders of classes.

    Its archive is checked by its published hash. Repeat the command to resume a download.
    """
    from bench.commands.output import print_document
    from wbc.data.collections import COLLECTIONS, fetch_collection
    from wbc.errors import did_you_mean

    if name == "bccd":
        if sha256 is not None:
            raise InputError(
                "--sha256 says nothing of bccd, each file of which has a pinned hash of its own",
                "Leave it out.",
            )
        bccd(destination, source, as_json)
        return
    if name not in COLLECTIONS:
        known = [*COLLECTIONS, "bccd"]
        hint = did_you_mean(name, known) or f"Known: {', '.join(known)}."
        raise InputError(f"there is no collection {name!r}", hint)
    with progress() as show:
        # Mirrors, and tests, serve the archives from somewhere else.
        base = os.environ.get("LEUKOBENCH_DATA_URL")
        images = fetch_collection(name, destination, base, sha256, source, show)
    one = COLLECTIONS[name]
    if as_json:
        print_document(FetchDocument(destination, images))
    else:
        print(f"{destination}: {images:,} images of {name}; the hash of the archive is right.")
        print(f"{one.license}: {one.citation}.")


def synth(
    destination: NewFolderArgument,
    train: Annotated[int, _of_each("train")] = 60,
    validation: Annotated[int, _of_each("validation")] = 15,
    test: Annotated[int, _of_each("test")] = 30,
    image_size: ImageSizeOption = 224,
    seed: Annotated[
        int, typer.Option("--seed", min=0, metavar="SEED", help="Seed of the images that are drawn.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw synthetic white blood cells of four kinds, split."""
    from bench.commands.output import print_document
    from wbc.data.synthetic import SyntheticSettings, generate
    from wbc.files import whole_folder

    if destination.exists():
        raise InputError(f"{destination} exists already", "Give the name of a new folder.")
    size = image_size or 224
    if size < 32:
        raise InputError(f"--image-size is {size}", "Give 32 or more.")
    with whole_folder(destination) as partial:
        manifest = generate(partial, SyntheticSettings(train, validation, test, size, seed))
        manifest.write(partial)
    if as_json:
        print_document(data_document(destination, manifest))
    else:
        print_counts(destination, manifest)
