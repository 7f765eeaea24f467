"""Sets a report as one HTML file."""

import base64
import hashlib
import html
from collections.abc import Sequence
from functools import cache
from importlib import resources

from bench.report.costs import reasons_of
from bench.report.figures.figure import PHASE_COLOURS, Figure
from bench.report.gather import Contents
from bench.report.page.answer import answer
from bench.report.page.html import Markup, element, facts, grid, rows_of, section, table
from bench.report.page.mistakes import mistakes
from bench.report.tables import Table

MOST_LISTED = 60
"""Trials that failed or are missing, one by one."""


def page(contents: Contents, made_at: str) -> str:
    """The whole file.

    Args:
        contents: What to show.
        made_at: When, in words.
    """
    sections = [
        section(
            "worth", "What is worth its time?", answer(contents.found, _disturbed(contents)), _price(contents)
        ),
        _accuracy(contents),
        _cost(contents),
        _against(contents),
        _learning(contents),
        mistakes(contents),
        _trials(contents),
        _provenance(contents, made_at),
    ]
    plotly, script = plotly_js(), _own("script.js")
    # Nothing may be loaded, and no script may run but these two: not even one that slipped through in a name.
    allowed = " ".join(f"'sha256-{_sha256(one)}'" for one in (plotly, script))
    policy = f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {allowed}"
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=True)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            element("title", f"{contents.suite}: report"),
            f"\n<style>\n{_own('style.css')}</style>\n</head>\n<body>\n<main>\n",
            _header(contents, made_at),
            *sections,
            "\n</main>\n",
            f"<script>{plotly}</script>\n<script>{script}</script>\n</body>\n</html>\n",
        )
    )


@cache
def plotly_js() -> str:
    """Plotly's own script, as one that stands inside a page."""
    package = resources.files("plotly") / "package_data" / "plotly.min.js"
    return package.read_text(encoding="utf-8").replace("</script", "<\\/script")


@cache
def _own(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _header(contents: Contents, made_at: str) -> Markup:
    status = contents.trials["status"].value_counts() if len(contents.trials) else {}
    done, total = int(status.get("done", 0)), len(contents.trials)
    counts = [
        element("li", element("b", f"{done:,} of {total:,}"), f" trial{'s' if total != 1 else ''} done")
    ]
    for name in ("failed", "interrupted", "unfinished", "not run"):
        if count := int(status.get(name, 0)):
            counts.append(
                element("li", element("b", f"{count:,}"), f" {name}", cls="bad" if name == "failed" else None)
            )
    counts.append(element("li", f"made {made_at}"))
    anchors = [
        ("worth", "Worth"),
        ("accuracy", "Accuracy"),
        ("cost", "Time and cost"),
        ("against", "Side by side"),
        ("learning", "Learning"),
        ("mistakes", "Mistakes"),
        ("trials", "Every trial"),
        ("provenance", "Provenance"),
    ]
    question = (
        contents.description
        or "Which network, trained how and for how long, is worth its time on these images?"
    )
    notes = [element("p", note, cls="note") for note in contents.notes]
    return element(
        "header",
        element("p", "Leukobench report", cls="eyebrow"),
        element("h1", contents.suite),
        element("p", question, cls="lead"),
        element("ul", *counts, cls="counts"),
        *notes,
        element("nav", *(element("a", name, href=f"#{anchor}") for anchor, name in anchors)),
    )


def _disturbed(contents: Contents) -> int:
    trials = contents.trials
    return int(trials["disturbed"].notna().sum()) if "disturbed" in trials else 0


def _price(contents: Contents) -> Markup:
    figures = contents.figures.get("price", [])
    drawn = grid(figures)
    if figures and not any(figure.name == "accuracy-energy" for figure in figures):
        unavailable = contents.trials.get("unavailable", ())
        why = "; ".join(reasons_of(unavailable, "energy")[:3]) or "no record holds it"
        drawn = Markup(drawn + element("p", f"Accuracy against energy is not drawn: {why}.", cls="note"))
    return drawn


def _accuracy(contents: Contents) -> Markup:
    own = [one for name, one in contents.tables.items() if name.startswith("accuracy-")]
    return section(
        "accuracy",
        "Test accuracy of the classes",
        *_tables(contents, own[:MOST_GROUPS]),
        _more(own),
        grid(contents.figures.get("classes", [])[:MOST_GROUPS]),
        _one(contents, "classification-report", closed=True),
        _titled("Confusion matrices", contents.figures.get("confusion", [])),
    )


MOST_GROUPS = 12
"""Tables and figures of modes and epoch counts, of each kind."""


def _cost(contents: Contents) -> Markup:
    machine = contents.figures.get("machine", [])
    absent = element(
        "p", "How busy the device was over time is not drawn: no trial has telemetry.", cls="note"
    )
    return section(
        "cost",
        "Time and cost",
        _one(contents, "training-time-by-mode"),
        _one(contents, "training-time"),
        _one(contents, "time-by-phase", closed=True),
        grid(contents.figures.get("phases", [])[:MOST_GROUPS]),
        _one(contents, "cost"),
        *_tables(contents, [one for name, one in contents.tables.items() if _of_no_section(name)]),
        _over_time(machine) if machine else (absent if contents.found else Markup("")),
    )


_PLACED = {
    *("trials", "evaluation", "repeats", "classification-report", "training-time", "training-time-by-mode"),
    *("time-by-phase", "cost", "epochs-compared", "reference", "reference-classes", "reference-time"),
}


def _of_no_section(name: str) -> bool:
    """Further tables of cost stand after it."""
    return name not in _PLACED and not name.startswith("accuracy-") and not name.endswith("-against-scratch")


def _over_time(machine: Sequence[Figure]) -> Markup:
    shades = [
        element("span", element("i", style=f"background:{colour}"), phase)
        for phase, colour in PHASE_COLOURS.items()
    ]
    title = element("h3", "The machine over time, the phases shaded")
    return Markup(title + element("div", *shades, cls="shades") + grid(machine))


def _against(contents: Contents) -> Markup:
    names = [name for name in contents.tables if name.endswith("-against-scratch")]
    return section(
        "against",
        "Side by side",
        *(_one(contents, name) for name in (*names, "epochs-compared")),
        grid(contents.figures.get("side by side", [])[:MOST_GROUPS]),
        _one(contents, "reference"),
        _one(contents, "reference-classes", closed=True),
        _one(contents, "reference-time"),
    )


def _learning(contents: Contents) -> Markup:
    return section(
        "learning",
        "How they learnt",
        grid(contents.figures.get("means", [])),
        grid(contents.figures.get("all networks", [])),
        _titled("Modes against each other, each network", contents.figures.get("modes", [])),
        _titled("Training against validation, each network", contents.figures.get("each network", [])),
    )


def _trials(contents: Contents) -> Markup:
    trials = contents.trials
    troubled = trials[trials["status"] != "done"] if len(trials) else trials
    parts: list[Markup] = []
    if len(troubled):
        shown = troubled.head(MOST_LISTED)
        reasons = shown["reason"].fillna("") if "reason" in shown else [""] * len(shown)
        rows = [list(row) for row in zip(shown["trial"], shown["status"], reasons, strict=True)]
        parts.append(element("h3", "Failed, cut off or missing"))
        parts.append(rows_of(["trial", "status", "reason"], rows))
        if len(troubled) > len(shown):
            left = f"{len(shown)} of {len(troubled):,}; all are in trials.csv."
            parts.append(element("p", left, cls="note"))
    for trial, log in contents.logs.items():
        summary = element("summary", f"End of the log of {trial}")
        parts.append(element("details", summary, element("pre", "\n".join(log))))
    names = ("trials", "evaluation", "repeats")
    few = len(trials) <= 30
    return section(
        "trials",
        "Every trial",
        *parts,
        *(_one(contents, name, closed=not few or name == "evaluation") for name in names),
    )


def _provenance(contents: Contents, made_at: str) -> Markup:
    environment, trials = contents.environment, contents.trials
    runtimes = list(dict.fromkeys(trials["runtime"].dropna())) if "runtime" in trials else []
    versions = {name: value for name, value in environment.items() if isinstance(value, str | int)}
    started = trials["started_at"].dropna() if "started_at" in trials else []
    data = ", ".join(
        f"{name} {str(value)[:16] if name == 'digest' else value}"
        for name, value in contents.data.items()
        if isinstance(value, str | int)
    )
    return section(
        "provenance",
        "Provenance",
        facts(
            [
                ("Made", made_at),
                ("By", contents.command),
                ("Trials ran", f"{min(started)[:16]} to {max(started)[:16]} UTC" if len(started) else ""),
                (
                    "With",
                    "; ".join(runtimes[:6]) + (f"; {len(runtimes) - 6} more" if len(runtimes) > 6 else ""),
                ),
                ("On", contents.slot.get("model", "")),
                ("Environment", ", ".join(f"{name} {value}" for name, value in versions.items())),
                ("Data", data),
                ("Drawn by", "Plotly, inside this file"),
            ]
        ),
        element(
            "p",
            "Made from the records (result.json), journals and predictions of the results folder alone; it "
            "can be made "
            "again at any time. Nothing is loaded from elsewhere.",
            cls="note",
        ),
    )


def _one(contents: Contents, name: str, closed: bool = False) -> Markup:
    found = contents.tables.get(name)
    return table(found, closed=closed, title=_title(contents, found)) if found else Markup("")


def _tables(contents: Contents, shown: Sequence[Table]) -> list[Markup]:
    return [table(one, title=_title(contents, one)) for one in shown]


def _title(contents: Contents, one: Table) -> str:
    """Without the suite's name, which the page has said."""
    title = one.title.removeprefix(f"{contents.suite}: ")
    return title[:1].upper() + title[1:]


def _more(own: Sequence[Table]) -> Markup:
    if len(own) <= MOST_GROUPS:
        return Markup("")
    return element("p", f"{len(own) - MOST_GROUPS} more tables are in the folder tables.", cls="note")


def _titled(title: str, figures: Sequence) -> Markup:
    return Markup(element("h3", title) + grid(figures)) if figures else Markup("")
