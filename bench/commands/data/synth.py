"""`data synth TO`: a folder of synthetic cells."""

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.data.output import print_counts


def synth(
    destination: Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")],
    train: Annotated[int, typer.Option(min=1, help="Images of each class for training.")] = 60,
    validation: Annotated[int, typer.Option(min=1, help="Images of each class for validation.")] = 15,
    test: Annotated[int, typer.Option(min=1, help="Images of each class for the test.")] = 30,
    image_size: Annotated[int, typer.Option(min=32, metavar="PIXELS", help="Height and width.")] = 224,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other cells.")] = 0,
) -> None:
    """Draw synthetic white blood cells of the four kinds, already split."""
    from wbc.data.synthetic import SyntheticSettings, generate
    from wbc.errors import InputError
    from wbc.files import whole_folder

    if destination.exists():
        raise InputError(f"{destination} is there already", "Give the name of a new folder.")
    with whole_folder(destination) as partial:
        manifest = generate(partial, SyntheticSettings(train, validation, test, image_size, seed))
        manifest.write(partial)
    print_counts(destination, manifest)
