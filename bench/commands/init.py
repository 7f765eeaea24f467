"""`init FOLDER`: look at a folder of images and write a first suite for it."""

import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from bench.commands.data.options import NO_FLAGS, FolderFlags
from bench.commands.options import DEFAULT_RESULTS, JsonOption, ResultsOption
from bench.errors import InputError, command
from wbc.files import plain_letters

_SHOWN_DOWNLOADS = 3
_SPLIT_AT_ONCE = 3_000  # images; for more, the search for near-duplicates takes minutes


@dataclass(frozen=True)
class InitDocument:
    """What `init --json` prints."""

    suite: Path
    """The file that was written."""
    counts: dict[str, int]
    """Class -> images."""
    splits: dict[str, int]
    """Split -> images; empty where the folder is not split."""
    sides: tuple[int, int, int]
    """Smallest, middle and largest of the images' shorter sides, pixels."""
    trials: list[str]
    """Ids of the suite's trials."""
    warnings: list[str]
    """What is odd about the images."""


def init(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Images: one folder for each class, or train/, validation/ and test/ with these.",
        ),
    ],
    given: FolderFlags = NO_FLAGS,
    preset: Annotated[
        str, typer.Option("--preset", metavar="quick|thorough", help="quick: minutes; thorough: hours.")
    ] = "quick",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the suite to this file, by default named as the folder.",
        ),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Look at images and write a commented suite for them.

    It names optimizer, image size, early stopping and weights of classes that suit. No file is overwritten.
    """
    from bench.commands.data.output import print_kept_together, progress
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal
    from bench.suite.resolve import ResolvedSuite, resolve_suite
    from bench.suite.starter import FEW, PRESETS, look, suite_text, write_suite
    from bench.trials.layout import CACHE, is_reserved
    from wbc.data.manifest import Manifest
    from wbc.errors import did_you_mean

    if preset not in PRESETS:
        raise InputError(
            f"--preset is {preset}, not {' or '.join(PRESETS)}", did_you_mean(preset, PRESETS).capitalize()
        )
    path = output or Path(f"{_name(folder.resolve().name)}.toml")
    name = _name(path.stem)
    if is_reserved(name):
        name += "-images"
    if path.exists():
        raise InputError(f"{path} exists already", "Give another name with --output, or remove it.")
    options = given.folder()
    seen = look(folder, options, given.reading())
    said = f"{command()} init {quote(str(folder))}" + (f" --preset {preset}" if preset != "quick" else "")
    console = Terminal()

    def say(line: str, style: str = "") -> None:
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    for sentence in seen.sentences() if not as_json else ():
        say(sentence)
    resolved: list[ResolvedSuite] = []
    manifests: list[Manifest] = []

    def check(file: Path) -> None:
        resolved.append(resolve_suite(file, results / CACHE))
        if seen.images <= _SPLIT_AT_ONCE:  # a class may have too few images that show something of their own
            with progress() as show:
                manifests.extend(one.prepare(show) for one in resolved[0].datasets)

    write_suite(path, suite_text(seen, folder, name, preset, said, options, given.reading()), check)
    if as_json:
        trials = [trial.id for trial in resolved[0].trials]
        warnings = list(resolved[0].warnings)
        print_document(InitDocument(path, seen.counts, seen.splits, seen.sides, trials, warnings))
        return
    for manifest in manifests:
        print_kept_together(manifest)
    for warning in resolved[0].warnings:
        say(warning, "yellow")
    if min(seen.counts.values()) < FEW:
        say("There are few images of a class: intervals will be wide.", "yellow")
    if seen.prefix and options.group is None:
        say(
            f"Names share beginnings such as {seen.prefix}: if these are patients or slides, set group.",
            "yellow",
        )
    downloads = [one.path.name for one in resolved[0].downloads]
    if downloads:
        shown = ", ".join(downloads[:_SHOWN_DOWNLOADS])
        say(
            f"Weights that Keras will download: {shown}{', ...' if len(downloads) > _SHOWN_DOWNLOADS else ''}"
        )
    into = "" if results == DEFAULT_RESULTS else f" --results {quote(str(results))}"
    say(f"Wrote {path}: {len(resolved[0].trials)} trials. Next:")
    say(f"  {command()} plan {quote(str(path))}{into}     # what would run, and for how long")
    say(f"  {command()} run {quote(str(path))}{into}      # run it; the same command resumes")
    if seen.splits:
        say(
            f"  {command()} data check {quote(str(folder))}     # are test images near-duplicates of training images?"
        )


def _name(text: str) -> str:
    """What a suite may be called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain_letters(text)).strip("-._")[:60] or "my-images"
