"""A history of versions as a page, as a JSON file, and on the terminal."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.compare.output.format import STYLES, title_of
from bench.compare.steps import ACCURACY, History, Level, Line, Step
from bench.compare.verdict import Change
from bench.errors import ExitCode
from bench.pages.render import asset, write_page
from bench.worker.files import write_text

if TYPE_CHECKING:
    from rich.console import Console

JSON, HTML = "history.json", "history.html"

SCHEMA = "leukobench/history"
VERSION = 1

WIDTH, HEIGHT = 360, 170
"""Of a chart, in CSS pixels; it fits a telephone."""

LEFT, RIGHT, TOP, BOTTOM = 40, 26, 12, 26
"""Margins of a chart."""

SMALLEST = 0.05
"""Least reach of the vertical axis on either side: noise of a percent must not look like a mountain."""

OPEN_REACH = 1.3
"""An open interval reaches so many times as far as the rest."""

LONGEST_NAME, CHARACTER = 12, 6.5
"""Characters of a version below a chart (the tables have all), and the width of one in pixels."""

ENDS = ("fit_time", "throughput", "peak_memory", ACCURACY)
"""Metrics of which the terminal shows the last version against the first one."""

MOST_CHANGES = 6
"""Most packages that a line of text names."""


@dataclass(frozen=True)
class Dot:
    """A version in a chart; places are in pixels."""

    x: float
    y: float
    low: float
    high: float
    """Ends of the interval."""
    open: bool
    """Whether an end of it is open."""
    name: str
    """Below it; empty where there is no room."""


@dataclass(frozen=True)
class Mark:
    """A step, between two versions."""

    x: float
    good: bool
    said: str


@dataclass(frozen=True)
class Chart:
    """A line over versions."""

    title: str
    said: str
    """What a screen reader says."""
    dots: list[Dot]
    path: str
    marks: list[Mark]
    ticks: list[tuple[float, str]]
    rows: list[list[str]]
    """Versions as text: name, change, interval, chains of pairs."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def outcome(history: History) -> str:
    """All of it in a line."""
    names = names_of(history.versions)
    if history.steps:
        places = dict.fromkeys(f"{names[one.baseline]} -> {names[one.candidate]}" for one in history.steps)
        return f"{'Steps' if len(places) > 1 else 'A step'} at {', '.join(places)}"
    if not any(one.judged for one in history.neighbors):
        return "Nothing was judged: no trial could be compared"
    failed = history.exit_code is ExitCode.TRIALS_FAILED
    if unclear := sum(bool(one.unclear) or not one.judged for one in history.neighbors):
        return (
            f"No step is shown; inconclusive comparisons: {unclear} of {len(history.neighbors)}"
            f"{'; trials failed' if failed else ''}"
        )
    return f"No step{', but trials failed' if failed else ''}"


def promise(history: History) -> str:
    """What the steps promise."""
    limits = history.thresholds
    shares = ", ".join(
        f"{limits[f'alpha_{name}']:.0%} for {name}" for name in ("speed", "memory", "learning")
    )
    return (
        "If no version differs from the one before it, a step is named in at most "
        f"{limits['alpha']:.0%} of all histories: {shares}, over all versions, configurations and looks. "
        "An interval holds for its version alone, with 95 %. Of accuracy it is approximate."
    )


def change_of(metric: str | None, change: float | None, low: float | None, high: float | None) -> str:
    """`+9.4 % [+3.1, +13.0]`, or in points; open bounds are written as dots."""
    if change is None:
        return "—"
    unit, digits = {"accuracy": ("points", 1), "loss": ("nats", 3)}.get(metric or "", ("%", 1))
    scale = 1 if metric == "loss" else 100
    said = f"{scale * change:+.{digits}f} {unit}"
    if low is None and high is None:
        return said
    bounds = ["…" if bound is None else f"{scale * bound:+.{digits}f}" for bound in (low, high)]
    return f"{said} [{', '.join(bounds)}]"


def names_of(versions: Sequence[str]) -> dict[str, str]:
    """Versions as people read them: paths without the folders that all have in common."""
    common = _common(versions)
    cut = common.rfind("/") + 1
    return {version: version[cut:] for version in versions}


def step_row(step: Step, names: Mapping[str, str]) -> list[str]:
    """A step as text, below the headings of `STEP_HEADINGS`.

    Args:
        step: The step.
        names: See `names_of`.
    """
    metric = step.metrics[0] if step.metrics else None
    evidence = "—"
    if step.evidence is not None and step.needed is not None:
        evidence = f"{step.evidence:.3g} of {step.needed:.0f}"
    return [
        f"{names[step.baseline]} -> {names[step.candidate]}",
        step.label,
        step.verdict,
        "—" if metric is None else _title(metric),
        change_of(metric, step.change, step.low, step.high),
        evidence,
        changes_in_words(step.changes),
    ]


STEP_HEADINGS = (
    "between",
    "configuration",
    "verdict",
    "metric",
    "change, 95 % interval",
    "evidence",
    "what changed",
)


def changes_in_words(changes: Sequence[Change], most: int = MOST_CHANGES) -> str:
    """`numpy 1.26.4 -> 2.1.3, ...`; versions that changed before what is on one side only."""
    ordered = sorted(changes, key=lambda one: "none" in (one.baseline, one.candidate))
    said = [f"{one.name} {one.baseline} -> {one.candidate}" for one in ordered[:most]]
    rest = len(ordered) - len(said)
    return ", ".join([*said, *([f"{rest} more"] if rest else [])]) or "nothing that is recorded"


def write_history(history: History, folder: Path) -> list[Path]:
    """Write the page and `history.json`; each appears whole.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(document(history)), indent=1).decode() + "\n"
    write_text(folder / JSON, text)
    write_page(folder / HTML, "history", **_page(history))
    return [folder / JSON, folder / HTML]


def document(history: History) -> dict[str, object]:
    """The history as JSON values: the fields of `bench.compare.steps.History`, with schema, version and outcome."""
    return {"schema": SCHEMA, "version": VERSION, "outcome": outcome(history), **asdict(history)}


def print_history(console: "Console", history: History) -> None:
    """Print the steps, and where each configuration stands at the end."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        shown = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for heading in headings:
            shown.add_column(heading, overflow="fold")
        for row in rows:
            shown.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        console.print(shown)

    names = names_of(history.versions)
    if history.steps:
        rows = [step_row(step, names)[:-1] for step in history.steps]
        table(f"{history.suite}: steps", STEP_HEADINGS[:-1], rows)
    first, last = history.versions[0], history.versions[-1]
    ends = [
        (line, line.levels[-1])
        for line in history.lines
        if line.metric in ENDS and (line.levels[0].version, line.levels[-1].version) == (first, last)
    ]
    table(
        f"{history.suite}: {names[last]} against {names[first]}",
        ("configuration", "metric", "change, 95 % interval"),
        [
            [line.label, _title(line.metric), change_of(line.metric, end.change, end.low, end.high)]
            for line, end in ends
        ],
    )
    places = {(names[one.baseline], names[one.candidate]): one.changes for one in history.steps}
    changed = [f"{old} -> {new}: {changes_in_words(changes)}." for (old, new), changes in places.items()]
    for note in (*changed, *_unclear(history), *history.notes, promise(history)):
        console.print(note, markup=False, highlight=False)
    console.print(f"{outcome(history)}.", style="bold", markup=False, highlight=False)


def _page(history: History) -> dict[str, object]:
    names, shorter = names_of(history.versions), _shortened(history.versions)
    labels = dict.fromkeys(line.label for line in history.lines)
    folder = _common(history.versions).rpartition("/")[0]
    return {
        "style": asset("comparison.css") + asset("history.css"),
        "title": f"{history.suite}: {names[history.versions[0]]} to {names[history.versions[-1]]}",
        "outcome": outcome(history),
        "step_headings": STEP_HEADINGS,
        "steps": [step_row(step, names) for step in history.steps],
        "configurations": [
            (label, [chart(line, history, shorter) for line in history.lines if line.label == label])
            for label in labels
        ],
        "neighbors": [
            (
                f"{names[one.baseline]} -> {names[one.candidate]}",
                str(one.pairs),
                ", ".join(one.unclear) or "—",
                changes_in_words(one.changes, len(one.changes)),
            )
            for one in history.neighbors
        ],
        "notes": [*([f"Versions are in {folder}."] if folder else []), *history.notes, promise(history)],
    }


def chart(line: Line, history: History, shorter: dict[str, str]) -> Chart:
    """The places of a line in its chart.

    Args:
        line: Of one metric of one configuration.
        history: Has the steps and all versions, so that charts beside each other agree.
        shorter: Names of versions below the axis.
    """
    bounds = [
        bound
        for level in line.levels
        for bound in (level.change, level.low, level.high)
        if bound is not None and math.isfinite(bound)
    ]
    reach = max(SMALLEST, *map(abs, bounds))
    if any(level.low is None or level.high is None for level in line.levels):
        reach *= OPEN_REACH
    tick = _nice(reach)
    names = list(history.versions)
    first = names.index(line.levels[0].version)
    width = (WIDTH - LEFT - RIGHT) / max(1, len(names) - 1)

    def x(place: float) -> float:
        return round(LEFT + place * width, 1)

    def y(value: float) -> float:
        return round(TOP + (reach - value) / (2 * reach) * (HEIGHT - TOP - BOTTOM), 1)

    every = max(1, math.ceil((max(map(len, shorter.values())) + 1) * CHARACTER / width))
    dots = [
        Dot(
            x(first + number),
            y(level.change),
            y(-reach if level.low is None else level.low),
            y(reach if level.high is None else level.high),
            level.low is None or level.high is None,
            shorter[level.version] if (first + number) % every == 0 else "",
        )
        for number, level in enumerate(line.levels)
    ]
    marks = [
        Mark(
            x(names.index(step.candidate) - 0.5),
            not step.regression,
            f"{step.verdict} since {shorter[step.candidate]}",
        )
        for step in history.steps
        if step.trial == line.trial and line.metric in step.metrics
    ]
    end = line.levels[-1]
    said = f"{_title(line.metric)}: {change_of(line.metric, end.change, end.low, end.high)} at {end.version}"
    return Chart(
        title=f"{_title(line.metric)}, {'points' if line.metric == ACCURACY else '%'}",
        said="; ".join([said, *(mark.said for mark in marks)]),
        dots=dots,
        path="M" + "L".join(f"{dot.x} {dot.y}" for dot in dots),
        marks=marks,
        ticks=[(y(value), f"{100 * value:+g}" if value else "0") for value in (tick, 0.0, -tick)],
        rows=[_row(line.metric, level) for level in line.levels],
    )


def _nice(reach: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that an axis reaches."""
    power = 10.0 ** math.floor(math.log10(reach))
    return round(max(factor * power for factor in (1, 2, 5) if factor * power <= reach), 9)


def _row(metric: str, level: Level) -> list[str]:
    if not level.pairs:
        return [level.version, "the beginning", "—"]
    return [level.version, change_of(metric, level.change, level.low, level.high), str(level.pairs)]


def _title(metric: str) -> str:
    return metric if metric in (ACCURACY, "loss") else title_of(metric)


def _unclear(history: History) -> list[str]:
    names = names_of(history.versions)
    return [
        f"{names[one.baseline]} -> {names[one.candidate]}: inconclusive for {', '.join(one.unclear)}."
        for one in history.neighbors
        if one.unclear
    ]


def _common(versions: Sequence[str]) -> str:
    """What all begin with."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*versions, strict=False))
    return "".join(letters[0] for letters in same)


def _shortened(versions: Sequence[str]) -> dict[str, str]:
    """Names for the axis: without what all begin with, and no longer than fits."""
    common = re.match(r".*[=/ :-]", _common(versions))
    cut = common.end() if common else 0
    return {version: _fitting(version[cut:].removesuffix(".*")) for version in versions}


def _fitting(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[-LONGEST_NAME + 1 :]}"
