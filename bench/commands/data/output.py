"""What the verbs of `data` print: documents, tables of a data set, progress, pictures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from wbc.data.manifest import Manifest


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


def data_document(folder: Path, manifest: "Manifest") -> DataDocument:
    """The document of a data set."""
    counts = {split: dict(classes) for split, classes in manifest.counts().items()}
    return DataDocument(
        folder, manifest.digest, len(manifest.images), counts, _sources(manifest), dict(manifest.left_out)
    )


def _sources(manifest: "Manifest") -> dict[str, int]:
    from wbc.data import SPLITS

    return {split: len({image.source for image in manifest.split(split)}) for split in SPLITS}


def print_counts(folder: Path, manifest: "Manifest") -> None:
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


def print_kept_together(manifest: "Manifest") -> None:
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


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, total) that shows progress: a bar on a terminal, elsewhere a line now and then."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bench.commands.terminal import messages
    from wbc.data.progress import spoken

    console = messages()
    if not console.is_terminal:
        yield spoken(console.say)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


def picture_name(path: Path) -> Path:
    """Where a picture goes, checked before the work begins.

    Raises:
        InputError: It is a folder, or its suffix is of no picture.
    """
    from PIL import Image

    if path.is_dir() or path.suffix.lower() not in Image.registered_extensions():
        raise InputError(f"--output {path} is not the name of a picture", "Give a name such as sheet.png.")
    return path


def save(sheet: "Image", path: Path) -> None:
    """Write a picture, and say where it is."""
    from PIL import Image

    from bench.commands.terminal import messages
    from wbc.files import whole_path

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_path(path) as partial:
        sheet.save(partial, Image.registered_extensions()[path.suffix.lower()])
    messages().say(f"Written: {path}")
