"""Values as text: units, digits and signs at both sides of each edge, and tables as Markdown and LaTeX."""

import math

import pytest

from bench.report.tables import formats
from bench.report.tables.formats import amount, as_latex, as_markdown, durations, number, numeric, points

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "is_missing"), [(None, True), (NAN, True), (0, False), ("", False), (math.inf, False), (0.0, False)]
)  # fmt: skip
def test_what_is_missing(value, is_missing: bool):
    assert formats.missing(value) is is_missing


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lambda: formats.text(None), ""),
        (lambda: formats.text(0), "0"),
        (lambda: formats.text("never"), "never"),
        (lambda: number("{:.1f}")(0.25), "0.2"),
        (lambda: number("{:.1f}", 100)(0.1234), "12.3"),
        (lambda: number("{:.1f}", 100)(None), ""),
        (lambda: formats.bounds(0.1234, 0.9), "12.3–90.0"),
        (lambda: formats.bounds(NAN, 0.9), ""),
        (lambda: formats.share_with_bounds(0.5, 0.124, 0.987), "50.0 [12–99]"),
        (lambda: formats.share_with_bounds(NAN, 0.1, 0.9), ""),
        (lambda: formats.share_with_bounds(0.5, NAN, 0.9), ""),
        (lambda: formats.share_or_bounds(0.5, 0.124, 0.987), "50.0 [12–99]"),
        (lambda: formats.share_or_bounds(0.5, NAN, NAN), "50.0"),
        (lambda: formats.share_or_bounds(NAN, NAN, NAN), ""),
        (lambda: points(0.0126), "+1.3"),
        (lambda: points(-0.0126), "−1.3"),
        (lambda: points(-0.0004), "+0.0"),
        (lambda: points(0.0126, -0.004, 0.026), "+1.3 [−0 to +3]"),
        (lambda: points(NAN, 0.1, 0.2), ""),
        (lambda: formats.parameters(9999), "9999"),
        (lambda: formats.parameters(10_000), "0.01 M"),
        (lambda: formats.parameters(1_254_000), "1.25 M"),
        (lambda: formats.parameters(None), ""),
        (lambda: formats.epochs(0), ""),
        (lambda: formats.epochs(1.0), "1"),
        (lambda: formats.epochs(NAN), ""),
        (lambda: formats.time_or_never("never"), "never"),
        (lambda: formats.time_or_never(89.9), "89.9 s"),
    ],
)
def test_a_value_in_words(said, expected: str):
    assert said() == expected


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0, "0.00 s"),
        (0.0999, "99.9 ms"),
        (0.1, "0.10 s"),
        (-0.05, "-50.0 ms"),
        (89.94, "89.9 s"),
        (90, "1.50 min"),
        (-90, "-1.50 min"),
        (5394, "89.9 min"),
        (5400, "1.50 h"),
        (360_000, "100 h"),
        (36_000_000, "10000 h"),
    ],
)
def test_the_unit_of_a_duration(seconds, said: str):
    assert formats.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((0.1, 0.2), ["0.10 s", "0.20 s"]),
        ((0.0999, 0.2), ["99.9 ms", "200 ms"]),
        ((89.94, 100), ["89.9 s", "100 s"]),
        ((90, 100), ["1.50 min", "1.67 min"]),
        ((-120, -5400), ["-2.00 min", "-90.0 min"]),
        ((5394, 6000), ["89.9 min", "100 min"]),
        ((5400, 7200), ["1.50 h", "2.00 h"]),
        ((1, 9999), ["1.00 s", "9999 s"]),
        ((1, 10_000), ["0.02 min", "167 min"]),
        ((0.05, 9.999), ["50.0 ms", "9999 ms"]),
        ((0.05, 10), ["0.05 s", "10.0 s"]),
        ((0.0, 5.0), ["0.00 s", "5.00 s"]),
        ((NAN, 5.0, None), ["", "5.00 s", ""]),
        ((1, 36_000_000), ["0.00 h", "10000 h"]),
    ],
)
def test_the_unit_of_a_column_is_that_of_its_shortest_unless_the_longest_had_five_digits(seconds, said):
    assert [durations(seconds)(value) for value in seconds] == said
    assert durations(())(3.0) == "3.00 s"


@pytest.mark.parametrize(
    ("unit", "step", "value", "said"),
    [
        ("J", 1000, 0, "0.00 J"),
        ("J", 1000, 999, "999 J"),
        ("J", 1000, 1000, "1.00 kJ"),
        ("J", 1000, -1500, "-1.50 kJ"),
        ("J", 1000, 2.5e6, "2.50 MJ"),
        ("J", 1000, 2.5e9, "2.50 GJ"),
        ("J", 1000, 2.5e12, "2.50 TJ"),
        ("J", 1000, 2.5e18, "2500 PJ"),
        ("B", 1024, 1023, "1023 B"),
        ("B", 1024, 1024, "1.00 KiB"),
        ("B", 1024, 1024**2, "1.00 MiB"),
        ("B", 1024, 1024**4, "1.00 TiB"),
        ("B", 1024, 1024**6, "1024 PiB"),
        ("B", 1024, None, ""),
    ],
)
def test_the_prefix_of_an_amount(unit: str, step: int, value, said: str):
    assert amount(unit, step)(value) == said
    assert amount("J")(1000) == "1.00 kJ"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([], False),
        (["", ""], False),
        (["", "1.5 s"], True),
        (["+1,000", "−2", "-3"], True),
        (["1", "x"], False),
        (["1a"], False),
    ],
)
def test_a_column_of_numbers(column: list[str], expected: bool):
    assert numeric(column) is expected


ROWS = [["VGG16", "1.5"], ["a|b", ""]]


def test_a_table_as_markdown():
    assert as_markdown("A *title*", ["network", "fit s"], ROWS, ["One\nnote.", "Another."]) == (
        "### A \\*title\\*\n\n| network | fit s |\n| --- | --- |\n| VGG16 | 1.5 |\n| a\\|b |  |\n\n"
        "One note.\n\nAnother.\n"
    )
    assert as_markdown("title", [], [], ["Nothing ran."]) == "### title\n\nNothing ran.\n"


def test_a_table_as_latex():
    assert as_latex("50 %", ["network", "fit s"], ROWS, ["One\nnote."]).splitlines() == [
        r"% \usepackage{booktabs} and \usepackage[T1]{fontenc} are needed.",
        r"\begin{table}",
        r"  \caption{50 \%}",
        r"  \begin{tabular}{lr}",
        r"  \toprule",
        r"  network & fit s \\",
        r"  \midrule",
        r"  VGG16 & 1.5 \\",
        r"  a\textbar{}b &  \\",
        r"  \bottomrule",
        r"  \end{tabular}",
        r"  \par\footnotesize One note.",
        r"\end{table}",
    ]
    assert r"\begin{tabular}{ll}" in as_latex("t", ["a", "b"], [])
    assert as_latex("t", [], [], ["Nothing\nran."]) == "% t\n% Nothing ran.\n"
    said = as_latex('\\~^<>"–−{}$&#_%', ["a"], [["b"]]).splitlines()[2]
    assert said == (
        r"  \caption{\textbackslash{}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}"
        r"\textquotedbl{}--$-$\{\}\$\&\#\_\%}"
    )
