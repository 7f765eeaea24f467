"""What the verbs of `data` print: counts, and how far the work is."""

from contextlib import contextmanager
from pathlib import Path

CACHE = Path("results/cache/repeats")
"""Where repeated photographs that were found are kept: the runner's cache, used only where it is there."""


@contextmanager
def progress_on_terminal():
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


def print_counts(folder: Path, manifest) -> None:
    """A table of the images of every class and part, and what was left out."""
    from rich.table import Table

    from bench.commands.terminal import Terminal
    from wbc.data import PARTS

    counts = manifest.counts()
    cells = {part: len({image.source for image in manifest.part(part)}) for part in PARTS}
    table = Table(title=f"{folder}: {len(manifest.images)} images", title_justify="left")
    table.add_column("class")
    for part in PARTS:
        table.add_column(part, justify="right")
    for name in manifest.classes:
        table.add_row(name, *(str(counts[part][name]) for part in PARTS))
    table.add_section()
    table.add_row("all", *(str(sum(counts[part].values())) for part in PARTS))
    table.add_row("source cells", *(str(cells[part]) for part in PARTS))
    Terminal().print(table)
    for reason, files in manifest.left_out.items():
        print(f"left out, {reason}: {len(files)}")
    for reason, files in manifest.settings.get("background_guessed", {}).items():
        print(f"background removed by guess, {reason}: {len(files)} (a disc in the middle was kept)")


def print_kept_together(manifest) -> None:
    """How many images a split kept together, and what was not looked for."""
    kept = manifest.settings.get("kept_together")
    if kept and kept["images"]:
        groups = "1 group" if kept["groups"] == 1 else f"{kept['groups']} groups"
        print(
            f"{kept['images']} images in {groups} show the same and stay together, {kept['largest']} in the "
            "largest."
        )
    if not manifest.settings.get("all_shifts", True):
        print(
            "so many images: copies and small shifts were looked for closely, images that share only a part "
            "of what they show less so"
        )
