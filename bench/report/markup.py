"""A table in the markup of others; names of classes may hold anything, and must stay text there."""

import html
import re
from collections.abc import Iterable, Sequence

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "−": "$-$",
    **{char: f"\\{char}" for char in "{}$&#_%"},
}
_NUMBER = re.compile(r"[+\-−]?[\d.,]+( |$)")


def as_markdown(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Iterable[str] = ()
) -> str:
    """A table of GitHub's Markdown."""

    def line(trials: Iterable[str]) -> str:
        return "| " + " | ".join(map(_markdown, trials)) + " |"

    lines = [f"### {_markdown(title)}"]
    if headings:
        lines += ["", line(headings), line("---" for _ in headings), *map(line, rows)]
    for note in notes:
        lines += ["", _markdown(note)]
    return "\n".join(lines) + "\n"


def as_latex(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Iterable[str] = ()
) -> str:
    """A `table` with the rules of the package booktabs; columns of numbers are set to the right."""

    def line(trials: Iterable[str]) -> str:
        return "  " + " & ".join(map(_latex, trials)) + r" \\"

    alignment = "".join("r" if numeric(column) else "l" for column in zip(*rows, strict=True))
    if not headings:
        return "".join(f"% {' '.join(note.split())}\n" for note in (title, *notes))
    lines = [
        r"% \usepackage{booktabs} and \usepackage[T1]{fontenc} are needed.",
        r"\begin{table}",
        rf"  \caption{{{_latex(title)}}}",
        rf"  \begin{{tabular}}{{{alignment or 'l' * len(headings)}}}",
        r"  \toprule",
        line(headings),
        r"  \midrule",
        *map(line, rows),
        r"  \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\footnotesize {_latex(note)}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def numeric(column: Iterable[str]) -> bool:
    """Whether the trials of a column are numbers, as far as they hold anything."""
    filled = [trial for trial in column if trial]
    return bool(filled) and all(_NUMBER.match(trial) for trial in filled)


def _markdown(trial: str) -> str:
    text = html.escape(" ".join(trial.split()), quote=False)
    return re.sub(r"([|`*\\])", r"\\\1", text).replace("](", "]\\(")


def _latex(trial: str) -> str:
    return "".join(_LATEX.get(char, char) for char in " ".join(trial.split()))
