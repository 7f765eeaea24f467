"""A summary that fits a pull request."""

import html
from collections.abc import Iterable

from bench.compare.output import words
from bench.compare.verdict import CellVerdict, Verdict

MARKS = {
    "slower": "**slower**",
    "worse": "**worse**",
    "failed": "**failed**",
}


def markdown(verdict: Verdict) -> str:
    """The verdict as Markdown: outcome, a row a cell, where the time went, what changed."""
    shown = words.shown_metrics(verdict)
    heading = ["cell", "speed", "learning", *map(words.title_of, shown), "accuracy", "pairs"]
    lines = [
        f"## {_text(verdict.baseline)} against {_text(verdict.candidate)}",
        "",
        f"**{_text(words.outcome(verdict))}.** {_text(words.counts(verdict))}.",
        "",
        _row(heading),
        _row("---" for _ in heading),
    ]
    for cell in verdict.cells:
        changes = (words.change(words.metric_of(cell, name)) for name in shown)
        accuracy = words.difference(words.difference_of(cell, "accuracy"))
        speed, learning = (MARKS.get(said, said) for said in words.verdict_of(cell))
        lines.append(_row([_text(cell.label), speed, learning, *changes, accuracy, words.pairs_of(cell)]))
    lines += ["", "Changes are candidate / baseline over pairs, with 95 % intervals.", ""]
    if notes := words.notes_of(verdict):
        lines += [*(f"- {_text(note)}" for note in notes), ""]
    lines += _where(verdict.cells)
    lines += _changed(verdict)
    if found := words.detectable(verdict):
        lines += [_text(found), ""]
    lines += [f"{_text(note)}\n" for note in verdict.notes]
    return "\n".join(lines).rstrip() + "\n"


def _where(cells: Iterable[CellVerdict]) -> list[str]:
    timed = [cell for cell in cells if cell.phases]
    if not timed:
        return []
    names = list(dict.fromkeys(phase.means for cell in timed for phase in cell.phases))
    lines = [
        "<details><summary>Where the time went: seconds, candidate less baseline</summary>",
        "",
        _row(["cell", *map(_text, names)]),
        _row("---" for _ in range(len(names) + 1)),
    ]
    for cell in timed:
        seconds = {phase.means: f"{phase.difference_s:+.2f}" for phase in cell.phases}
        lines.append(_row([_text(cell.label), *(seconds.get(name, "—") for name in names)]))
    return [*lines, "", "</details>", ""]


def _changed(verdict: Verdict) -> list[str]:
    if not verdict.changes:
        return ["Nothing that is recorded of the software differs.", ""]
    return [
        f"<details><summary>What differs between the sides ({len(verdict.changes)})</summary>",
        "",
        _row(["what", "baseline", "candidate"]),
        _row(["---"] * 3),
        *(_row(map(_text, (change.name, change.baseline, change.candidate))) for change in verdict.changes),
        "",
        "</details>",
        "",
    ]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _text(text: str) -> str:
    """Names may hold anything; as Markdown they must stay text."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    for sign in "\\|`*_[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
