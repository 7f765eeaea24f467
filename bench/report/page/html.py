"""Pieces of HTML; every text that comes in is escaped here, and nowhere else."""

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from urllib.parse import quote

from bench.report.figures.figure import Figure
from bench.report.markup import numeric
from bench.report.tables import Table

SHORT = 24
"""Text of so many letters is not broken into lines."""

MOST_ROWS = 120
"""Of a table on the page; its files hold all."""


class Markup(str):
    """HTML that is finished."""


def text(value: object) -> Markup:
    """Text that stays text, in elements and in attributes."""
    return Markup(html.escape(str(value), quote=True))


def element(name: str, *content: object, **attributes: object) -> Markup:
    """An element; its content is escaped unless it is `Markup`. `cls` is the attribute `class`."""
    inner = "".join(one if isinstance(one, Markup) else text(one) for one in content)
    shown = "".join(
        f' {key.replace("cls", "class").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{shown}>{inner}</{name}>")


def section(anchor: str, title: str, *content: Markup) -> Markup:
    """A section of the page; nothing where it would be empty."""
    filled = [one for one in content if one]
    if not filled:
        return Markup("")
    return element("section", element("h2", title), *filled, id=anchor)


def grid(figures: Sequence[Figure | None]) -> Markup:
    """Figures beside one another, as many as the window has room for."""
    shown = [figure for figure in figures if figure is not None]
    if not shown:
        return Markup("")
    return element("div", *map(plot, shown), cls="plots small" if shown[0].small else "plots")


def plot(figure: Figure) -> Markup:
    """A figure: an empty frame of its height, and the data that the page's script draws in it."""
    content = {"data": figure.data, "layout": figure.layout}
    return element(
        "figure",
        element("h3", figure.title),
        element("div", cls="canvas", data_figure=figure.name, style=f"height:{int(figure.height)}px"),
        element("figcaption", figure.caption) if figure.caption else Markup(""),
        Markup(f'<script type="application/json">{_inline(content)}</script>'),
        cls="plot",
        id=f"figure-{figure.name}",
    )


def table(shown: Table, most: int = MOST_ROWS, closed: bool = False, title: str | None = None) -> Markup:
    """A table with links to its files.

    Args:
        shown: The table.
        most: So many rows; how many are left out is said.
        closed: Fold it away.
        title: Instead of its own.
    """
    headings, rows = shown.written()
    links = [
        element("a", suffix, href=f"tables/{quote(shown.file)}.{suffix}") for suffix in ("csv", "md", "tex")
    ]
    heading = element("span", title or shown.title, cls="name")
    files = element("span", *_joined(links, Markup(" ")), cls="files")
    body = rows_of(headings, rows[:most]) if headings else Markup("")
    notes = [element("p", note, cls="note") for note in shown.notes]
    if len(rows) > most:
        left = f"{most} of {len(rows):,} rows; all of them are in {shown.file}.csv."
        notes.insert(0, element("p", left, cls="note"))
    if closed:
        summary = element("summary", heading)
        return element("details", summary, body, *notes, element("p", files, cls="note"), cls="table")
    return element("div", element("p", heading, files, cls="caption"), body, *notes, cls="table")


def rows_of(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """A table that scrolls by itself where it is too wide; columns of numbers stand at the right."""
    columns = list(zip(*rows, strict=True)) or [()] * len(headings)
    sides = [_side([str(trial) for trial in column]) for column in columns]
    head = element("tr", *(element("th", name, cls=side) for name, side in zip(headings, sides, strict=True)))
    body = [
        element(
            "tr",
            *(
                element("td", "—" if trial == "" else trial, cls=side)
                for trial, side in zip(row, sides, strict=True)
            ),
        )
        for row in rows
    ]
    inner = element("table", element("thead", head), element("tbody", *body))
    return element("div", inner, cls="wide", tabindex="0")


def _side(column: Sequence[str]) -> str | None:
    if numeric(column):
        return "num"
    return "short" if max(map(len, column), default=0) <= SHORT else None


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Names with their values; those without a value are left out."""
    entries = [Markup(element("dt", name) + element("dd", value)) for name, value in pairs if value]
    return element("dl", *entries) if entries else Markup("")


def _joined(parts: Sequence[Markup], between: Markup) -> list[Markup]:
    return [one for part in parts for one in (between, part)][1:]


def _inline(content: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    dense = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return dense.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def as_json(figure: Figure) -> str:
    """A figure for a file of its own."""
    return _inline({name: value for name, value in asdict(figure).items() if name in ("data", "layout")})
