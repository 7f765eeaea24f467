"""Parts of the page: the table of all trials, the images, and what to do next."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import DamagedAttempt, command
from bench.journal.results import Attempt
from bench.report.mistakes import Pictures, data_folder
from bench.report.rows import TIME_TO, Row
from bench.report.tables.formats import (
    amount,
    duration,
    epochs,
    missing,
    number,
    share_or_bounds,
    text,
    time_or_never,
)
from bench.trials.measured import NEVER
from wbc.data import SPLITS
from wbc.data.manifest import Manifest

MOST_TRIALS = 200
"""Rows of the table of all trials."""

MOST_EXAMPLES = 12
"""Classes with an example."""


@dataclass(frozen=True)
class Value:
    """One cell of the table of all trials."""

    text: str
    order: float | str
    """To sort by."""
    reason: str = ""
    """Shown on request."""


@dataclass(frozen=True)
class TrialTable:
    """All trials, or the first of them, with what distinguishes them."""

    headings: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[Value]]
    count: int
    """Trials in all."""


def trial_table(trials: pd.DataFrame) -> TrialTable:
    """The table of all trials: settings that differ, accuracy, times, and a mark where something is wrong.

    Args:
        trials: See `bench.report.frame.trials_frame`.
    """
    shown = trials.head(MOST_TRIALS)
    known = shown.reindex(columns=[*dict.fromkeys((*shown.columns, *_NEEDED))])
    if (known["epochs_run"].isna() | (known["epochs_run"] == known["epochs"])).all():
        known["epochs_run"] = np.nan  # says what another column says
    columns: list[tuple[str, list[Value]]] = [("network", _networks(known))]
    for heading, name, write in _SETTINGS:
        if known[name].dropna().astype(str).nunique() > 1:
            columns.append((heading, [_value(one, write) for one in known[name]]))
    columns.append(("balanced %", [_balanced(row) for row in known.to_dict("records")]))
    for name in known.columns:
        if name.startswith(TIME_TO) and not name.endswith(_LESS_TELLING):
            columns.append(
                (f"to {name.removeprefix(TIME_TO)}", [_value(one, time_or_never) for one in known[name]])
            )
    for heading, name, write in _MEASURED:
        columns.append((heading, [_value(one, write) for one in known[name]]))
    columns.append(("notes", [_mark(row) for row in known.to_dict("records")]))
    kept = [(heading, values) for heading, values in columns if any(one.text for one in values)]
    return TrialTable(
        [heading for heading, _ in kept],
        [heading in _NUMERIC or heading.startswith("to ") for heading, _ in kept],
        [list(row) for row in zip(*(values for _, values in kept), strict=True)],
        len(trials),
    )


_SETTINGS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("mode", "mode", text),
    ("epochs", "epochs", epochs),
    ("starts from", "weights", text),
    ("differs in", "variant", text),
    ("device", "device", text),
    ("seeds", "seeds", text),
)
_MEASURED: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("accuracy %", "test_accuracy", number("{:.1f}", 100)),
    ("epochs run", "epochs_run", epochs),
    ("time to result", "result_s", duration),
    ("training", "fit_s", duration),
    ("images/s", "train_images_per_s", number("{:.0f}")),
    ("answers in", "latency_1_p50_s", duration),
    ("energy", "energy_j", amount("J")),
)
_LESS_TELLING = ("80 % of best", "95 % of best")
"""Targets that a table of their own has, see `bench.report.tables.accuracy_time`."""

_NUMERIC = {"balanced %", "epochs", *(heading for heading, _, _ in _MEASURED)}
_NEEDED = (
    *(name for _, name, _ in (*_SETTINGS, *_MEASURED)),
    *("network", "balanced_accuracy", "split_low", "split_high", "status", "reason", "disturbed"),
)


def _networks(known: pd.DataFrame) -> list[Value]:
    """The name of the network; of a trial that never ran, its id."""
    names = known["network"].where(known["network"].notna(), known["trial"])
    return [Value(str(name), str(name).lower()) for name in names]


def _value(value: Any, write: Callable[[Any], str]) -> Value:
    if missing(value):
        return Value("", "")
    if value == NEVER:
        return Value(NEVER, math.inf)
    return Value(write(value), float(value) if isinstance(value, int | float) else str(value).lower())


def _balanced(row: Row) -> Value:
    share = row["balanced_accuracy"]
    if missing(share):
        return Value("", "")
    return Value(share_or_bounds(share, row["split_low"], row["split_high"]), float(share))


def _mark(row: Row) -> Value:
    """The status of a trial that is not done; `disturbed` of one that was. The reason opens on request."""
    status, reason = row["status"], text(row["reason"])
    if status != "done":
        return Value(str(status), str(status), reason)
    if disturbed := text(row["disturbed"]):
        return Value("disturbed", "disturbed", disturbed)
    return Value("", "")


@dataclass(frozen=True)
class Images:
    """What is known of the images."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Images of each class in each split, and sources."""
    said: Sequence[str]
    """Sentences."""
    examples: Sequence[tuple[str, str]]
    """Class and a picture, as a data URI."""


def images_of(attempt: Attempt, pictures: Pictures) -> Images | None:
    """Counts, balance, sources, and whether splits share files; None where the manifest is gone.

    Args:
        attempt: A trial that used the images.
        pictures: Where to get examples.
    """
    try:
        path = attempt.trial().specification.get("manifest")
        manifest = Manifest.read_file(Path(path)) if path else None
    except (DamagedAttempt, OSError, ValueError, KeyError, TypeError):
        return None
    if manifest is None or not manifest.images:
        return None
    counts = manifest.counts()
    rows = [
        [
            split,
            *(f"{counts[split][name]:,}" for name in manifest.classes),
            f"{len(images):,}",
            f"{sources:,}",
        ]
        for split in SPLITS
        if (images := manifest.split(split)) and (sources := len({image.source for image in images}))
    ]
    folder = data_folder(attempt)
    said = [balance(manifest), independence(manifest), leaks(manifest, str(folder or "FOLDER"))]
    examples = []
    for name in manifest.classes[:MOST_EXAMPLES]:
        first = next((image for image in manifest.images if image.class_name == name), None)
        picture = pictures.of(attempt, first.file) if first else None
        if picture is not None:
            examples.append((name, picture))
    return Images(["split", *manifest.classes, "images", "sources"], rows, [*filter(None, said)], examples)


def balance(manifest: Manifest) -> str:
    """How much larger the largest class of the training images is; empty where none trains."""
    counts = {name: manifest.counts()["train"][name] for name in manifest.classes}
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if not counts[most]:
        return ""
    if counts[most] == counts[least]:
        return "All classes have as many training images."
    if empty := [name for name, count in counts.items() if not count]:
        return f"No training image is of the class{'es' if len(empty) > 1 else ''} {', '.join(empty)}."
    return f"{most} has {counts[most] / counts[least]:.1f} times as many training images as {least}."


def independence(manifest: Manifest) -> str:
    """That images share sources; empty where each has its own."""
    test = manifest.split("test")
    sources = len({image.source for image in test})
    if sources == len(test):
        return ""
    come = f"{sources:,} source{'' if sources == 1 else 's'}. Intervals count sources, not images."
    return f"The {len(test):,} test images come from {come}"


def leaks(manifest: Manifest, folder: str) -> str:
    """Whether splits share files or sources, and how to look for near-duplicates."""
    of_bytes: dict[str, set[str]] = {}
    of_source: dict[str, set[str]] = {}
    for image in manifest.images:
        of_bytes.setdefault(image.sha256, set()).add(image.split)
        of_source.setdefault(image.source, set()).add(image.split)
    shared = [[own for own in of.values() if len(own) > 1] for of in (of_bytes, of_source)]
    files, sources = map(len, shared)
    if not files and not sources:
        return (
            "No file and no source is in two splits. Near-duplicates are another question: "
            f"{command()} data check {folder} looks for them."
        )
    what = [f"{files:,} file{'' if files == 1 else 's'}"] if files else []
    what += [f"{sources:,} source{'' if sources == 1 else 's'}"] if sources else []
    be = "is" if files + sources == 1 else "are"
    tested = any("test" in own for group in shared for own in group)
    so = "so the test" if tested else "so validation, though not the test,"
    return f"{' and '.join(what)} {be} in more than one split, {so} contains what was seen before."


def gone(count: int) -> str:
    """How many images have no picture; empty where all have one."""
    if not count:
        return ""
    images = "1 image is" if count == 1 else f"{count:,} images are"
    return f"{images} not in the data set any more, or {'has' if count == 1 else 'have'} changed."


def mistakes_said(name: str, count: int, images: int) -> str:
    """How many mistakes a configuration made; of many, the page shows those with the highest probability."""
    if not count:
        return f"{name}: none of {images:,} test images."
    return f"{name}: {count:,} of {images:,} test images. Those with the highest predicted probability:"


def off_the_front(on_front: int, count: int, shown: int) -> str:
    """What the table of the Pareto front leaves out.

    Args:
        on_front: Configurations on it.
        count: Those that are done.
        shown: How many of the front are in the table, the fastest ones.
    """
    left = on_front - shown
    said = [f"The front goes on: {left} more are slower and more accurate."] if left else []
    if count > on_front:
        said.append("Everything else takes at least as long without being more accurate.")
    return " ".join(said)


@dataclass(frozen=True)
class Step:
    """Something to do next."""

    why: str
    command: str


def next_steps(said_by: str, trials: pd.DataFrame, model: str | None, seeds: int) -> list[Step]:
    """What to do next, from what is done and what is not.

    Args:
        said_by: The command that made the report; its suite is named again.
        trials: See `bench.report.frame.trials_frame`.
        model: The saved network of the winner; empty where it was not kept, None where it has none.
        seeds: How many would make the answer firmer; 0 where more would not.
    """
    suite = re.sub(r" --.*", "", said_by).rpartition(" ")[2] or "SUITE"
    status = set(trials["status"]) if len(trials) else set()
    steps = []
    if status - {"done"}:
        steps.append(Step("Run what is not done; what is done stays.", f"{command()} run {suite}"))
    if seeds:
        why = "Repeat trials with more seeds, for a firmer answer: in the suite's [suite]."
        steps.append(Step(why, f"seeds = {list(range(seeds))}"))
    if model:
        steps.append(Step("The network is kept. Load it with keras.models.load_model.", model))
    elif model is not None and "done" in status:
        steps.append(
            Step(
                "The network was not kept, or is removed. Train it again, and keep it: in [suite] of the suite above.",
                "save_model = true",
            )
        )
    if "done" in status:
        steps.append(
            Step(
                "Keep these results, to compare later ones with them.",
                f"{command()} baseline save before {suite}",
            )
        )
        steps.append(Step("Look at every trial's curves and files.", f"{command()} ui"))
    return steps
