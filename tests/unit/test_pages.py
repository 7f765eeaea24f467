"""The templates of HTML pages: every value is escaped, in each of them."""

import re
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

import bench.pages
from bench.pages.render import Markup, asset, macros, render
from bench.report.figures.figure import Figure

TEMPLATES = Path(bench.pages.__file__).parent / "templates"
EVIL = "</script><script>alert('x')</script>"


PLOT = Figure("plot", EVIL, [{"name": EVIL}], {"title": "&<>'\u2028"}, EVIL)


def test_values_are_escaped_and_finished_html_is_not():
    shown = render("figure", figure=PLOT)
    assert EVIL not in shown and shown.count("<script") == 2
    assert "&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)" in shown
    assert "\\u003c/script\\u003e" in shown, "within a script, a value is JSON without an angle bracket"


def test_text_stays_text_in_attributes_too():
    class Image:
        file, picture = '"><b>x.png', "data:,"

    assert 'alt="&#34;&gt;&lt;b&gt;x.png"' in macros("parts").picture(Image())


def test_a_value_that_is_missing_is_an_error_and_no_gap():
    with pytest.raises(jinja2.UndefinedError):
        render("figure")


def test_nan_never_reaches_a_script():
    with pytest.raises(ValueError, match="not JSON compliant"):
        render("figure", figure=replace(PLOT, data=[{"x": float("nan")}]))


def test_assets_are_set_as_they_are():
    assert isinstance(asset("report.js"), Markup) and "&&" in asset("report.js")


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.jinja")), ids=lambda path: path.name)
def test_no_template_leaves_escaping_out(path):
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", path.read_text())


def test_there_is_one_environment():
    bench = TEMPLATES.parents[1]
    makers = [path for path in bench.rglob("*.py") if "jinja2" in path.read_text()]
    assert [path.relative_to(bench).as_posix() for path in makers] == ["pages/render.py"]
    assert {path.parent for path in bench.rglob("*.jinja")} == {TEMPLATES}
