"""Lines of keys in TOML texts, for messages."""

import pytest

from bench.suite.file import line_of

TABLES = """\
a = 1
[t] # comment
x.y = 2
"odd key" = 3
[[m]]
k = 1
[[ m ]]
k = 2
"""

LISTS = """\
# first
[a]
x = 1
[[m]]
y = 2
[[m]]
y = [
  3,
]
z.w = 4
"""


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        (TABLES, ("a",), 1),
        (TABLES, ("t",), 2),
        (TABLES, ("t", "odd key"), 4),
        (TABLES, ("t", "x", "y"), 3),
        (TABLES, ("m", 0, "k"), 6),
        (TABLES, ("m", 1, "k"), 8),
        (TABLES, ("m", 1, "other"), 7),
        (TABLES, ("m", 1, "k", 0, "name"), 8),
        (TABLES, ("nowhere",), None),
        (LISTS, ("a", "x"), 3),
        (LISTS, ("m", 0, "y"), 5),
        (LISTS, ("m", 1, "y", 0), 7),
        (LISTS, ("m", 1, "z", "w"), 10),
        (LISTS, ("m", 1, "unknown"), 6),
    ],
)
def test_lines_of_keys(text: str, path: tuple, line: int | None):
    assert line_of(text, path) == line
