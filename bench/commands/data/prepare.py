"""`data prepare FROM TO`: a folder of classes, or BCCD, into a data set."""

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.data.output import CACHE, print_counts, print_kept_together, progress_on_terminal

Count = typer.Option(min=1, metavar="N", help="Images of this split in total.", show_default=False)


def prepare(
    source: Annotated[
        Path, typer.Argument(metavar="FROM", help="A folder with a folder of images a class, or BCCD.")
    ],
    destination: Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")],
    split_seed: Annotated[
        int, typer.Option("--split-seed", min=0, help="Another seed splits, and augments, otherwise.")
    ] = 0,
    near_duplicates: Annotated[
        bool, typer.Option(help="Keep near-duplicates in one split; compares every pair.")
    ] = True,
    crop: Annotated[
        bool, typer.Option(help="Cut white cells out, where there are VOC boxes of them.")
    ] = True,
    margin: Annotated[
        float, typer.Option(min=0, max=2, help="Added to a box on each side, as a share of it.")
    ] = 0.1,
    image_size: Annotated[
        int | None, typer.Option(min=1, metavar="PIXELS", help="Height and width; else as large as the crop.")
    ] = None,
    background: Annotated[
        str, typer.Option(metavar="keep|remove", help="Paint all but the white cell white.")
    ] = "keep",
    train: Annotated[int | None, Count] = None,
    validation: Annotated[int | None, Count] = None,
    test: Annotated[int | None, Count] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="The numbers are of each class.")] = False,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="corrected|thesis-2018",
            help="The thesis fills validation and test with copies: 10 cells of a class, eleven times each.",
        ),
    ] = "corrected",
    sheet: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw what each stage did to two cells of each class.")
    ] = None,
) -> None:
    """Split by source, crop, remove the background, augment.

    Each stage can be left out.
    """
    from wbc.data.contact_sheet import sheet_of_stages
    from wbc.data.pipeline.stages import Stages
    from wbc.data.prepare import PrepareSettings, prepare, read_folder

    stages = Stages(crop, margin, image_size, background)
    settings = PrepareSettings(
        split_seed, near_duplicates, stages, train, validation, test, per_class, protocol
    )
    cache = CACHE if CACHE.parent.is_dir() else None
    with progress_on_terminal() as progress:
        manifest = prepare(source, destination, settings, cache, progress)
    print_counts(destination, manifest)
    print_kept_together(manifest)
    if sheet is not None:
        originals = read_folder(source, near_duplicates=False).originals
        by_class = {name: [one for one in originals if one.class_name == name] for name in manifest.classes}
        shown = [original for own in by_class.values() for original in own[:2]]
        sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet_of_stages(shown, stages, split_seed).save(sheet)
        print(f"wrote {sheet}")
