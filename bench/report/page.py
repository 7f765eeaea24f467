"""The report as one HTML file that needs no network: the values of the template `report`."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from bench.pages.render import Markup, asset, write_page
from bench.report.answer import majority, more_seeds, sentences
from bench.report.figures.figure import PHASE_COLORS, Figure
from bench.report.gather import Contents
from bench.report.mistakes import HardImage
from bench.report.pareto import Candidate, front
from bench.report.rows import reasons_of
from bench.report.sections import Step, gone, mistakes_said, next_steps, off_the_front, trial_table
from bench.report.tables.formats import amount, bounds, durations, numeric
from bench.report.tables.table import Table
from wbc.specification import FITTED_MODES

MOST_LISTED = 60
"""Trials that failed or are missing, one by one."""

MOST_ROWS = 120
"""Of a table on the page; its files hold all."""

MOST_GROUPS = 12
"""Tables and figures of modes and epoch counts, of each kind."""

MOST_ON_THE_FRONT = 15

SHORT = 24
"""Letters of a text that is not broken into lines."""


@dataclass(frozen=True)
class Grid:
    """Rows of text; columns of numbers are aligned to the right."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    @cached_property
    def sides(self) -> list[str]:
        """The class of every column in the style sheet; empty where it has none."""
        return [_side(column) for column in list(zip(*self.rows, strict=True)) or [()] * len(self.headings)]


@dataclass(frozen=True)
class ShownTable:
    """A table as the page shows it, with links to its files."""

    title: str
    file: str
    grid: Grid
    notes: Sequence[str]
    closed: bool
    """Collapsed."""


@dataclass(frozen=True)
class Answer:
    """Which configuration is worth its time, and what more accuracy would cost."""

    name: str
    """Of the configuration."""
    said: str
    """The rest of the sentence that begins with its name."""
    more: Sequence[str]
    """Further sentences."""
    front: Grid
    """The Pareto front."""
    off_front: str
    """What it leaves out."""


def write_report_page(contents: Contents, made_at: str, path: Path) -> None:
    """Write the whole file.

    Args:
        contents: What to show.
        made_at: Date and time, as text.
        path: The file.
    """
    plotly, script = plotly_js(), asset("report.js")
    accuracy = [table for name, table in contents.tables.items() if name.startswith("accuracy-")]

    def tables(*names: str, closed: bool = False) -> list[ShownTable]:
        found = (contents.tables.get(name) for name in names)
        return [shown_table(table, contents.suite, closed=closed) for table in found if table]

    def drawn(kind: str) -> list[Figure]:
        figures = contents.figures.get(kind, [])
        return figures[:MOST_GROUPS] if kind in ("classes", "phases", "side by side") else figures

    troubled, more_troubled = _troubled(contents)
    write_page(
        path,
        "report",
        report=contents,
        made_at=made_at,
        policy=_policy(plotly, script),
        style=asset("report.css"),
        plotly=plotly,
        script=script,
        counts=_counts(contents),
        answer=answer(contents),
        winner=contents.winner,
        no_energy=_no_energy(contents),
        all_trials=trial_table(contents.trials),
        curves=_curves(contents),
        steps=_steps(contents),
        hard=_hard(contents.hard),
        gone=gone(contents.pictures_missing),
        mistakes_said=mistakes_said,
        images_grid=Grid(contents.images.headings, contents.images.rows) if contents.images else None,
        tables=tables,
        drawn=drawn,
        accuracy_tables=[shown_table(table, contents.suite) for table in accuracy[:MOST_GROUPS]],
        more_accuracy_tables=max(0, len(accuracy) - MOST_GROUPS),
        other_tables=tables(*(name for name in contents.tables if _of_no_section(name))),
        against_scratch=[name for name in contents.tables if name.endswith("-against-scratch")],
        phase_colors=PHASE_COLORS,
        troubled=troubled,
        more_troubled=more_troubled,
        trial_tables=tables("trials", "evaluation", "replicates", closed=True),
        facts=_facts(contents, made_at),
    )


@cache
def plotly_js() -> Markup:
    """Plotly's own script, for use inside a page."""
    package = resources.files("plotly") / "package_data" / "plotly.min.js"
    return Markup(package.read_text(encoding="utf-8").replace("</script", "<\\/script"))


def shown_table(table: Table, suite: str = "", closed: bool = False, most: int = MOST_ROWS) -> ShownTable:
    """A table as the page shows it.

    Args:
        table: The table.
        suite: Its name is left out of the title: the page says it above.
        closed: Collapse it.
        most: Rows at most; a note says how many are omitted.
    """
    headings, rows = table.written()
    notes = list(table.notes)
    if len(rows) > most:
        notes.insert(0, f"{most} of {len(rows):,} rows; all of them are in {table.file}.csv.")
    title = table.title.removeprefix(f"{suite}: ")
    return ShownTable(title[:1].upper() + title[1:], table.file, Grid(headings, rows[:most]), notes, closed)


def answer(contents: Contents) -> Answer | None:
    """The answer in sentences, and the Pareto front; None where nothing is done."""
    decision = contents.decision
    if decision is None:
        return None
    named = decision.named.name
    first, *more = sentences(decision, contents.found)
    more += filter(None, (majority(contents.majority, contents.classes), disturbed(_disturbed(contents))))
    shown, on_front = _front(contents.found), len(front(contents.found))
    left_out = off_the_front(on_front, len(contents.found), len(shown.rows))
    return Answer(named, first.removeprefix(named).strip(), more, shown, left_out)


def disturbed(count: int) -> str:
    """How many trials were disturbed while they were timed; empty where none was."""
    if not count:
        return ""
    trials = "1 trial was" if count == 1 else f"{count} trials were"
    return f"{trials} disturbed while timed, so these times may not be their own: see Every trial."


@dataclass(frozen=True)
class Curves:
    """The figure of learning curves, and what its selectors offer."""

    figure: Figure
    groups: Sequence[str]
    networks: Sequence[str]
    metrics: Sequence[str]
    first: str
    """The group that is shown first: that of the answer."""


def _curves(contents: Contents) -> Curves | None:
    for figure in contents.figures.get("curves", ()):
        found = {
            key: list(dict.fromkeys(trace["meta"][key] for trace in figure.data))
            for key in ("group", "network", "metric")
        }
        named = contents.decision.named.group if contents.decision else ""
        first = named if named in found["group"] else found["group"][0]
        metrics = sorted(found["metric"])
        shown = (first, metrics[0], "validation")
        data = [
            trace | {"visible": tuple(trace["meta"][key] for key in ("group", "metric", "split")) == shown}
            for trace in figure.data
        ]
        return Curves(replace(figure, data=data), found["group"], found["network"], metrics, first)
    return None


@dataclass(frozen=True)
class HardImages:
    """Images that many configurations misclassified."""

    title: str
    images: Sequence[HardImage]


def _hard(images: Sequence[HardImage]) -> HardImages:
    """Those that more than half misclassified may have a wrong label; without any, those most often wrong."""
    most = [image for image in images if 2 * image.wrong > image.of]
    if most:
        return HardImages("Possible label errors: misclassified by most configurations", most)
    return HardImages("Misclassified most often, though by no more than half of the configurations", images)


def _steps(contents: Contents) -> list[Step]:
    decision, winner = contents.decision, contents.winner
    has_network = decision is None or decision.named.mode not in FITTED_MODES
    model = (winner.model if winner else "") if has_network else None
    return next_steps(contents.command, contents.trials, model, more_seeds(decision))


def _interval(one: Candidate) -> str:
    return "" if one.low is None or one.high is None else bounds(one.low, one.high)


def _front(found: Sequence[Candidate]) -> Grid:
    shown = front(found)[:MOST_ON_THE_FRONT]
    time = durations(one.seconds for one in shown)
    longer_by = durations(after.seconds - one.seconds for one, after in pairwise(shown))
    rows = []
    for before, one in zip([None, *shown], shown, strict=False):
        more = "" if before is None else f"+{(one.accuracy - before.accuracy) * 100:.1f}"
        longer = "" if before is None else f"+{longer_by(one.seconds - before.seconds)}"
        share, joules = f"{one.accuracy * 100:.1f}", amount("J")(one.joules)
        rows.append([one.name, share, _interval(one), time(one.seconds), joules, more, longer])
    headings = ["On the Pareto front", "balanced %", "95 %", "time to result", "energy", "points more", "for"]
    if not any(row[4] for row in rows):
        headings, *rows = ([*row[:4], *row[5:]] for row in (headings, *rows))
    return Grid(headings, rows)


def _counts(contents: Contents) -> dict[str, Any]:
    status = contents.trials["status"].value_counts() if len(contents.trials) else {}
    others = [(name, int(status.get(name, 0))) for name in ("failed", "interrupted", "unfinished", "not run")]
    return {
        "done": int(status.get("done", 0)),
        "total": len(contents.trials),
        "others": [(name, count) for name, count in others if count],
    }


def _disturbed(contents: Contents) -> int:
    trials = contents.trials
    return int(trials["disturbed"].notna().sum()) if "disturbed" in trials else 0


def _no_energy(contents: Contents) -> str:
    """Why no figure shows energy; empty where one does, or where there is no figure."""
    figures = contents.figures.get("price", [])
    if not figures or any(figure.name == "accuracy-energy" for figure in figures):
        return ""
    unavailable = contents.trials.get("unavailable", ())
    return "; ".join(reasons_of(unavailable, "energy")[:3]) or "no record holds it"


_PLACED = {
    *(
        "trials",
        "evaluation",
        "replicates",
        "classification-report",
        "training-time",
        "training-time-by-mode",
    ),
    *(
        "time-by-phase",
        "cost",
        "epochs-compared",
        "reference",
        "reference-classes",
        "reference-time",
        "reference-settings",
    ),
}


def _of_no_section(name: str) -> bool:
    """Whether a table has no place of its own: it follows the table of cost."""
    return name not in _PLACED and not name.startswith("accuracy-") and not name.endswith("-against-scratch")


def _troubled(contents: Contents) -> tuple[Grid, str]:
    """The trials that are not done, and a note on how many are omitted."""
    trials = contents.trials
    troubled = trials[trials["status"] != "done"] if len(trials) else trials
    if not len(troubled):
        return Grid([], []), ""
    shown = troubled.head(MOST_LISTED)
    reasons = shown["reason"].fillna("") if "reason" in shown else [""] * len(shown)
    rows = [list(row) for row in zip(shown["trial"], shown["status"], reasons, strict=True)]
    left = f"{len(shown)} of {len(troubled):,}; all are in trials.csv." if len(troubled) > len(shown) else ""
    return Grid(["trial", "status", "reason"], rows), left


def _facts(contents: Contents, made_at: str) -> list[tuple[str, str]]:
    origin, trials = contents.origin, contents.trials
    runtimes = list(dict.fromkeys(trials["runtime"].dropna())) if "runtime" in trials else []
    started = trials["started_at"].dropna() if "started_at" in trials else []
    data = origin.trial.settings.data if origin is not None else None
    if data is not None:
        data = msgspec.structs.replace(data, digest=data.digest[:16])
    return [
        ("Made", made_at),
        ("By", contents.command),
        ("Trials ran", f"{min(started)[:16]} to {max(started)[:16]} UTC" if len(started) else ""),
        ("With", "; ".join(runtimes[:6]) + (f"; {len(runtimes) - 6} more" if len(runtimes) > 6 else "")),
        ("On", origin.slot.model if origin is not None and origin.slot is not None else ""),
        ("Environment", _plain_values(origin.environment) if origin is not None else ""),
        ("Data", _plain_values(data)),
        ("Drawn by", "Plotly, inside this file"),
    ]


def _plain_values(struct: msgspec.Struct | None) -> str:
    """The fields that hold a text or a number: `python 3.12.3, cores 16`."""
    content = {} if struct is None else msgspec.to_builtins(struct)
    return ", ".join(f"{name} {value}" for name, value in content.items() if isinstance(value, str | int))


def _policy(*scripts: str) -> str:
    """A content security policy: nothing is loaded, and only these scripts run, even if a name held another."""
    allowed = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {allowed}"


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _side(column: Sequence[str]) -> str:
    if numeric(column):
        return "num"
    return "short" if max(map(len, column), default=0) <= SHORT else ""
