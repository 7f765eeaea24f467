"""Images taken for another class, with their pictures."""

import html

from bench.report.gather import Contents, NetworkMistakes
from bench.report.mistakes import Hard, Mistake
from bench.report.page.html import Markup, element, section


def mistakes(contents: Contents) -> Markup:
    """The hardest images, and each network's surest mistakes; nothing where there are no predictions."""
    if not contents.mistakes:
        return Markup("")
    parts: list[Markup] = []
    if contents.pictures_missing:
        said = f"{contents.pictures_missing} images are not in their data set any more, or not as they were."
        parts.append(element("p", said, cls="note"))
    if contents.hard:
        parts.append(element("h3", "Taken for another class by most configurations"))
        parts.append(element("ul", *map(_hard, contents.hard), cls="mistakes"))
    parts.append(
        element(
            "p", "Of each network the most accurate configuration, and what it was surest of.", cls="note"
        )
    )
    for own in contents.mistakes:
        parts += _of_network(own)
    return section("mistakes", "Images taken for another class", *parts)


def _of_network(own: NetworkMistakes) -> list[Markup]:
    count = f"{own.name}: {own.count} of {own.images} test images"
    shown = [element("ul", *map(_mistake, own.mistakes), cls="mistakes")] if own.mistakes else []
    return [element("h3", count), *shown]


def _picture(uri: str | None, file: str) -> Markup:
    if uri is None:
        return element("span", "not there any more", cls="gone")
    return Markup(f'<img src="{html.escape(uri, quote=True)}" alt="{html.escape(file, quote=True)}">')


def _mistake(one: Mistake) -> Markup:
    lines = []
    for rank, (name, share) in enumerate(one.shares[:3]):
        kind = "right" if name == one.true else "wrong" if rank == 0 else None
        lines.append(element("div", f"{name} {share * 100:.0f} %", cls=kind))
    if all(name != one.true for name, _ in one.shares[:3]):
        share = dict(one.shares)[one.true]
        lines.append(element("div", f"{one.true} {share * 100:.1f} %", cls="right"))
    return element(
        "li", _picture(one.picture, one.file), element("div", *lines, element("div", one.file, cls="file"))
    )


def _hard(one: Hard) -> Markup:
    taken = [element("div", f"{name}: {count}", cls="wrong") for name, count in one.taken_for[:2]]
    return element(
        "li",
        _picture(one.picture, one.file),
        element(
            "div",
            element("div", one.true, cls="right"),
            element("div", f"{one.wrong} of {one.of} wrong"),
            *taken,
            element("div", one.file, cls="file"),
        ),
    )
