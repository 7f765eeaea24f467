"""Values as text, and tables as Markdown and LaTeX. A missing value is an empty text, never 0."""

import html
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.trials.measured import NEVER


def missing(value: Any) -> bool:
    """Whether there is no value."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text(value: Any) -> str:
    """Any value as it is."""
    return "" if missing(value) else str(value)


def number(pattern: str, scale: float = 1.0) -> Callable[[Any], str]:
    """A writer of numbers, each times `scale`."""

    def write(value: Any) -> str:
        return "" if missing(value) else pattern.format(value * scale)

    return write


def bounds(low: float, high: float) -> str:
    """An interval of a share, in percent."""
    return "" if missing(low) else f"{low * 100:.1f}–{high * 100:.1f}"


def share_with_bounds(share: float, low: float, high: float) -> str:
    """A share with its interval, in percent; empty where one of them is missing."""
    return "" if missing(share) or missing(low) else f"{share * 100:.1f} [{low * 100:.0f}–{high * 100:.0f}]"


def share_or_bounds(share: float, low: float, high: float) -> str:
    """A share in percent, with its interval where there is one."""
    return share_with_bounds(share, low, high) or number("{:.1f}", 100)(share)


def points(difference: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of shares in percentage points, with its sign and its interval."""
    if missing(difference):
        return ""
    difference = round(difference, 3) + 0.0  # no −0.0
    interval = "" if missing(low) else f" [{low * 100:+.0f} to {high * 100:+.0f}]"
    return f"{difference * 100:+.1f}{interval}".replace("-", "−")


def parameters(value: Any) -> str:
    """A number of parameters."""
    if missing(value):
        return ""
    return f"{value / 1e6:.2f} M" if value >= 10_000 else f"{value:.0f}"


def epochs(value: Any) -> str:
    """A number of epochs; empty for classical methods."""
    return "" if missing(value) or not value else f"{value:.0f}"


def duration(seconds: Any) -> str:
    """Seconds with three digits and a suitable unit."""
    if missing(seconds):
        return ""
    for unit, size in (("h", 3600), ("min", 60)):
        if abs(seconds) >= 1.5 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    if 0 < abs(seconds) < 0.1:
        return f"{_three_digits(1000 * seconds)} ms"
    return f"{_three_digits(seconds)} s"


def time_or_never(seconds: Any) -> str:
    """A duration, or that something never happened."""
    return NEVER if seconds == NEVER else duration(seconds)


def durations(values: Iterable[Any]) -> Callable[[Any], str]:
    """A writer of durations with one unit for all of `values`, so that a column is easy to compare."""
    sizes = [abs(value) for value in values if not missing(value) and value]
    least, most = min(sizes, default=1.0), max(sizes, default=1.0)
    units = [("ms", 0.001), ("s", 1.0), ("min", 60.0), ("h", 3600.0)]
    # The unit of the shortest, unless the longest would then have five digits.
    begin = 0 if least < 0.1 else max(n for n, (_, size) in enumerate(units) if n == 1 or least >= 1.5 * size)
    fitting = (one for one in units[begin:] if most < 10_000 * one[1])
    unit, size = next(fitting, units[-1])

    def write(seconds: Any) -> str:
        return "" if missing(seconds) else f"{_three_digits(seconds / size)} {unit}"

    return write


def amount(unit: str, step: int = 1000) -> Callable[[Any], str]:
    """A writer of quantities with a prefix: 1.25 kJ, 3.4 GiB."""
    prefixes = ("", "Ki", "Mi", "Gi", "Ti", "Pi") if step == 1024 else ("", "k", "M", "G", "T", "P")

    def write(value: Any) -> str:
        if missing(value):
            return ""
        power = 0
        while abs(value) >= step and power < len(prefixes) - 1:
            value, power = value / step, power + 1
        return f"{_three_digits(value)} {prefixes[power]}{unit}"

    return write


def _three_digits(value: float) -> str:
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) >= 0.01 else 2
    return f"{value:.{min(decimals, 2)}f}"


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

    def line(values: Iterable[str]) -> str:
        return "| " + " | ".join(map(_markdown, values)) + " |"

    lines = [f"### {_markdown(title)}"]
    if headings:
        lines += ["", line(headings), line("---" for _ in headings), *map(line, rows)]
    for note in notes:
        lines += ["", _markdown(note)]
    return "\n".join(lines) + "\n"


def as_latex(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Iterable[str] = ()
) -> str:
    """A `table` with the rules of the package booktabs; columns of numbers are aligned to the right."""

    def line(values: Iterable[str]) -> str:
        return "  " + " & ".join(map(_latex, values)) + r" \\"

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
    """Whether all values of a column that are not empty are numbers."""
    filled = [value for value in column if value]
    return bool(filled) and all(_NUMBER.match(value) for value in filled)


def _markdown(value: str) -> str:
    text = html.escape(" ".join(value.split()), quote=False)
    return re.sub(r"([|`*\\])", r"\\\1", text).replace("](", "]\\(")


def _latex(value: str) -> str:
    return "".join(_LATEX.get(char, char) for char in " ".join(value.split()))
