"""`data prepare`: make a split data set from a folder of classes, or from BCCD."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.commands.data.options import (
    NO_FLAGS,
    FolderFlags,
    ImageSizeOption,
    NewFolderArgument,
    PictureOption,
)
from bench.commands.data.output import (
    data_document,
    picture_name,
    print_counts,
    print_kept_together,
    progress,
    save,
)
from bench.commands.options import JsonOption

CACHE = Path("results/cache/near-duplicates")
"""Where near-duplicates that were found are kept: the runner's cache, used only if it exists."""


def _total(split: str) -> Any:
    return typer.Option(
        f"--{split}",
        min=1,
        metavar="N",
        help=f"Images of the {split} split: all classes together, or each with --per-class.",
    )


def prepare(
    source: Annotated[
        Path, typer.Argument(metavar="FROM", help="A folder with one folder of images per class, or BCCD.")
    ],
    destination: NewFolderArgument,
    split_seed: Annotated[
        int,
        typer.Option("--split-seed", min=0, metavar="SEED", help="Seed of the split and of augmentation."),
    ] = 0,
    near_duplicates: Annotated[
        bool,
        typer.Option(
            "--near-duplicates/--no-near-duplicates",
            help="Keep near-duplicates in one split; all pairs of images are compared.",
        ),
    ] = True,
    crop: Annotated[
        bool, typer.Option("--crop/--no-crop", help="Cut white cells out, if they have VOC boxes.")
    ] = True,
    crop_margin: Annotated[
        float,
        typer.Option(
            "--crop-margin",
            min=0,
            max=2,
            metavar="SHARE",
            help="Margin on each side of a box, as a share of it.",
        ),
    ] = 0.1,
    image_size: ImageSizeOption = None,
    background: Annotated[
        str,
        typer.Option(
            "--background",
            metavar="keep|remove",
            help="With remove, everything but the white cell becomes white.",
        ),
    ] = "keep",
    train: Annotated[int | None, _total("train")] = None,
    validation: Annotated[int | None, _total("validation")] = None,
    test: Annotated[int | None, _total("test")] = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Count --train, --validation and --test for each class.")
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="corrected|thesis-2018",
            help="thesis-2018 fills validation and test with copies: 10 cells of each class, 11 times each.",
        ),
    ] = "corrected",
    fit: Annotated[
        str,
        typer.Option(
            "--fit",
            metavar="squash|crop|pad",
            help="How images become square with --image-size: distorted, cut, or on white.",
        ),
    ] = "squash",
    given: FolderFlags = NO_FLAGS,
    output: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split by source, crop, remove the background, augment.

    Each stage can be left out. With --output PICTURE, draw what each stage did to two images of each
    class.
    """
    from bench.commands.output import print_document
    from bench.commands.terminal import messages
    from wbc.data.contact_sheet import sheet_of_stages
    from wbc.data.pipeline.stages import Stages
    from wbc.data.prepare import PrepareSettings, prepare, read_folder

    if output is not None:
        picture_name(output)
    reading = given.reading(fit)
    stages = Stages(crop, crop_margin, image_size, background, reading)
    settings = PrepareSettings(
        split_seed,
        near_duplicates,
        stages,
        train,
        validation,
        test,
        per_class,
        protocol,
        given.folder(),
        given.pages == "each",
    )
    cache = CACHE if CACHE.parent.is_dir() else None
    try:
        with progress() as show:
            manifest = prepare(source, destination, settings, cache, show)
    except KeyboardInterrupt:
        messages().say(f"{destination} was not written. The same command starts again.")
        raise
    if as_json:
        print_document(data_document(destination, manifest))
    else:
        print_counts(destination, manifest)
        print_kept_together(manifest)
    if output is not None:
        read = read_folder(source, replace(settings, near_duplicates=False))
        originals, stages = read.originals, replace(stages, reading=read.reading)
        by_class = {name: [one for one in originals if one.class_name == name] for name in manifest.classes}
        shown = [original for own in by_class.values() for original in own[:2]]
        save(sheet_of_stages(shown, stages, split_seed), output)
