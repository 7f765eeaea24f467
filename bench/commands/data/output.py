"""What the verbs of `data` print: counts, and how far the work is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wbc.data.manifest import Manifest

CACHE = Path("results/cache/near-duplicates")
"""Where near-duplicates that were found are kept: the runner's cache, used only if it exists."""


@contextmanager
def progress_on_terminal() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, total) that shows progress on a terminal and says nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


def print_counts(folder: Path, manifest: "Manifest") -> None:
    """Print a table of the images of every class and split, and what was left out."""
    from rich.table import Table

    from bench.commands.terminal import Terminal
    from wbc.data import SPLITS

    counts = manifest.counts()
    sources = {split: len({image.source for image in manifest.split(split)}) for split in SPLITS}
    table = Table(title=f"{folder}: {len(manifest.images)} images", title_justify="left")
    table.add_column("class")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for name in manifest.classes:
        table.add_row(name, *(str(counts[split][name]) for split in SPLITS))
    table.add_section()
    table.add_row("all", *(str(sum(counts[split].values())) for split in SPLITS))
    table.add_row("sources", *(str(sources[split]) for split in SPLITS))
    Terminal().print(table)
    for reason, files in manifest.left_out.items():
        print(f"left out, {reason}: {len(files)}")
    for reason, files in manifest.settings.get("background_guessed", {}).items():
        print(f"background removed by guess, {reason}: {len(files)} (a disc in the middle was kept)")


def print_kept_together(manifest: "Manifest") -> None:
    """Print how many images stay together, and what was not searched for."""
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
