"""`data prepare|check|show|bccd|synth`: make, check and look at data sets."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.commands.options import JsonOption, OutputOption, add_verb
from bench.errors import ExitCode, InputError

if TYPE_CHECKING:
    from wbc.data.check import Leak, Report
    from wbc.data.manifest import Manifest
    from wbc.data.reading import Reading

app = typer.Typer(no_args_is_help=True, help="Make, check and look at data sets.")

CACHE = Path("results/cache/near-duplicates")
"""Where near-duplicates that were found are kept: the runner's cache, used only if it exists."""

SHOWN_LEAKS = 40
"""Pairs that are printed; the rest is counted."""

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


WhiteOption = Annotated[
    float | None,
    typer.Option(
        "--white", min=0, metavar="NUMBER", help="What is white in images of more than 8 bits, such as 4095."
    ),
]
BlackOption = Annotated[
    float, typer.Option("--black", metavar="NUMBER", help="What is black in images of more than 8 bits.")
]
PagesOption = Annotated[
    str | None,
    typer.Option(
        "--pages",
        metavar="N|max|mean|min|each",
        help="Of files with several pages: one page, or a projection; each (prepare only) makes images of all.",
    ),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="folder|PATTERN",
        help="Keep together what shares a subfolder of its class, or what a pattern finds in its name.",
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--labels", metavar="TABLE", help="A .csv or .tsv in the folder that holds the labels."),
]


def _column(what: str) -> Any:
    return typer.Option(f"--{what}-column", metavar="NAME", help=f"Column of the table: {_COLUMNS[what]}.")


_COLUMNS = {
    "file": "names of files",
    "label": "classes",
    "split": "train, validation or test",
    "group": "what belongs together, such as patients",
}
FileColumnOption = Annotated[str | None, _column("file")]
LabelColumnOption = Annotated[str | None, _column("label")]
SplitColumnOption = Annotated[str | None, _column("split")]
GroupColumnOption = Annotated[str | None, _column("group")]


def _total(split: str) -> Any:
    return typer.Option(
        f"--{split}",
        min=1,
        metavar="N",
        help=f"Images of the {split} split: all classes together, or each with --per-class.",
    )


def _of_each(split: str) -> Any:
    return typer.Option(
        f"--{split}-per-class", min=1, metavar="N", help=f"Images of each class in the {split} split."
    )


@dataclass(frozen=True)
class DataDocument:
    """A data set; what `data prepare` and `data synth` print with `--json`."""

    folder: Path
    digest: str
    """SHA-256 of the data set: its classes, files, splits and sources."""
    images: int
    counts: dict[str, dict[str, int]]
    """Split -> class -> images."""
    sources: dict[str, int]
    """Split -> sources, such as cells that were photographed once."""
    left_out: dict[str, list[str]]
    """Reason -> files."""


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


@dataclass(frozen=True)
class FetchDocument:
    """What `data bccd --json` prints."""

    folder: Path
    new_files: int
    """Files that were not there before."""


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
    white: WhiteOption = None,
    black: BlackOption = 0.0,
    pages: PagesOption = None,
    group: GroupOption = None,
    labels: LabelsOption = None,
    file_column: FileColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split by source, crop, remove the background, augment.

    Each stage can be left out. With --output PICTURE.png, draw what each stage did to two images of each
    class.
    """
    from bench.commands.output import print_document
    from wbc.data.contact_sheet import sheet_of_stages
    from wbc.data.layout import FolderOptions
    from wbc.data.pipeline.stages import Stages
    from wbc.data.prepare import PrepareSettings, prepare, read_folder

    if output is not None:
        _picture(output)
    reading = _reading(white, black, None if pages == "each" else pages, fit)
    options = FolderOptions(group, labels, file_column, label_column, split_column, group_column)
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
        options,
        pages == "each",
    )
    cache = CACHE if CACHE.parent.is_dir() else None
    with _progress() as progress:
        manifest = prepare(source, destination, settings, cache, progress)
    if as_json:
        print_document(_document(destination, manifest))
    else:
        _print_counts(destination, manifest)
        _print_kept_together(manifest)
    if output is not None:
        read = read_folder(source, replace(settings, near_duplicates=False))
        originals, stages = read.originals, replace(stages, reading=read.reading)
        by_class = {name: [one for one in originals if one.class_name == name] for name in manifest.classes}
        shown = [original for own in by_class.values() for original in own[:2]]
        sheet = sheet_of_stages(shown, stages, split_seed)
        output.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(output)
        _written(output)


def check(
    folder: FolderArgument,
    white: WhiteOption = None,
    black: BlackOption = 0.0,
    pages: PagesOption = None,
    group: GroupOption = None,
    labels: LabelsOption = None,
    file_column: FileColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    as_json: JsonOption = False,
) -> int:
    """Search for unreadable images, and for images in two splits.

    Exit codes: 0, 1 some were found, 2 the folder cannot be used as it is.
    """
    from bench.commands.output import print_document
    from wbc.data.check import check_folder
    from wbc.data.layout import FolderOptions

    options = FolderOptions(group, labels, file_column, label_column, split_column, group_column)
    reading = _reading(white, black, pages, "squash")
    with _progress() as progress:
        report = check_folder(folder, progress, options, reading)
    if as_json:
        sizes = [(width, height, number) for (width, height), number in report.sizes.most_common()]
        data = _document(folder, report.manifest)
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
        _print_counts(folder, report.manifest)
        _print_report(report)
    return ExitCode.OK if report.clean else ExitCode.FINDINGS


def show(
    folder: FolderArgument,
    output: OutputOption = None,
    split: Annotated[
        str, typer.Option("--split", metavar="SPLIT", help="Split to draw: train, validation or test.")
    ] = "train",
    images: Annotated[
        int, typer.Option("--images", min=1, metavar="N", help="Images of each class to draw.")
    ] = 8,
) -> None:
    """Draw a contact sheet of a data set, one row per class.

    It goes to --output PICTURE.png; by default, to contact-sheet.png in the current folder.
    """
    from wbc.data.contact_sheet import sheet_of_manifest
    from wbc.data.folders import inspect_folder

    output = _picture(output or Path("contact-sheet.png"))
    sheet = sheet_of_manifest(folder, inspect_folder(folder), images, split)
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(output)
    _written(output)


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

    with _progress() as progress:
        if source is not None:
            fetched = copy_bccd(source, destination, progress)
        else:
            # Mirrors, and tests, serve the repositories from somewhere else.
            fetched = download_bccd(destination, os.environ.get("LEUKOBENCH_BCCD_URL", BASE), progress)
    if as_json:
        print_document(FetchDocument(destination, fetched))
    else:
        print(f"{destination}: BCCD is complete, {fetched} files are new; every SHA-256 is right.")


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
        print_document(_document(destination, manifest))
    else:
        _print_counts(destination, manifest)


for verb in (prepare, check, show, bccd, synth):
    add_verb(app, verb)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, total) that shows progress on a terminal and prints nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bench.commands.terminal import messages

    console = messages()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


def _picture(path: Path) -> Path:
    """Where a picture goes, checked before the work begins.

    Raises:
        InputError: It is a folder, or its suffix is of no picture.
    """
    from PIL import Image

    from bench.errors import InputError

    if path.is_dir() or path.suffix.lower() not in Image.registered_extensions():
        raise InputError(f"--output {path} is not the name of a picture", "Give a name such as sheet.png.")
    return path


def _reading(white: float | None, black: float, pages: str | None, fit: str) -> "Reading":
    """How files become pixels, as options say it."""
    from wbc.data.reading import Reading

    return Reading(white, black, int(pages) if pages and pages.isdigit() else pages, fit)


def _document(folder: Path, manifest: "Manifest") -> DataDocument:
    counts = {split: dict(classes) for split, classes in manifest.counts().items()}
    return DataDocument(
        folder, manifest.digest, len(manifest.images), counts, _sources(manifest), dict(manifest.left_out)
    )


def _sources(manifest: "Manifest") -> dict[str, int]:
    from wbc.data import SPLITS

    return {split: len({image.source for image in manifest.split(split)}) for split in SPLITS}


def _print_counts(folder: Path, manifest: "Manifest") -> None:
    """Print a table of the images of every class and split, and what was left out."""
    from rich.table import Table
    from rich.text import Text

    from bench.commands.terminal import Terminal
    from wbc.data import SPLITS

    counts, sources = manifest.counts(), _sources(manifest)
    # As `Text`: names of people are no markup.
    table = Table(title=Text(f"{folder}: {len(manifest.images)} images"), title_justify="left")
    table.add_column("class")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for name in manifest.classes:
        table.add_row(Text(name), *(str(counts[split][name]) for split in SPLITS))
    table.add_section()
    table.add_row("all", *(str(sum(counts[split].values())) for split in SPLITS))
    table.add_row("sources", *(str(sources[split]) for split in SPLITS))
    Terminal().print(table)
    for reason, files in manifest.left_out.items():
        print(f"left out, {reason}: {len(files)}")
    for reason, files in manifest.settings.get("background_guessed", {}).items():
        print(f"background removed by guess, {reason}: {len(files)} (a disc in the middle was kept)")


def _print_kept_together(manifest: "Manifest") -> None:
    """Print what a reader should know, how many images stay together, and what was not searched for."""
    for note in manifest.settings.get("notes", []):
        print(f"note: {note}")
    reading = manifest.settings.get("stages", {}).get("reading", {})
    if "white" in reading:
        print(
            f"scale: {reading.get('black', 0):g} is black and {reading['white']:g} is white in every image."
        )
    kept = manifest.settings.get("kept_together")
    if kept and kept["images"]:
        groups = "1 group" if kept["groups"] == 1 else f"{kept['groups']} groups"
        print(
            f"{kept['images']} images in {groups} are near-duplicates and stay together, {kept['largest']} in "
            "the largest."
        )
    if not manifest.settings.get("all_shifts", True):
        print(
            "In so large a set, copies and small shifts are searched for thoroughly, but images that share only "
            "a part of what they show are not."
        )


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
    for file, reason in report.unreadable:
        print(f"unreadable: {file}: {reason}")
    for way in report.ways_out:
        print(f"hint: {way}")
    if report.leaks:
        count = "1 image is" if len(report.leaks) == 1 else f"{len(report.leaks)} images are"
        table = Table(title=f"{count} in two splits", title_justify="left")
        for heading in ("image", "shows the same as", "how"):
            table.add_column(heading, overflow="fold")
        for leak in report.leaks[:SHOWN_LEAKS]:
            table.add_row(Text(leak.second), Text(leak.first), Text(leak.how))
        Terminal().print(table)
        if len(report.leaks) > SHOWN_LEAKS:
            print(f"and {len(report.leaks) - SHOWN_LEAKS} more")
    elif not report.unreadable:
        print(
            "No image of one split was found in another. Searched were equal files, and copies that are scaled, "
            "turned, mirrored or shifted; some are missed, most of small, smooth or strongly changed pictures."
        )
    if report.groups:
        print(report.groups)


def _written(picture: Path) -> None:
    from bench.commands.terminal import messages

    messages().say(f"Written: {picture}")
